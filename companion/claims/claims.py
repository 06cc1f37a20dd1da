"""What a claim is, and what judging one gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["VERDICTS", "Claim", "Finding"]

VERDICTS = ("reproduced", "partly", "not reproduced", "not testable here")


@dataclass(frozen=True)
class Finding:
    """What one claim's rule found: our figure with its interval, the verdict and the reason."""

    published: str
    ours: float
    low: float
    high: float
    verdict: str
    reason: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the kind of tables that can judge it, and the rule that does."""

    id: str
    statement: str
    tables: type
    judge: Callable[[Any, str], Finding]
