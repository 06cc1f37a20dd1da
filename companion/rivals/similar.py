"""Baselines that carry over what was measured: same, combined and similar perturbations."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.data import Rows
from aligned.decisions import class_frequencies
from aligned.knowledge import KnowledgeBase
from companion.rivals.plain import Frequencies

__all__ = ["Additive", "NearestNeighbour", "SamePerturbation", "mean_calls", "similarity"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Key = tuple[tuple[int, int], ...]  # (gene, sign) of every perturbed gene


def mean_calls(train: Rows) -> dict[Key, Float]:
    """Mean response of every perturbation in training: key -> (m,); unmeasured cells count 0."""
    keys = _keys(train)
    return {
        key: _mean(train, np.array([i for i, other in enumerate(keys) if other == key]))
        for key in dict.fromkeys(keys)
    }


class SamePerturbation(Frequencies):
    """What the same perturbation did in other conditions; class frequencies where it is new.

    A gene is called where the mean call of these conditions is at least the share in `setting`,
    half of them unless an inner fold says otherwise.
    """

    name = "same perturbation, other conditions"
    description = "mean call of the same perturbation in training, else class frequencies, tuned"
    settings = (0.5, 0.3, 0.7)

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        known = mean_calls(train)
        means = [known.get(key) for key in _keys(rows)]
        return _answered(means, rows, float(self.setting))


class Additive(Frequencies):
    """Doubles as the sum of their singles; class frequencies where a single was not measured.

    The mean calls of the singles in training are added and clipped to [-1, 1]; a gene is called
    where at least the share in `setting` remains. A perturbation of one gene that was seen is
    answered alike.
    """

    name = "additive"
    description = "sum of the single perturbations' mean calls, else class frequencies, tuned"
    settings = (0.5, 0.3, 0.7)

    def settled(self, train: Rows, rows: Rows) -> tuple[Bool, Int8] | None:
        known = mean_calls(train)
        sums: list[Float | None] = []
        for key in _keys(rows):
            singles = [known[(part,)] for part in key if (part,) in known]
            whole = singles and len(singles) == len(key)
            sums.append(np.clip(np.sum(singles, axis=0), -1, 1) if whole else None)
        return _answered(sums, rows, float(self.setting))


class NearestNeighbour(Frequencies):
    """Responses of the perturbations whose genes have the most similar place in the network.

    `setting` = (perturbations asked, weight of the gene's own frequencies in conditions).
    Perturbations that share nothing with any other get the class frequencies.
    """

    name = "nearest neighbour"
    description = "class frequencies among the perturbations most alike in the network, tuned"
    settings = ((1, 1.0), (1, 4.0), (5, 1.0), (5, 4.0))

    def probabilities(self, train: Rows, rows: Rows) -> Float32 | None:
        count, prior = self.setting
        base = class_frequencies(train.y, train.observed)
        alike = similarity(self.kb, rows.x, train.x)
        keys = _keys(train)
        name = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        member = np.array([name[key] for key in keys], dtype=np.intp)
        first = np.array([keys.index(key) for key in name], dtype=np.intp)
        seen = np.stack([(train.y == c) & train.observed for c in (-1, 0, 1)]).astype(np.float64)
        result = np.empty((len(rows), *base.shape), dtype=np.float32)
        for i in range(len(rows)):
            order = np.argsort(-alike[i, first], kind="stable")[:count]
            weight = np.zeros(len(name))
            weight[order] = np.maximum(alike[i, first][order], 0)
            counts = np.einsum("t,ctm->cm", weight[member], seen) + prior * base
            result[i] = counts / counts.sum(axis=0)
        return result


def similarity(kb: KnowledgeBase, left: sp.csr_array, right: sp.csr_array) -> Float:
    """Cosine of perturbations' places in the signed network, shape (b, c), in [-1, 1].

    A perturbation is described by itself, its genes' direct targets and their direct regulators,
    each with the sign of the edge: two knock-outs of genes with the same targets are alike, a
    knock-out and an over-expression of one gene are opposite.
    """
    profiles = [_profile(kb, x) for x in (left, right)]
    return np.asarray((profiles[0] @ profiles[1].T).toarray(), dtype=np.float64)


def _profile(kb: KnowledgeBase, x: sp.csr_array) -> sp.csr_array:
    signed = (kb.r_pos.astype(np.float64) - kb.r_neg.astype(np.float64)).tocsr()
    inputs = sp.csr_array(x).astype(np.float64)
    downstream = inputs[:, kb.regulator_index] @ signed
    upstream = inputs @ signed.T
    blocks = sp.csr_array(sp.hstack([inputs, downstream, upstream], format="csr"))
    norm = np.sqrt(np.asarray(blocks.multiply(blocks).sum(axis=1)).ravel())
    return sp.csr_array(sp.diags_array(1 / np.where(norm > 0, norm, 1)) @ blocks)


def _keys(rows: Rows) -> list[Key]:
    x = sp.csr_array(rows.x)
    parts = [slice(a, b) for a, b in itertools.pairwise(x.indptr)]
    return [
        tuple(sorted(zip(x.indices[p].tolist(), x.data[p].tolist(), strict=True))) for p in parts
    ]


def _mean(train: Rows, chosen: npt.NDArray[np.intp]) -> Float:
    seen = train.observed[chosen]
    total = (train.y[chosen] * seen).sum(axis=0, dtype=np.float64)
    return np.asarray(total / np.maximum(seen.sum(axis=0), 1))


def _answered(means: list[Float | None], rows: Rows, share: float) -> tuple[Bool, Int8]:
    """Rows with a mean are settled: called where it reaches the share."""
    settled, called = np.zeros(rows.y.shape, bool), np.zeros(rows.y.shape, np.int8)
    for i, mean in enumerate(means):
        if mean is not None:
            settled[i] = True
            called[i] = np.where(np.abs(mean) >= share - 1e-9, np.sign(mean), 0)
    return settled, called
