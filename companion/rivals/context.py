"""Classifiers per cell on a handful of features: the network around it, and the gene's habits.

One model answers for every gene, so that an unseen knock-out is no stranger: what it learns is how
far an edge, a two-step path or an edge to a neighbour on the genome can be trusted.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from aligned.context import GROUPS, Context, ContextModel
from aligned.data import Rows
from aligned.decisions import class_frequencies
from companion.rivals.base import Baseline

__all__ = [
    "BoostedOnNetworkFeatures",
    "ContextLogistic",
    "LogisticOnNetworkFeatures",
    "beside",
    "frequencies_elsewhere",
    "network_features",
]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

#: Unchanged cells that a model is fitted to; they weigh as much as all of them.
N_UNCHANGED = 30_000

#: Conditions' worth of overall rates in a gene's frequencies.
PRIOR = 8.0


class _Classifier(Protocol):
    def fit(self, x: Float32, y: Int8, sample_weight: Float) -> _Classifier: ...

    def predict_proba(self, x: Float32) -> Float: ...

    classes_: npt.NDArray[np.int8]


class LogisticOnNetworkFeatures(Baseline):
    """Multinomial logistic regression per cell on network features and class frequencies.

    Features: the direct edge's sign times the perturbation, the majority of paths of one and two
    steps, both also without sign, the edges of neighbours on the genome (within 1 and 4 genes;
    only where ``genome`` is given), and how often the gene goes up and down, in other groups than
    the condition's own. `setting` says whether the frequencies take part.
    """

    name = "logistic on network features"
    description = "multinomial logistic regression per cell on network context, tuned"
    settings = ("network", "network and frequencies")

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        x, y = self._design(train, train)[train.counted], train.y[train.counted]
        chosen, weight = _thinned(y, self.config.seed)
        centre, scale = x[chosen].mean(axis=0), x[chosen].std(axis=0) + np.float32(1e-6)
        model = self._model().fit((x[chosen] - centre) / scale, y[chosen], sample_weight=weight)
        asked = ((self._design(train, rows) - centre) / scale).reshape(-1, x.shape[1])
        found = model.predict_proba(asked).reshape(*rows.y.shape, -1)
        p = np.zeros((len(rows), 3, rows.y.shape[1]), dtype=np.float32)
        p[:, model.classes_.astype(int) + 1] = found.transpose(0, 2, 1)
        return p

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        own = rows.x[:, self.columns].toarray()
        return own != 0, own

    def _model(self) -> _Classifier:
        return LogisticRegression(max_iter=100, C=1e-2)  # type: ignore[no-any-return]

    def _design(self, train: Rows, rows: Rows) -> Float32:
        """Features of every cell, shape (b, m, features)."""
        network = self._cached(rows)
        if self.setting == "network":
            return network
        up, down = frequencies_elsewhere(train, rows)
        changed = (up + down) / max(float((up + down).mean()), 1e-9)
        parts = [up, down, network[..., 0] * changed, network[..., 2] * changed]
        return np.concatenate([network, np.stack(parts, axis=-1)], axis=-1).astype(np.float32)

    def _cached(self, rows: Rows) -> Float32:
        key = (rows.x.indices.tobytes(), rows.x.data.tobytes(), rows.x.indptr.tobytes())
        if key not in self._known:
            place = None
            if self.genome is not None:
                where = {gene: i for i, gene in enumerate(self.measured)}
                place = np.array([where[gene] for gene in self.genome], dtype=np.intp)
            self._known[key] = network_features(self, rows, place)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[bytes, bytes, bytes], Float32]:
        return {}


class BoostedOnNetworkFeatures(LogisticOnNetworkFeatures):
    """Boosted trees on the features of `LogisticOnNetworkFeatures`, small and strongly damped."""

    name = "boosted trees on network features"
    description = "gradient-boosted trees per cell on network context, tuned"

    def _model(self) -> _Classifier:
        return HistGradientBoostingClassifier(  # type: ignore[no-any-return]
            max_iter=30,
            max_leaf_nodes=6,
            min_samples_leaf=200,
            learning_rate=0.15,
            l2_regularization=10.0,
            early_stopping=False,
            random_state=self.config.seed,
        )


class ContextLogistic(Baseline):
    """The model of `aligned.context` alone: all that features bring, without adapter and loop.

    Whatever alignment is credited with must stand above this line. `setting` are the groups of
    features (`aligned.context.GROUPS`) that take part. Gene sets are not at a rival's hand.
    """

    name = "context, no knowledge of trust"
    description = "multinomial logistic regression per cell on all features of context, tuned"
    settings = (("habits", "edges", "neighbours", "coresponse"), tuple(GROUPS))

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        context = Context(self.kb, self.measured, self.setting)
        return ContextModel(context, seed=self.config.seed).fit(train).probabilities(rows)

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        own = rows.x[:, self.columns].toarray()
        return own != 0, own


def network_features(
    method: Baseline, rows: Rows, place: npt.NDArray[np.intp] | None = None
) -> Float32:
    """What the network says about every cell, float32 of shape (b, m, 4 or 6).

    Direct edge, reached directly, majority of paths of one and two steps, reached in two; with
    ``place`` (the measured genes' columns in genomic order) also the sum of the direct edges of
    the neighbours within 1 and within 4 genes.
    """
    kb, columns = method.kb, method.columns
    one = kb.deduction(rows.x, 1, "boolean")
    two = kb.deduction(rows.x, 2, "majority")
    parts: list[npt.NDArray[Any]] = [
        a[:, columns] for a in (one.delta, one.reached, two.delta, two.reached)
    ]
    if place is not None:
        parts += [beside(parts[0], place, 1), beside(parts[0], place, 4)]
    return np.stack(parts, axis=-1).astype(np.float32)


def beside(signal: npt.ArrayLike, place: npt.NDArray[np.intp], reach: int) -> Float32:
    """Sum of a signal (b, m) over the neighbours within ``reach`` genes on the genome, no wrap.

    Examples
    --------
    >>> beside([[1, 0, 0, -1]], np.arange(4), 1)
    array([[ 0.,  1., -1.,  0.]], dtype=float32)
    """
    along = np.asarray(signal, dtype=np.float32)[:, place]
    total = np.zeros_like(along)
    for step in range(1, min(reach, along.shape[1] - 1) + 1):
        total[:, step:] += along[:, :-step]
        total[:, :-step] += along[:, step:]
    result = np.zeros_like(along)
    result[:, place] = total
    return result


def frequencies_elsewhere(train: Rows, rows: Rows) -> tuple[Float, Float]:
    """How often each gene goes up, and down, in training groups other than the condition's own.

    A condition that helps to learn must not see its own response among its features.

    Returns
    -------
    (ndarray of float64, ndarray of float64), each of shape (b, m)
    """
    found = np.empty((len(rows), 3, rows.y.shape[1]))
    for group in dict.fromkeys(rows.groups):
        other = train.groups != group
        other = other if other.any() else np.ones(len(train), bool)
        found[rows.groups == group] = class_frequencies(
            train.y[other], train.observed[other], PRIOR
        )
    return found[:, 2], found[:, 0]


def _thinned(y: Int8, seed: int) -> tuple[npt.NDArray[np.intp], Float]:
    """All changed cells and some of the others, with weights that restore the totals (mean 1)."""
    changed, rest = np.flatnonzero(y != 0), np.flatnonzero(y == 0)
    count = min(N_UNCHANGED, len(rest))
    drawn = np.sort(np.random.default_rng([seed, 12]).choice(rest, count, replace=False))
    weight = np.concatenate([np.ones(len(changed)), np.full(count, len(rest) / max(count, 1))])
    return np.concatenate([changed, drawn]), weight / weight.mean()
