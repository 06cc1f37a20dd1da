"""The parts of the method, one at a time: what each brings (notebook 06)."""

from companion.ablations.estimators import EstimatorSettings, EstimatorTables, run_estimators
from companion.ablations.reliability import ReliabilityTables
from companion.ablations.run import AblationSettings, AblationTables, run_ablations

__all__ = [
    "AblationSettings",
    "AblationTables",
    "EstimatorSettings",
    "EstimatorTables",
    "ReliabilityTables",
    "run_ablations",
    "run_estimators",
]
