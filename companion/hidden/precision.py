"""Average precision with intervals: regulators and hidings as replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from companion.statistics import interval

__all__ = ["Draws", "Ranked"]

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranked:
    """One ranking of pairs, reduced to what its average precision needs under any weighting.

    Attributes
    ----------
    group : ndarray of int, shape (p,)
        Group (regulator) of each of the p positives.
    above, hits : ndarray of int, shape (p, q)
        How many pairs, and how many positives, of each group score at least as high as it.
    """

    group: Int
    above: Int
    hits: Int

    @classmethod
    def of(cls, scores: Float, answer: Bool, counted: Bool) -> Ranked:
        """Reduce scores (q, m), of which the ``counted`` are ranked.

        Examples
        --------
        >>> import numpy as np
        >>> scores, answer = np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]])
        >>> float(Ranked.of(scores, answer, answer | True).ap())  # (1/1 + 2/3) / 2
        0.8333333333333333
        """
        group, column = np.nonzero(answer & counted)
        cut = scores[group, column]
        return cls(
            group.astype(np.int64),
            _at_least(scores, counted, cut),
            _at_least(scores, counted & answer, cut),
        )

    def ap(self, weights: npt.ArrayLike | None = None) -> Float:
        """Average precision; with weights (s, q) of the groups, one for each of the s drawings.

        Pairs of a group of weight 2 count twice; ties share a place, as in scikit-learn. nan
        where no positive has a weight.
        """
        q = self.above.shape[1]
        w = np.ones((1, q)) if weights is None else np.asarray(weights, dtype=np.float64)
        mine = w[:, self.group]
        precision = (w @ self.hits.T) / np.maximum(w @ self.above.T, 1e-12)
        total = mine.sum(axis=1)
        found = np.divide(
            (mine * precision).sum(axis=1), total, out=np.full(len(w), np.nan), where=total > 0
        )
        return np.asarray(found[0] if weights is None else found)


class Draws:
    """Resampled regulators and hidings, the same for every method, so that differences pair.

    Parameters
    ----------
    n_groups : int
        Regulators.
    seeds : sequence of int
        Hidings.
    n : int
        Number of drawings.
    """

    def __init__(self, n_groups: int, seeds: tuple[int, ...], n: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.seeds = seeds
        self.groups = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n)
        self.hidings = rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=n)

    def interval(
        self, to: Mapping[int, Ranked], start: Mapping[int, Ranked] | None = None
    ) -> tuple[float, float, float]:
        """Mean and 95% interval of the AP, or of its difference from ``start`` on common seeds."""
        common = [s for s in self.seeds if s in to and (start is None or s in start)]
        if not common:
            return (float("nan"),) * 3
        weights = np.vstack([np.ones_like(self.groups[0]), self.groups])  # the first: as it is
        aps = np.stack([to[s].ap(weights) for s in common])
        if start is not None:
            aps -= np.stack([start[s].ap(weights) for s in common])
        mean, drawn = float(aps[:, 0].mean()), aps[:, 1:]
        times = self.hidings[:, [self.seeds.index(s) for s in common]].T * ~np.isnan(drawn)
        total = times.sum(axis=0)
        values = (times * np.nan_to_num(drawn)).sum(axis=0)[total > 0] / total[total > 0]
        return mean, *interval(values)


def _at_least(scores: Float, counted: Bool, cut: Float) -> Int:
    """How many counted scores of each row reach each cut, shape (p, q)."""
    counts = np.empty((len(cut), len(scores)), dtype=np.int64)
    for row, (values, here) in enumerate(zip(scores, counted, strict=True)):
        ranked = np.sort(values[here])
        counts[:, row] = len(ranked) - np.searchsorted(ranked, cut, side="left")
    return counts
