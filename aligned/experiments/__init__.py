"""Floor 4: what the notebooks call — one function per analysis, from settings to tidy tables."""

from aligned.experiments.iterations import (
    CONTROL,
    STAGES,
    IterationSettings,
    IterationTables,
    run_iterations,
)
from aligned.experiments.tables import load_tables, save_tables

__all__ = [
    "CONTROL",
    "STAGES",
    "IterationSettings",
    "IterationTables",
    "load_tables",
    "run_iterations",
    "save_tables",
]
