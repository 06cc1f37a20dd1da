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

__all__ = ["RULES", "Closure", "boolean_closure", "check_rule", "majority_closure"]

#: The closure rules on offer and what each one means.
RULES: dict[str, str] = {
    "boolean": "a sign holds if any path of length 1..k carries it (the paper's Eq. 1)",
    "majority": "the sign of the damped, signed number of paths of length 1..k, beyond a margin",
}

Bool = npt.NDArray[np.bool_]


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


def check_rule(k: int, rule: str, alpha: float = 0.5, margin: float = 0.0) -> None:
    """Raise ``ValueError`` unless these settings can be used for a closure."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}; it is the longest path counted: give a whole number >= 1.")
    if rule not in RULES:
        raise ValueError(f"closure rule {rule!r} is unknown; choose one of {sorted(RULES)}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it damps each further step: give 0 to 1.")
    if not 0 <= margin < np.inf:
        raise ValueError(f"margin is {margin}; it is a number of paths: give one >= 0.")


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
    unsigned = (r_pos[:, reg].astype(np.float32) + r_neg[:, reg].astype(np.float32)).tocsr()
    signed = (r_pos[:, reg].astype(np.float32) - r_neg[:, reg].astype(np.float32)).tocsr()
    direct_pos, direct_neg = r_pos.toarray(), r_neg.toarray()
    pos, neg = direct_pos, direct_neg
    for _ in range(k - 1):
        p, q = pos.astype(np.float32), neg.astype(np.float32)
        total, difference = unsigned @ (p + q), signed @ (p - q)
        # (total ± difference)/2 are the numbers of positive and of negative continuations
        new_pos = direct_pos | (total + difference > 0.5)
        new_neg = direct_neg | (total - difference > 0.5)
        if np.array_equal(new_pos, pos) and np.array_equal(new_neg, neg):
            break
        pos, neg = new_pos, new_neg
    return Closure(pos, neg, pos | neg)


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
    t = (r_pos.astype(np.float64) + r_neg.astype(np.float64)).tocsr()
    a_block, t_block = a[:, reg].tocsr(), (t[:, reg] > 0).astype(np.float64).tocsr()
    direct, reach = a.toarray(), t.toarray() > 0
    u, reached = direct, reach
    for _ in range(k - 1):
        u = direct + alpha * (a_block @ u)
        reached = reach | (t_block @ reached.astype(np.float64) > 0.5)
    tolerance = 1e-9 * max(1.0, float(np.abs(u).max(initial=0.0)))
    return Closure(u > margin + tolerance, u < -margin - tolerance, reached)
