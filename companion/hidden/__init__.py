"""Edges hidden from the method: are they found again? (notebook 04)"""

from companion.hidden.run import HiddenSettings, HiddenTables, run_hidden

__all__ = ["HiddenSettings", "HiddenTables", "run_hidden"]
