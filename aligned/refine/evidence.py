"""What the responses say: checked, masked, and gathered per distinct perturbation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.knowledge import KnowledgeBase

__all__ = ["Evidence", "Responses", "check_responses", "gather", "replicate_error"]

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Responses:
    """Checked perturbations and responses of the rows that count as evidence.

    Attributes
    ----------
    x : scipy.sparse.csr_array of int8, shape (b, n)
        Perturbations.
    y : ndarray of int8, shape (b, n)
        Responses, 0 where they do not count.
    counted : ndarray of bool, shape (b, n)
        Observed cells that are not a perturbed gene's own.
    """

    x: sp.csr_array
    y: npt.NDArray[np.int8]
    counted: Bool


@dataclass(frozen=True)
class Evidence:
    """Responses gathered per distinct perturbation of regulators.

    Rows that perturb the same regulators are one observation, seen several times; a row with all
    signs turned round is the same observation with its responses turned round, since deduction is
    odd in ``x``.

    Attributes
    ----------
    x : ndarray of float32, shape (b, q)
        Distinct perturbations over the ``q`` regulators perturbed anywhere.
    rows : ndarray of int, shape (q,)
        Row of each of these regulators in the network's matrices.
    up, zero, down : ndarray of float32, shape (b, n)
        How often the gene was seen up, unchanged and down; all 0 where nothing counts.
    own : ndarray of bool, shape (b, n)
        Cells of genes that are perturbed themselves in some row of this group.
    """

    x: Float
    rows: Index
    up: Float
    zero: Float
    down: Float
    own: Bool

    @property
    def single(self) -> Bool:
        """Whether a row perturbs exactly one regulator (with sign +1); bool (b,)."""
        return np.asarray((self.x != 0).sum(axis=1) == 1)


def check_responses(
    kb: KnowledgeBase,
    x: object,
    y: object,
    observed: npt.ArrayLike | None,
    evidence: npt.ArrayLike | None,
    rows: str,
) -> Responses:
    """Check what the user passed and keep the rows that count as evidence.

    Raises
    ------
    ValueError
        Shapes disagree, or an entry that counts is not -1, 0 or 1.
    """
    inputs = _perturbations(x, kb)
    labels = np.atleast_2d(y.toarray() if sp.issparse(y) else np.asarray(y))  # type: ignore[attr-defined]
    if labels.shape != inputs.shape:
        raise ValueError(
            f"the responses have shape {labels.shape}, the perturbations {inputs.shape}; give one "
            "response per condition and gene of `kb.genes`, unmeasured cells masked by `observed`."
        )
    seen = _mask("observed", observed, labels.shape)
    chosen = _mask("evidence", evidence, (len(labels),))
    if rows == "all":
        chosen = np.ones(len(labels), dtype=bool)
    labels = np.where(seen, labels, 0)
    bad = ~np.isin(labels, (-1, 0, 1))
    if bad.any():
        row, col = np.argwhere(bad)[0]
        raise ValueError(
            f"the response of gene {kb.genes[col]!r} in row {row} is {labels[row, col]}; use -1, "
            "0 or 1, and mask unmeasured cells with `observed`."
        )
    picked = inputs[np.flatnonzero(chosen)]
    touched = picked.toarray() != 0
    counted = seen[chosen] & ~touched
    return Responses(picked, np.where(counted, labels[chosen], 0).astype(np.int8), counted)


def _perturbations(x: object, kb: KnowledgeBase) -> sp.csr_array:
    shape = x.shape if sp.issparse(x) else np.atleast_2d(np.asarray(x)).shape  # type: ignore[attr-defined]
    if len(shape) != 2 or shape[1] != len(kb.genes):
        raise ValueError(
            f"the perturbations have shape {shape}, the network has {len(kb.genes)} genes; give "
            "one column per gene of `kb.genes`, in that order."
        )
    return kb.check_x(x)


def _mask(name: str, values: npt.ArrayLike | None, shape: tuple[int, ...]) -> Bool:
    if values is None:
        return np.ones(shape, dtype=bool)
    mask = np.asarray(values)
    if mask.shape != shape or mask.dtype != np.bool_:
        raise ValueError(
            f"`{name}` is {mask.dtype} of shape {mask.shape}; give truth values of shape {shape}."
        )
    return mask


def gather(responses: Responses, regulators: Index) -> Evidence:
    """Gather responses per distinct perturbation of these regulators (columns of ``x``).

    Raises
    ------
    ValueError
        No row perturbs one of the regulators.
    """
    at = responses.x[:, regulators].tocsr()
    at.sort_indices()
    group: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    member: list[tuple[int, int, int]] = []
    for i in range(at.shape[0]):
        span = slice(at.indptr[i], at.indptr[i + 1])
        places, signs = at.indices[span], at.data[span]
        if len(places) == 0:
            continue
        first = int(signs[0])
        key = (tuple(places.tolist()), tuple((first * signs).tolist()))
        member.append((i, group.setdefault(key, len(group)), first))
    if not member:
        raise ValueError(
            "no row of the evidence perturbs a regulator, so no edge can be judged; pass rows that "
            "do, or candidates='perturbed' to let every perturbed gene be a regulator."
        )
    row, into, turn = (np.array(part) for part in zip(*member, strict=True))
    used = np.unique(np.concatenate([key[0] for key in group]).astype(np.intp))
    x = np.zeros((len(group), len(used)), dtype=np.float32)
    for (at_places, at_signs), i in group.items():
        x[i, np.searchsorted(used, at_places)] = at_signs
    y = responses.y[row] * turn[:, None].astype(np.int8)
    counted = responses.counted[row]
    touched = responses.x[row].toarray() != 0
    pool = sp.csr_array(
        (np.ones(len(row), dtype=np.float32), (into, np.arange(len(row)))),
        shape=(len(group), len(row)),
    )
    return Evidence(
        x=x,
        rows=used,
        up=pool @ (counted & (y > 0)).astype(np.float32),
        zero=pool @ (counted & (y == 0)).astype(np.float32),
        down=pool @ (counted & (y < 0)).astype(np.float32),
        own=(pool @ touched.astype(np.float32)) > 0,
    )


def replicate_error(responses: Responses) -> float | None:
    """Response error rate from rows with identical perturbations; None where there are none.

    If a call is wrong with probability ``e`` and then equally often either of the two other
    values, two replicates disagree with probability ``d = 2e - 1.5e²``; this is solved for ``e``.
    """
    x = responses.x
    x.sort_indices()
    members: dict[tuple[bytes, bytes], list[int]] = {}
    for i in range(x.shape[0]):
        span = slice(x.indptr[i], x.indptr[i + 1])
        key = (x.indices[span].tobytes(), x.data[span].tobytes())
        members.setdefault(key, []).append(i)
    pairs = agreeing = 0.0
    for rows in members.values():
        if len(rows) < 2:
            continue
        seen = responses.counted[rows]
        total = seen.sum(axis=0).astype(np.float64)
        pairs += float((total * (total - 1)).sum())
        for value in (-1, 0, 1):
            here = ((responses.y[rows] == value) & seen).sum(axis=0).astype(np.float64)
            agreeing += float((here * (here - 1)).sum())
    if pairs == 0:
        return None
    disagreement = 1.0 - agreeing / pairs
    return float((2.0 - np.sqrt(max(4.0 - 6.0 * disagreement, 0.0))) / 3.0)
