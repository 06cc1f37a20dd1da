from .ablations import (
    AblationSettings,
    AblationTables,
    EstimatorSettings,
    EstimatorTables,
    ReliabilityTables,
    run_ablations,
    run_estimators,
)
from .claims import scorecard
from .hidden import HiddenSettings, HiddenTables, run_hidden
from .inconsistency import InconsistencySettings, InconsistencyTables, run_inconsistency
from .loop import CONTROL, STAGES, IterationSettings, IterationTables, run_iterations
from .main_results import MainSettings, MainTables, Repeats, repeats_of, run_main
from .noise import NoiseSettings, NoiseTables, run_noise
from .pathways import (
    GeneSets,
    PathwaySettings,
    PathwayTables,
    influence,
    matched_edits,
    run_pathways,
)
from .recovery import edge_scores
from .tables import load_results, load_tables, record_of, save_tables

__all__ = [
    "CONTROL",
    "STAGES",
    "AblationSettings",
    "AblationTables",
    "EstimatorSettings",
    "EstimatorTables",
    "GeneSets",
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
    "ReliabilityTables",
    "Repeats",
    "edge_scores",
    "influence",
    "load_results",
    "load_tables",
    "matched_edits",
    "record_of",
    "repeats_of",
    "run_ablations",
    "run_estimators",
    "run_hidden",
    "run_inconsistency",
    "run_iterations",
    "run_main",
    "run_noise",
    "run_pathways",
    "save_tables",
    "scorecard",
]
