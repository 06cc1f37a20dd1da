"""Floor 4: what the notebooks call — one function per analysis, from settings to tidy tables."""

from aligned.experiments.hidden import HiddenSettings, HiddenTables, run_hidden
from aligned.experiments.iterations import (
    CONTROL,
    STAGES,
    IterationSettings,
    IterationTables,
    run_iterations,
)
from aligned.experiments.noise import NoiseSettings, NoiseTables, run_noise
from aligned.experiments.pathways import PathwaySettings, PathwayTables, run_pathways
from aligned.experiments.tables import load_tables, save_tables

__all__ = [
    "CONTROL",
    "STAGES",
    "HiddenSettings",
    "HiddenTables",
    "IterationSettings",
    "IterationTables",
    "NoiseSettings",
    "NoiseTables",
    "PathwaySettings",
    "PathwayTables",
    "load_tables",
    "run_hidden",
    "run_iterations",
    "run_noise",
    "run_pathways",
    "save_tables",
]
