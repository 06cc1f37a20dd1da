"""The gene regulatory network, what follows from it, and why."""

from aligned.knowledge.agreement import agreement_counts
from aligned.knowledge.closure import RULES, Closure, Rule
from aligned.knowledge.network import Deduction, KnowledgeBase
from aligned.knowledge.tables import STATES, state_of

__all__ = [
    "Closure",
    "Deduction",
    "KnowledgeBase",
    "RULES",
    "Rule",
    "STATES",
    "agreement_counts",
    "state_of",
]
