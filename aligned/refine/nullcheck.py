"""Do no harm: is there any agreement between network and responses to build on?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.refine.evidence import Evidence

__all__ = ["FEW", "agreement_p_value", "level"]

#: Perturbations from which agreement must be rarer than one in a thousand by chance.
FEW = 20


def level(b: int, n_null: int) -> float:
    """Largest p-value that counts as agreement, for b distinct perturbations and so many dealings.

    One in a thousand: where the responses say nothing, a network must not be rewritten every
    twentieth time. Fewer than `FEW` perturbations have not the power for that, nor can they do as
    much harm: 0.05. Few dealings may reach the rarest that they can be.

    Examples
    --------
    >>> level(12, 2000), level(60, 2000), level(60, 199)
    (0.05, 0.001, 0.005)
    """
    return 0.05 if b < FEW else min(0.05, max(0.001, 1 / (1 + n_null)))


def agreement_p_value(
    evidence: Evidence, delta: npt.NDArray[np.int8], n_null: int, seed: int
) -> tuple[float, float]:
    """Agreement of ``δ`` and ``Y`` where ``δ ≠ 0``, and how often chance does as well.

    Chance: the responses are dealt anew among the distinct perturbations, ``n_null`` times. What
    all perturbations have in common (a gene that always responds) survives the dealing, so only
    agreement that is specific to a perturbation counts.

    Parameters
    ----------
    evidence : Evidence
        Responses of b distinct perturbations.
    delta : ndarray of int8, shape (b, n)
        Their deductions.

    Returns
    -------
    (float, float)
        Share of cells with ``δ ≠ 0`` that agree (nan where there is none), and the p-value
        ``(1 + #{null ≥ observed}) / (1 + n_null)``.
    """
    said = np.where(evidence.own, 0, delta)
    up, down = (said > 0).astype(np.float32), (said < 0).astype(np.float32)
    hits = (up @ evidence.up.T + down @ evidence.down.T).astype(np.float64)
    cells = ((up + down) @ (evidence.up + evidence.zero + evidence.down).T).astype(np.float64)
    b = np.arange(len(said))
    total = cells[b, b].sum()
    if total == 0:
        return float("nan"), 1.0
    observed = hits[b, b].sum() / total
    rng = np.random.default_rng(seed)
    as_good = 0
    for _ in range(n_null):
        other = rng.permutation(len(b))
        seen = cells[b, other].sum()
        as_good += bool(seen == 0 or hits[b, other].sum() / seen >= observed - 1e-12)
    return float(observed), (1 + as_good) / (1 + n_null)
