"""Floor 4: what the notebooks call — one function per analysis, from settings to tidy tables."""

from aligned.experiments.iterations import (
    CONTROL,
    STAGES,
    IterationSettings,
    IterationTables,
    run_iterations,
)

__all__ = ["CONTROL", "STAGES", "IterationSettings", "IterationTables", "run_iterations"]
