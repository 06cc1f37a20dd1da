"""Floor 1: the gene regulatory network, what follows from it, and why."""

from aligned.knowledge.closure import RULES, Closure
from aligned.knowledge.network import Deduction, KnowledgeBase

__all__ = ["RULES", "Closure", "Deduction", "KnowledgeBase"]
