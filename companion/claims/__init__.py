"""Claims of the paper, and what our tables say of each: verdicts are computed, never typed.

A verdict is one of *reproduced*, *partly*, *not reproduced*, *not testable here*. Every claim is a
function of one analysis' tables; the rules stand in `inconsistency` (C1), `main_results` (C2-C4),
`loop` (C5-C8), `ablations` (C9-C12), `recovery` (C13-C15) and `pathways` (C16). `page` is the
scorecard as a page.
"""

from companion.claims.card import ANALYSES, CLAIMS, scorecard
from companion.claims.claims import VERDICTS, Claim, Finding
from companion.claims.loop import MATTERS, change, published_stages
from companion.claims.page import committed_card, page_markdown

__all__ = [
    "ANALYSES",
    "CLAIMS",
    "MATTERS",
    "VERDICTS",
    "Claim",
    "Finding",
    "change",
    "committed_card",
    "page_markdown",
    "published_stages",
    "scorecard",
]
