"""Adaptive alignment of perturbation data and gene regulatory networks.

The names below are the library's front door; each floor of the package is described in the book.

>>> import aligned as al
>>> sim = al.simulate(n_genes=60, n_regulators=12, seed=0)
>>> sim.kb.deduce(sim.data.obsm["perturbation"], k=2).shape == (sim.data.n_obs, 60)
True
"""

from aligned import _threads  # noqa: F401 - first: it speaks to libraries not loaded yet
from aligned.abduction import Aligned, Prediction
from aligned.alignment import adapter_loss, optimal_adapter
from aligned.config import Config
from aligned.datasets import Bundle, folds, load, validate
from aligned.knowledge import Closure, KnowledgeBase
from aligned.metrics import balanced_consistency, data_consistency, knowledge_consistency
from aligned.refinement import Refinement, refine
from aligned.scorecard import scorecard
from aligned.simulate import Simulation, simulate

__all__ = [
    "Aligned",
    "Bundle",
    "Closure",
    "Config",
    "KnowledgeBase",
    "Prediction",
    "Refinement",
    "Simulation",
    "adapter_loss",
    "balanced_consistency",
    "data_consistency",
    "folds",
    "knowledge_consistency",
    "load",
    "optimal_adapter",
    "refine",
    "scorecard",
    "simulate",
    "validate",
]

__version__ = "0.1.0"
