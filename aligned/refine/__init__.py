"""Knowledge refinement. The smallest change of a network that explains responses."""

from aligned.refine.alternatives import direct_evidence, published_rule
from aligned.refine.evidence import replicate_error
from aligned.refine.reference import identifiable, single_overexpressions
from aligned.refine.refine import CANDIDATES, PENALTIES, ROWS, RefineConfig, auto_edit_cost, refine
from aligned.refine.report import Refinement

__all__ = [
    "CANDIDATES",
    "PENALTIES",
    "ROWS",
    "RefineConfig",
    "Refinement",
    "auto_edit_cost",
    "direct_evidence",
    "identifiable",
    "published_rule",
    "refine",
    "replicate_error",
    "single_overexpressions",
]
