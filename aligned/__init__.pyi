from .alignment import adapter_loss, optimal_adapter
from .config import Config
from .data import Bundle, folds, load, validate
from .knowledge import Closure, KnowledgeBase, Rule
from .loop import Aligned, Prediction
from .refine import RefineConfig, Refinement, refine
from .scores import balanced_consistency, data_consistency, knowledge_consistency
from .simulate import Simulation, simulate

__all__ = [
    "Aligned",
    "Bundle",
    "Closure",
    "Config",
    "KnowledgeBase",
    "Prediction",
    "RefineConfig",
    "Refinement",
    "Rule",
    "Simulation",
    "adapter_loss",
    "balanced_consistency",
    "data_consistency",
    "folds",
    "knowledge_consistency",
    "load",
    "optimal_adapter",
    "refine",
    "simulate",
    "validate",
]

__version__: str
