"""What agreement is worth: networks with shuffled signs, and shuffled perturbations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from aligned.data import Rows
from aligned.knowledge import KnowledgeBase, Rule
from companion.recovery import states

__all__ = ["NULLS", "agreement", "label_draws", "shuffled_labels", "shuffled_signs", "sign_draws"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: The null distributions, and what each one keeps.
NULLS = {
    "signs": "every edge stays, its sign is that of another edge",
    "signs by regulator": "the same among the edges of one regulator: it keeps its share of signs",
    "labels": "the network stays, responses are given to other perturbations",
}


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


def sign_draws(
    kb: KnowledgeBase,
    rows: Rows,
    measured: Index,
    closing: Rule,
    n: int,
    seed: int,
    by_regulator: bool,
) -> Iterator[tuple[float, float]]:
    """`agreement` of ``n`` networks with shuffled signs."""
    for draw in range(n):
        shuffled = shuffled_signs(kb, seed + draw, by_regulator)
        delta = shuffled.deduce(rows.x, closing)[:, measured]
        yield agreement(delta, rows.y, rows.counted)


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


def label_draws(
    rows: Rows, measured: Index, delta: Int8, n: int, seed: int
) -> Iterator[tuple[float, float]]:
    """`agreement` of responses with the deductions of ``n`` permutations of the perturbations.

    Neither the perturbed genes' own cells count nor those of the genes in their stead.
    """
    rng = np.random.default_rng([seed, 2])
    touched = rows.x[:, measured].toarray() != 0
    for _ in range(n):
        given = shuffled_labels(rows.groups, rng)
        yield agreement(delta[given], rows.y, rows.counted & ~touched[given])
