"""Other ways to change a network by responses: direct evidence, and the published rule.

Both are here to be compared with, under their names. `published_rule` and `published_closure` are
written from a description of the published program, not from its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from aligned.knowledge import Closure, KnowledgeBase, state_of
from aligned.refine.evidence import Responses, check_responses, gather

__all__ = ["PublishedFit", "direct_evidence", "published_closure", "published_rule"]

Double = npt.NDArray[np.float64]
Tensor = torch.Tensor

#: The published schedule: 5,000 steps of Adam of size 0.001.
PUBLISHED_STEPS, PUBLISHED_RATE = 5000, 1e-3
#: Net walks from which the published path-count closure calls an effect.
PUBLISHED_WALKS = 6


def direct_evidence(
    kb: KnowledgeBase, x: object, y: object, observed: npt.ArrayLike | None = None
) -> KnowledgeBase:
    """Draw an edge from each singly perturbed regulator to every gene that responds.

    The sign is that of perturbation times response; replicates vote, and more than half of them
    must agree. What the row of such a regulator held before is forgotten, save where the gene was
    not measured. Regulators that were never perturbed alone keep their edges.

    Parameters
    ----------
    kb : KnowledgeBase
    x, y : array of int, shape (b, n), dense or sparse
        Perturbations and responses in {-1, 0, 1}.
    observed : array of bool, shape (b, n), optional
        Cells that were measured.

    Raises
    ------
    ValueError
        Shapes disagree, or an entry is not -1, 0 or 1.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a"], "target": ["b"], "sign": [1]})
    >>> kb = KnowledgeBase.from_edges(net, genes="abc")
    >>> found = direct_evidence(kb, [[-1, 0, 0]], [[0, 0, 1]])
    >>> found.to_edges()[["target", "sign"]].values.tolist()
    [['c', -1]]
    """
    responses = check_responses(kb, x, y, observed, None, "evidence")
    r_pos, r_neg = kb.r_pos.toarray(), kb.r_neg.toarray()
    for row, (votes, seen) in _votes(kb, responses).items():
        r_pos[row] = np.where(seen > 0, 2 * votes > seen, r_pos[row])
        r_neg[row] = np.where(seen > 0, -2 * votes > seen, r_neg[row])
    return kb.with_state(state_of(r_pos, r_neg), evidence="direct response")


def _votes(
    kb: KnowledgeBase, responses: Responses
) -> dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Sum of ``x·y`` and number of measured cells per gene, for each singly perturbed regulator."""
    x = responses.x.tocsr()
    row_of = {int(column): i for i, column in enumerate(kb.regulator_index)}
    found: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
    for i in np.flatnonzero(np.diff(x.indptr) == 1):
        row = row_of.get(int(x.indices[x.indptr[i]]))
        if row is None:
            continue
        vote = int(x.data[x.indptr[i]]) * responses.y[i].astype(np.int64)
        votes, seen = found.get(row, (np.zeros_like(vote), np.zeros_like(vote)))
        found[row] = (votes + vote, seen + responses.counted[i])
    return found


@dataclass(frozen=True)
class PublishedFit:
    """Result of `published_rule`.

    Attributes
    ----------
    kb : KnowledgeBase
        The network after the cut.
    weights : DataFrame
        ``source, target, positive, negative`` of all pairs with a weight; ``negative`` is 0.
    """

    kb: KnowledgeBase
    weights: pd.DataFrame


def published_rule(
    kb: KnowledgeBase,
    x: object,
    y: object,
    k: int = 5,
    observed: npt.ArrayLike | None = None,
    *,
    iterations: int = 300,
    rate: float | None = None,
    t: float = 1.5,
    lam: float = 0.01,
) -> PublishedFit:
    """Refine by the rule of the published program, as a named option to compare with.

    One signed matrix ``W`` stands for the network, started at ``R+ - R-``. Its effects are signed
    walks of *exactly* k steps, ``W_reg^(k-1)·W``, saturated by ``sign(z)(1 - exp(-t|z|))``; Adam
    follows subgradients of half the squared residual plus ``λ Σ (1 - exp(-t|W - W_0|))``, a penalty
    that is almost flat; after each step ``W`` is clamped at ≥ 0; at the end it is cut at ½. So
    every inhibition is gone after one step, and none can come back.

    Parameters
    ----------
    kb, x, y, k, observed
        As in `aligned.refine.refine`.
    iterations : int
        Steps of Adam. The published number is 5,000; fewer by default.
    rate : float, optional
        Step size. Default: ``5/iterations``, so that a weight can travel as far as in the
        published 5,000 steps of 0.001.
    t, lam : float
        Steepness of the saturation; weight of the penalty.

    Returns
    -------
    PublishedFit

    Raises
    ------
    ValueError
        Shapes disagree, no row perturbs a regulator, or a number is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> kb = KnowledgeBase.from_edges(net, genes="abc")
    >>> fit = published_rule(kb, [[1, 0, 0]], kb.deduce([[1, 0, 0]], k=1), k=1)
    >>> fit.kb.to_edges()[["target", "sign"]].values.tolist()
    [['b', 1]]
    """
    for name, value in (("k", k), ("iterations", iterations)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} is {value!r}; give a whole number >= 1.")
    if not (t > 0 and lam >= 0 and (rate is None or rate > 0)):
        raise ValueError(f"t, lam and rate are {t}, {lam}, {rate}; give t, rate > 0 and lam >= 0.")
    evidence = gather(check_responses(kb, x, y, observed, None, "evidence"), kb.regulator_index)
    start = torch.from_numpy(
        kb.r_pos.toarray().astype(np.float32) - kb.r_neg.toarray().astype(np.float32)
    )
    seen = torch.from_numpy(evidence.up + evidence.zero + evidence.down)
    mean = torch.from_numpy(evidence.up - evidence.down) / seen.clamp(min=1.0)
    reg, rows = torch.from_numpy(kb.regulator_index), torch.from_numpy(evidence.rows)
    inputs = torch.from_numpy(evidence.x)
    own = torch.arange(len(reg))
    w = start.clone().requires_grad_(True)
    rate = PUBLISHED_STEPS * PUBLISHED_RATE / iterations if rate is None else rate
    adam = torch.optim.Adam([w], lr=rate)
    for _ in range(int(iterations)):
        adam.zero_grad()
        effect = inputs @ _saturated(_exact_walks(w, reg, rows, int(k)), t)
        loss = 0.5 * (seen * (effect - mean) ** 2).sum()
        loss = loss + lam * (1 - torch.exp(-t * (w - start).abs())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        with torch.no_grad():
            w.clamp_(min=0.0)
            w[own, reg] = 0.0  # no self-loops
    weights = w.detach().numpy()
    row, col = np.nonzero(weights)
    frame = pd.DataFrame(
        {
            "source": np.array(kb.regulators, dtype=object)[row],
            "target": np.array(kb.genes, dtype=object)[col],
            "positive": weights[row, col],
            "negative": np.float32(0),
        }
    )
    return PublishedFit(
        kb.with_state(state_of(weights > 0.5, weights < -0.5), "published rule"), frame
    )


def _exact_walks(w: Tensor, reg: Tensor, rows: Tensor, k: int) -> Tensor:
    """Signed sum over walks of exactly k steps from regulators ``rows``; (q, n)."""
    block, walks = w[:, reg], w[rows]
    if k == 1:
        return walks
    reach = block[rows]
    for _ in range(k - 2):
        reach = reach @ block
    return reach @ w


def _saturated(z: Tensor, t: float) -> Tensor:
    """``sign(z)(1 - exp(-t|z|))``, with its slope t at 0 too: edges that are not there can grow."""
    up, down = -torch.expm1(-t * z.clamp(min=0.0)), torch.expm1(t * z.clamp(max=0.0))
    return torch.where(z >= 0, up, down)


def published_closure(kb: KnowledgeBase, k: int = 5, rule: str = "boolean") -> Closure:
    """Closure of the published program: walks of length exactly ``k`` or ``k - 1``.

    The identity stands only at the start, so shorter paths are lost (a chain a → b → c at k = 5)
    and cycles go on for ever.

    Parameters
    ----------
    kb : KnowledgeBase
    k : int
        Its T.
    rule : {"boolean", "weighted"}
        ``boolean``: a sign holds if any such walk carries it. ``weighted``: the numbers of
        activating and of inhibiting walks, each divided by its own smallest number above 0; at
        least 6 more of one kind make an effect.

    Raises
    ------
    ValueError
        ``k`` is below 1 or the rule is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> chain = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "sign": [1, 1]})
    >>> kb = KnowledgeBase.from_edges(chain)
    >>> bool(published_closure(kb, 5).reached.any()), bool(kb.closure(5).reached[0, 2])
    (False, True)
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is {k!r}; give a whole number >= 1.")
    if rule not in ("boolean", "weighted"):
        raise ValueError(f"rule {rule!r} is unknown; use 'boolean' or 'weighted'.")
    reg = kb.regulator_index
    activates = kb.r_pos.toarray().astype(np.float64)
    inhibits = kb.r_neg.toarray().astype(np.float64)
    total, signed = activates + inhibits, activates - inhibits
    v, u = _exactly(total, reg, int(k)), _exactly(signed, reg, int(k))
    if k > 1:
        v, u = v + _exactly(total, reg, int(k) - 1), u + _exactly(signed, reg, int(k) - 1)
    pos, neg = (v + u) / 2, (v - u) / 2
    if rule == "boolean":
        return Closure(pos > 0, neg > 0, (pos > 0) | (neg > 0))
    net = _by_its_minimum(pos) - _by_its_minimum(neg)
    return Closure(net >= PUBLISHED_WALKS, net <= -PUBLISHED_WALKS, (pos > 0) | (neg > 0))


def _exactly(steps: Double, reg: npt.NDArray[np.intp], length: int) -> Double:
    """Sum over walks of exactly so many steps; (r, n)."""
    walks = steps
    for _ in range(length - 1):
        walks = steps[:, reg] @ walks
    return walks


def _by_its_minimum(count: Double) -> Double:
    """Numbers of walks in units of the smallest one above 0."""
    return count / count[count > 0].min() if (count > 0).any() else count
