"""The stages of the A-R-A-R loop (notebook 03)."""

from companion.loop.run import CONTROL, STAGES, IterationSettings, IterationTables, run_iterations

__all__ = ["CONTROL", "STAGES", "IterationSettings", "IterationTables", "run_iterations"]
