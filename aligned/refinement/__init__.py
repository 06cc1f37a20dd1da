"""Floor 2: knowledge refinement. The smallest change of a network that explains responses."""

from aligned.refinement.evidence import replicate_error
from aligned.refinement.refine import (
    CANDIDATES,
    PENALTIES,
    ROWS,
    auto_edit_cost,
    refine,
)
from aligned.refinement.report import Refinement

__all__ = [
    "CANDIDATES",
    "PENALTIES",
    "ROWS",
    "Refinement",
    "auto_edit_cost",
    "refine",
    "replicate_error",
]
