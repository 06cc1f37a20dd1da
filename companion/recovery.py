"""How well a network is recovered: edges, closure, repairs, and the ranking by weights.

The *state* of a pair (regulator, gene) is one of: no edge, ``+``, ``-``, ``+-`` (dual). Self-loops
are no part of the method and are never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score

from aligned.knowledge import KnowledgeBase, Rule
from aligned.scores import confusion, f1_from_confusion

__all__ = [
    "as_weights",
    "dense_weights",
    "edge_scores",
    "ranking_scores",
    "share",
    "repair_scores",
    "states",
]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]


def edge_scores(kb: KnowledgeBase, truth: KnowledgeBase, k: int | Rule = 5) -> dict[str, float]:
    """Score a network against the true one (the paper's Fig. 4).

    Parameters
    ----------
    kb, truth : KnowledgeBase
        Networks over the same genes in the same order. A regulator that only one of them has
        counts as a row without an edge in the other.
    k : int or Rule
        Closure, as in `KnowledgeBase.closure`.

    Returns
    -------
    dict of str to float
        ``network_f1``: macro-F1 over {-1, 0, 1} of the r × n edge matrix, without the places of
        self-loops. Where the *truth* has dual edges, one number per pair does not exist: then the
        mean over ``R+`` and ``R-`` of the macro-F1 over {0, 1}. (Which of the two depends on the
        truth alone, so all networks held against one truth share a scale. A dual pair of ``kb``
        counts as 0 in the first form.)
        ``closure_f1``: macro-F1 over {-1, 0, 1} of the effects ``R+(k) - R-(k)``, ambiguous = 0.
        ``precision, recall``: of pairs, whatever their sign; nan without a pair.
        ``sign_accuracy``: share of the pairs in both that have the same state; nan without one.
        ``shd``: structural Hamming distance, the number of pairs whose state differs.

    Raises
    ------
    ValueError
        The networks have different genes.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> truth, found = (KnowledgeBase.from_edges(f, genes="abc") for f in (net, net[:1]))
    >>> scores = edge_scores(found, truth, k=1)
    >>> scores["precision"], scores["recall"], scores["shd"]
    (1.0, 0.5, 1.0)
    """
    regulators = _all_regulators(kb, truth)
    found, true = states(kb, regulators), states(truth, regulators)
    places = _off_diagonal(truth, regulators)
    effects = []
    for net in (truth, kb):
        effect = np.zeros(places.shape, dtype=np.int8)
        effect[pd.Index(regulators).get_indexer(list(net.regulators))] = net.closure(k).signed
        effects.append(effect[places])
    both = (found > 0) & (true > 0)
    return {
        "network_f1": _network_f1(found[places], true[places]),
        "closure_f1": _macro_f1(*effects),
        "precision": share(both.sum(), (found > 0).sum()),
        "recall": share(both.sum(), (true > 0).sum()),
        "sign_accuracy": share((both & (found == true)).sum(), both.sum()),
        "shd": float((found != true).sum()),
    }


def repair_scores(
    kb: KnowledgeBase, noisy: KnowledgeBase, truth: KnowledgeBase
) -> dict[str, float]:
    """Which corrupted pairs were repaired, and which intact ones were harmed.

    Returns
    -------
    dict of str to float
        ``repaired``: share of the pairs that differ between ``noisy`` and ``truth`` and have their
        true state in ``kb``; nan without corruption. ``harmed``: share of the *intact edges* (pairs
        with an edge, the same in ``noisy`` and ``truth``) whose state is another in ``kb``.
        ``invented``: edges of ``kb`` at places that are empty in both, as a share of the pairs of
        the truth.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> truth, noisy = (KnowledgeBase.from_edges(f, genes="abc") for f in (net, net[:1]))
    >>> repair_scores(truth, noisy, truth)
    {'repaired': 1.0, 'harmed': 0.0, 'invented': 0.0}
    """
    regulators = _all_regulators(kb, truth, noisy)
    found, before, true = (states(net, regulators) for net in (kb, noisy, truth))
    corrupted, intact = before != true, (before == true) & (true > 0)
    empty = (before == 0) & (true == 0)
    return {
        "repaired": share((corrupted & (found == true)).sum(), corrupted.sum()),
        "harmed": share((intact & (found != true)).sum(), intact.sum()),
        "invented": share((empty & (found > 0)).sum(), (true > 0).sum()),
    }


def ranking_scores(
    weights: pd.DataFrame,
    truth: KnowledgeBase,
    visible: KnowledgeBase | None = None,
    regulators: Sequence[str] | None = None,
) -> dict[str, float]:
    """Rank candidate edges by weight: how high do the true ones stand?

    Candidates are all pairs (regulator, gene) but self-loops, once per sign.

    Parameters
    ----------
    weights : DataFrame
        ``source, target, positive, negative`` as in `aligned.refine.Refinement`; pairs that
        are not listed weigh 0.
    truth : KnowledgeBase
        Its edges are what should stand high.
    visible : KnowledgeBase, optional
        Pairs with an edge here are no candidates: what is left is the ranking of *hidden* edges.
    regulators : sequence of str, optional
        Only pairs of these regulators are candidates. Default: all regulators of the truth.

    Returns
    -------
    dict of str to float
        ``auprc``: average precision over signed edges; ``auprc_pairs``: over pairs, whatever the
        sign, by the larger of the two weights; ``prevalence, prevalence_pairs``: what a random
        ranking has; ``n_candidates, n_true``: pairs. nan where nothing is there to be found.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> truth = KnowledgeBase.from_edges(net)
    >>> ranking_scores(as_weights(truth), truth)["auprc"]
    1.0
    """
    rows = list(truth.regulators if regulators is None else regulators)
    unknown = set(rows) - set(truth.regulators)
    if unknown:
        raise ValueError(
            f"{sorted(unknown)[0]!r} is no regulator of the truth; rank pairs of its "
            f"{len(truth.regulators)} regulators."
        )
    true = states(truth, rows)
    candidate = _off_diagonal(truth, rows)
    if visible is not None:
        candidate &= states(visible, rows) == 0
    weight = dense_weights(weights, truth, rows)[:, candidate]
    signed = np.stack([(true & 1) > 0, (true & 2) > 0])[:, candidate]
    pairs = signed[0] | signed[1]
    return {
        "auprc": _average_precision(signed.ravel(), weight.ravel()),
        "auprc_pairs": _average_precision(pairs, weight.max(axis=0)),
        "prevalence": share(signed.sum(), signed.size),
        "prevalence_pairs": share(pairs.sum(), pairs.size),
        "n_candidates": float(pairs.size),
        "n_true": float(pairs.sum()),
    }


def dense_weights(weights: pd.DataFrame, kb: KnowledgeBase, regulators: Sequence[str]) -> Float:
    """Weights of these regulators over all genes, shape (2, r, n): of activation, of inhibition.

    Parameters
    ----------
    weights : DataFrame
        ``source, target, positive, negative``; pairs that are not listed weigh 0.
    kb : KnowledgeBase
        Its genes are the columns.
    regulators : sequence of str
        The rows; weights of others are left out.

    Raises
    ------
    ValueError
        A target is no gene of the network.
    """
    row = pd.Index(list(regulators)).get_indexer(weights["source"])
    column = kb.index.get_indexer(weights["target"])
    if (column < 0).any():
        lost = weights["target"].iloc[int(np.flatnonzero(column < 0)[0])]
        raise ValueError(f"the weights name {lost!r}, which is no gene of the truth.")
    here = row >= 0
    dense = np.zeros((2, len(regulators), len(kb.genes)))
    dense[:, row[here], column[here]] = weights.loc[here, ["positive", "negative"]].to_numpy().T
    return dense


def as_weights(kb: KnowledgeBase) -> pd.DataFrame:
    """A network as weights 0 and 1, ``source, target, positive, negative``, for `ranking_scores`.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a"], "target": ["b"], "sign": [-1]})
    >>> as_weights(KnowledgeBase.from_edges(net)).values.tolist()
    [['a', 'b', 0.0, 1.0]]
    """
    state = states(kb)
    row, col = np.nonzero(state)
    return pd.DataFrame(
        {
            "source": np.array(kb.regulators, dtype=object)[row],
            "target": np.array(kb.genes, dtype=object)[col],
            "positive": (state[row, col] & 1).astype(np.float32),
            "negative": (state[row, col] >> 1).astype(np.float32),
        }
    )


def states(kb: KnowledgeBase, regulators: Sequence[str] | None = None) -> Int8:
    """State of each pair, 0 none, 1 activating, 2 inhibiting, 3 both; int8 (r, n).

    Rows as ``kb.regulators``, or as asked for: a regulator that the network does not have gets an
    empty row.
    """
    if regulators is None:
        return kb.state.toarray()
    place = pd.Index(kb.regulators).get_indexer(list(regulators))
    known = np.flatnonzero(place >= 0)
    out = np.zeros((len(place), len(kb.genes)), dtype=np.int8)
    out[known] = kb.state[place[known]].toarray()
    return out


def share(part: float, whole: float) -> float:
    """A share; nan of nothing."""
    return float(part / whole) if whole else float("nan")


def _all_regulators(kb: KnowledgeBase, *others: KnowledgeBase) -> list[str]:
    """Regulators of the other networks, then those that only the first has."""
    for other in others:
        if kb.genes != other.genes:
            raise ValueError(
                f"the networks have {len(kb.genes)} and {len(other.genes)} genes, or another "
                "order; build both with the same `genes`."
            )
    return list(dict.fromkeys(name for net in (*others, kb) for name in net.regulators))


def _off_diagonal(kb: KnowledgeBase, regulators: Sequence[str]) -> Bool:
    """All places but those of self-loops."""
    mask = np.ones((len(regulators), len(kb.genes)), dtype=bool)
    mask[np.arange(len(regulators)), kb.columns(regulators)] = False
    return mask


def _network_f1(found: Int8, true: Int8) -> float:
    if (true == 3).any():
        return float(np.mean([_binary_f1((true & v) > 0, (found & v) > 0) for v in (1, 2)]))
    return _macro_f1(*((state & 1) - (state >> 1) for state in (true, found)))


def _macro_f1(truth: Int8, found: Int8) -> float:
    """Macro-F1 over {-1, 0, 1} of flat arrays."""
    if truth.size == 0:
        return float("nan")
    return float(f1_from_confusion(confusion(truth, found).sum(axis=0)))


def _binary_f1(truth: Bool, found: Bool) -> float:
    """Macro-F1 over {0, 1} of one Boolean matrix; a class that nobody has scores 0."""
    total = np.array([truth.sum() + found.sum(), (~truth).sum() + (~found).sum()], dtype=float)
    hits = np.array([(truth & found).sum(), (~truth & ~found).sum()], dtype=float)
    return float(np.divide(2 * hits, total, out=np.zeros(2), where=total > 0).mean())


def _average_precision(truth: Bool, score: Float) -> float:
    return float(average_precision_score(truth, score)) if truth.any() else float("nan")
