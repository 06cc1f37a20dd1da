"""The gene regulatory network, what follows from it, and why."""

from aligned.knowledge.agreement import agreement_counts
from aligned.knowledge.closure import RULES, Closure
from aligned.knowledge.network import Deduction, KnowledgeBase
from aligned.knowledge.tables import pair_states

__all__ = [
    "Closure",
    "Deduction",
    "KnowledgeBase",
    "RULES",
    "agreement_counts",
    "pair_states",
]
