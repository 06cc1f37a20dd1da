"""Closure of a signed network over paths, factorised by regulators.

Only regulators have outgoing edges, so every path but its last step runs inside the small
``r × r`` block among regulators: nothing of size genes × genes is ever built. Signs multiply along
a path, which makes the unsigned count ``V`` (paths of either sign) and the signed count ``U``
(activating minus inhibiting paths) obey one recursion each instead of four coupled ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

__all__ = ["RULES", "Closure", "Rule", "boolean_closure", "majority_closure"]

#: The closure rules on offer and what each one means.
RULES: dict[str, str] = {
    "boolean": "a sign holds if any path of length 1..k carries it (the paper's Eq. 1)",
    "majority": "the sign of the damped, signed number of paths of length 1..k, beyond a margin",
}

Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Closure:
    """What every regulator does to every gene, directly or along a path.

    Attributes
    ----------
    positive, negative : ndarray of bool, shape (r, n)
        Whether the regulator (row) activates / inhibits the gene (column). Under the rule
        ``boolean`` both may hold at once: the effect is *ambiguous*.
    reached : ndarray of bool, shape (r, n)
        Whether any path of length 1..k leads from the regulator to the gene.
    """

    positive: Bool
    negative: Bool
    reached: Bool

    @property
    def signed(self) -> npt.NDArray[np.int8]:
        """Effect as one number, int8 of shape (r, n): ``positive - negative``."""
        return self.positive.astype(np.int8) - self.negative.astype(np.int8)

    @property
    def ambiguous(self) -> Bool:
        """Reached, but with no sign that wins; bool of shape (r, n)."""
        return self.reached & (self.positive == self.negative)


@dataclass(frozen=True)
class Rule:
    """How a network is closed over its paths; accepted wherever ``k`` is.

    Parameters
    ----------
    k : int
        Longest path counted; a path is a walk, genes may repeat.
    rule : {"boolean", "majority"}
        See `RULES`.
    alpha, margin : float
        Damping per step and margin of the rule ``majority``.

    Raises
    ------
    ValueError
        A setting is out of range; the message says which.

    Examples
    --------
    >>> Rule.of(2) == Rule(2, "boolean"), Rule.of(Rule(3, "majority"))
    (True, Rule(k=3, rule='majority', alpha=0.5, margin=0.0))
    """

    k: int = 5
    rule: str = "boolean"
    alpha: float = 0.5
    margin: float = 0.0

    def __post_init__(self) -> None:
        k, rule, alpha, margin = self.k, self.rule, self.alpha, self.margin
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(
                f"k is {k!r}; it is the longest path counted: give a whole number >= 1."
            )
        if rule not in RULES:
            raise ValueError(f"closure rule {rule!r} is unknown; choose one of {sorted(RULES)}.")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha}; it damps each further step: give 0 to 1.")
        if not 0 <= margin < np.inf:
            raise ValueError(f"margin is {margin}; it is a number of paths: give one >= 0.")
        object.__setattr__(self, "k", int(k))

    @classmethod
    def of(cls, k: int | Rule, rule: str = "boolean") -> Rule:
        """The rule itself, or that of a longest path and a word."""
        return k if isinstance(k, Rule) else cls(k, rule)


def boolean_closure(
    r_pos: sp.csr_array, r_neg: sp.csr_array, reg: npt.NDArray[np.intp], k: int
) -> Closure:
    """Boolean closure over all paths of length 1..k (the paper's Eq. 1).

    ``R+(l) = R+ ∨ R+·R+(l-1) ∨ R-·R-(l-1)`` and ``R-(l) = R- ∨ R+·R-(l-1) ∨ R-·R+(l-1)``,
    stopped early at the fixed point.

    Parameters
    ----------
    r_pos, r_neg : sparse bool arrays, shape (r, n)
        Activating and inhibiting edges, rows = regulators.
    reg : ndarray of int, shape (r,)
        Column of each regulator.
    k : int
        Longest path counted.
    """
    r = len(reg)
    direct = np.concatenate([r_pos.toarray(), r_neg.toarray()])
    walks = _walks(direct, *_steps(r_pos, r_neg, reg), k)
    pos, neg = walks[:r], walks[r:]
    return Closure(pos, neg, pos | neg)


def _steps(
    r_pos: sp.csr_array, r_neg: sp.csr_array, reg: npt.NDArray[np.intp]
) -> tuple[Index, Index]:
    """Steps among regulators as rows of ``R+`` stacked on ``R-``: the row, and where it goes on.

    An activating edge ``s → j`` keeps the sign of a path from ``j``, an inhibiting one turns it.
    """
    r = len(reg)
    (s, j), (t, i) = r_pos[:, reg].nonzero(), r_neg[:, reg].nonzero()
    return np.concatenate([s, s + r, t, t + r]), np.concatenate([j, j + r, i + r, i])


def _walks(direct: Bool, row: Index, onward: Index, k: int) -> Bool:
    """Genes at the end of a path of length 1..k: ``W(l) = direct ∨ step·W(l-1)``, eight to a byte.

    ``row[i]`` goes on as ``onward[i]``. Ends early at the fixed point.
    """
    order = np.argsort(row, kind="stable")
    rows, begin = np.unique(row[order], return_index=True)
    onwards = np.split(onward[order], begin)[1:]
    start = np.packbits(direct, axis=1)
    walks = start
    for _ in range(k - 1):
        longer = start.copy()
        for i, ways in zip(rows, onwards, strict=True):
            longer[i] |= np.bitwise_or.reduce(walks[ways], axis=0)
        if np.array_equal(longer, walks):
            break
        walks = longer
    return np.unpackbits(walks, axis=1, count=direct.shape[1]).view(np.bool_)


def majority_closure(
    r_pos: sp.csr_array,
    r_neg: sp.csr_array,
    reg: npt.NDArray[np.intp],
    k: int,
    alpha: float,
    margin: float,
) -> Closure:
    """Damped majority of signed paths: ``U = Σ_l α^(l-1)·(signed paths of length l)``.

    A gene is up (down) if ``U`` is above ``margin`` (below ``-margin``); with
    ``U_l = A + α·A[:, reg]·U_(l-1)`` and ``A = R+ - R-``.
    """
    a = (r_pos.astype(np.float64) - r_neg.astype(np.float64)).tocsr()
    a_block, direct = a[:, reg].tocsr(), a.toarray()
    u = direct
    for _ in range(k - 1):
        u = direct + alpha * (a_block @ u)
    tolerance = 1e-9 * max(1.0, float(np.abs(u).max(initial=0.0)))
    edges = (r_pos + r_neg).tocsr()
    row, onward = edges[:, reg].nonzero()
    reached = _walks(edges.toarray(), row, onward, k)
    return Closure(u > margin + tolerance, u < -margin - tolerance, reached)
