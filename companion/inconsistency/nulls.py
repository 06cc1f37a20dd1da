"""What agreement is worth: networks with shuffled signs, and shuffled perturbations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Rows
from aligned.knowledge import Deduction, KnowledgeBase, Rule
from companion.recovery import states
from companion.statistics import interval

__all__ = [
    "NULLS",
    "agreement",
    "null_draws",
    "null_tables",
    "said_of",
    "shuffled_labels",
    "shuffled_signs",
]

Float = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: The null distributions, and what each one keeps.
NULLS = {
    "signs": "every edge stays, its sign is that of another edge",
    "signs by regulator": "the same among the edges of one regulator: it keeps its share of signs",
    "labels": "the network stays, responses are given to other perturbations",
}


def said_of(kb: KnowledgeBase, rows: Rows, measured: Index, closing: Rule) -> Deduction:
    """Deductions of the measured genes. A fresh copy of the network forgets the closure at once."""
    said = kb.with_state(kb.state).deduction(rows.x, closing)
    return Deduction(said.delta[:, measured], said.reached[:, measured])


def agreement(delta: Int8, y: Int8, counted: Bool) -> tuple[float, float]:
    """Consistent among measured changes of which the network speaks; absent among all of them.

    Examples
    --------
    >>> d, y = np.array([[1, 1, 0, 0]], dtype=np.int8), np.array([[1, -1, 1, 1]], dtype=np.int8)
    >>> agreement(d, y, np.ones((1, 4), bool))
    (0.5, 0.5)
    """
    changed = counted & (y != 0)
    spoken = changed & (delta != 0)
    n_changed, n_spoken = int(changed.sum()), int(spoken.sum())
    same = int((spoken & (delta == y)).sum())
    return (
        same / n_spoken if n_spoken else float("nan"),
        1 - n_spoken / n_changed if n_changed else float("nan"),
    )


def shuffled_signs(kb: KnowledgeBase, seed: int, by_regulator: bool = False) -> KnowledgeBase:
    """The network with the states (+, -, both) of its pairs permuted; self-loops stay.

    Parameters
    ----------
    kb : KnowledgeBase
    seed : int
    by_regulator : bool
        Permute among the pairs of each regulator only.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": list("aab"), "target": list("bcc"), "sign": [1, -1, 1]})
    >>> new = shuffled_signs(KnowledgeBase.from_edges(net), seed=3, by_regulator=True).to_edges()
    >>> sorted(new["sign"]), new.loc[new["source"] == "b", "sign"].tolist()
    ([-1, 1, 1], [1])
    """
    rng = np.random.default_rng(seed)
    state = states(kb)
    row, column = np.nonzero(state)
    values = state[row, column]
    luck = rng.random(len(values))
    order = np.lexsort((luck, row)) if by_regulator else np.argsort(luck)
    new = np.zeros_like(state)
    new[row, column] = values[order]  # np.nonzero is sorted by row, as lexsort's result is
    return kb.with_state(new, evidence="shuffled")


def shuffled_labels(groups: npt.ArrayLike, rng: np.random.Generator) -> Index:
    """For each condition, the condition whose perturbation it is given.

    Perturbations are permuted whole: all conditions of one get those of one other (in turn, where
    that has fewer), so that repeats of a perturbation stay repeats.

    Examples
    --------
    >>> shuffled_labels(["a", "a", "b"], np.random.default_rng(3)).tolist()
    [2, 2, 0]
    """
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    to = rng.permutation(int(member.max()) + 1)
    places = [np.flatnonzero(member == g) for g in range(len(to))]
    given = np.empty(len(member), dtype=np.intp)
    for group, mine in enumerate(places):
        theirs = places[to[group]]
        given[mine] = theirs[np.arange(len(mine)) % len(theirs)]
    return given


def null_draws(
    kind: str, kb: KnowledgeBase, rows: Rows, measured: Index, closing: Rule, n: int, seed: int
) -> Iterator[tuple[float, float]]:
    """`agreement` of ``n`` draws of one of the `NULLS`.

    Where perturbations are shuffled, neither the perturbed genes' own cells count nor those of the
    genes in their stead.
    """
    if kind == "labels":
        delta, rng = said_of(kb, rows, measured, closing).delta, np.random.default_rng([seed, 2])
        touched = rows.x[:, measured].toarray() != 0
        for _ in range(n):
            given = shuffled_labels(rows.groups, rng)
            yield agreement(delta[given], rows.y, rows.counted & ~touched[given])
        return
    for draw in range(n):
        shuffled = shuffled_signs(kb, seed + draw, by_regulator=kind == "signs by regulator")
        delta = shuffled.deduce(rows.x, closing)[:, measured]
        yield agreement(delta, rows.y, rows.counted)


def null_tables(
    kb: KnowledgeBase, rows: Rows, measured: Index, closings: Sequence[Rule], n: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All nulls at the first closure, shuffled perturbations at every one; and all the draws."""
    summary, draws = [], []
    for closing in closings:
        ours = agreement(said_of(kb, rows, measured, closing).delta, rows.y, rows.counted)
        for kind in NULLS if closing == closings[0] else ["labels"]:
            about = {"k": closing.k, "rule": closing.rule, "null": kind}
            found = list(null_draws(kind, kb, rows, measured, closing, n, seed))
            agree, absent = np.array(found, dtype=float).reshape(-1, 2).T
            draws.append(pd.DataFrame({**about, "agreement": agree}))
            summary.append({**about, **_against("agreement", ours[0], agree)})
            if kind == "labels":  # shuffled signs keep what is reached
                summary.append({**about, **_against("absent", ours[1], absent)})
    return pd.DataFrame(summary), pd.concat(draws, ignore_index=True)


def _against(statistic: str, ours: float, drawn: Float) -> dict[str, Any]:
    """Our value beside the draws in which it is defined; one-sided p."""
    known = drawn[~np.isnan(drawn)]
    beyond = (known >= ours) if statistic == "agreement" else (known <= ours)
    low, high = interval(known)
    tested = len(known) > 0 and not np.isnan(ours)
    return {
        "statistic": statistic,
        "ours": ours,
        "null_mean": known.mean() if len(known) else np.nan,
        "null_low": low,
        "null_high": high,
        "p": (1 + beyond.sum()) / (1 + len(known)) if tested else np.nan,
        "draws": len(known),
    }
