"""Floor 4: what the notebooks call — one function per analysis, from settings to tidy tables."""

from aligned.experiments.ablations import AblationSettings, AblationTables, run_ablations
from aligned.experiments.estimators import EstimatorSettings, EstimatorTables, run_estimators
from aligned.experiments.hidden import HiddenSettings, HiddenTables, run_hidden
from aligned.experiments.inconsistency import (
    InconsistencySettings,
    InconsistencyTables,
    run_inconsistency,
)
from aligned.experiments.iterations import (
    CONTROL,
    STAGES,
    IterationSettings,
    IterationTables,
    run_iterations,
)
from aligned.experiments.main_ceiling import Repeats
from aligned.experiments.main_repeats import repeats_of
from aligned.experiments.main_results import MainSettings, MainTables, run_main
from aligned.experiments.noise import NoiseSettings, NoiseTables, run_noise
from aligned.experiments.pathways import PathwaySettings, PathwayTables, run_pathways
from aligned.experiments.reliability import (
    ReliabilitySettings,
    ReliabilityTables,
    run_reliability,
)
from aligned.experiments.tables import load_tables, save_tables

__all__ = [
    "CONTROL",
    "STAGES",
    "AblationSettings",
    "AblationTables",
    "EstimatorSettings",
    "EstimatorTables",
    "HiddenSettings",
    "HiddenTables",
    "InconsistencySettings",
    "InconsistencyTables",
    "IterationSettings",
    "IterationTables",
    "MainSettings",
    "MainTables",
    "NoiseSettings",
    "NoiseTables",
    "PathwaySettings",
    "PathwayTables",
    "ReliabilitySettings",
    "ReliabilityTables",
    "Repeats",
    "load_tables",
    "repeats_of",
    "run_ablations",
    "run_estimators",
    "run_hidden",
    "run_inconsistency",
    "run_iterations",
    "run_main",
    "run_noise",
    "run_pathways",
    "run_reliability",
    "save_tables",
]
