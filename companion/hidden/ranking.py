"""Ranking edges that the network lacks: what the network, and what the responses, say of a pair.

The log-odds of an edge ``s → j`` are a sum of four named terms (`TERMS`); two of them are known
without any response, two rest on responses::

    log-odds(s → j) = b + w₁·log(1 + d_s) + w₂·log(ε + c_sj)
                        + w₃·log(1 + |r_sj| / σ_s) + w₄·log(ε + g_sj)

- ``d_s``: visible targets of s (``T_s`` is their set).
- ``c_sj = Σ_{s'→j} |T_s ∩ T_s'| / √((|T_s| + 5)(|T_s'| + 5))``: how many targets s shares with the
  visible regulators of j.
- ``r_sj``: log2 fold change of j per unit of s, all conditions and their control samples fitted at
  once (`joint_effects`); ``σ_s`` its root mean square over genes.
- ``g_sj = Σ_{t∈T_s} ρ_tj⁴ / (0.1 + Σ_t ρ_tj⁴)``: of the genes that respond like j over all
  conditions (correlation ρ), the share that s visibly targets.

``b`` and ``w`` are learned by hiding once more *within* the visible network (`learn`); the edges
that are to be found play no part in it. `SIGN_TERMS` do the same for the sign of an edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from aligned.data import Bundle, control_adjusted, genomic_order, joint_effects, log_fold_changes
from aligned.knowledge import KnowledgeBase
from companion.recovery import states

__all__ = [
    "SIGN_TERMS",
    "TERMS",
    "Candidates",
    "Posterior",
    "Seen",
    "learn",
    "network_terms",
    "questions",
    "terms_of",
]

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: The terms of the log-odds, and what each one is.
TERMS: dict[str, str] = {
    "out_degree": "visible targets of the regulator",
    "co_regulation": "targets it shares with the visible regulators of the gene",
    "response": "response of the gene to perturbations of the regulator",
    "co_response": "share of the regulator's visible targets among genes that respond alike",
}
#: The terms of the log-odds that an edge activates.
SIGN_TERMS: dict[str, str] = {
    "sign_regulator": "log-odds of activation among the regulator's visible edges",
    "sign_response": "direction of the response per unit of the regulator, damped",
    "sign_co_response": "signs of the visible targets that respond like, or opposite to, the gene",
}

SHRINK, EPSILON, FLOOR, POWER = 5.0, 0.01, 0.1, 4
#: Genes whose correlations with all others are held in memory at once.
CHUNK = 1024


@dataclass(frozen=True)
class Candidates:
    """Pairs that can be judged: regulators perturbed alone × measured genes, and their responses.

    Attributes
    ----------
    rows : ndarray of int, shape (q,)
        Row of each of these regulators in the network's matrices.
    columns : ndarray of int, shape (m,)
        Column of each measured gene.
    response : ndarray of float, shape (q, m)
        Mean log2 fold change per unit of the regulator (a knock-out's counted backwards).
    adjusted : ndarray of float, shape (q, m)
        The same after `control_adjusted`.
    effect : ndarray of float, shape (q, m)
        Response by `joint_effects`.
    profiles : ndarray of float32, shape (b, m)
        Responses of each gene over all conditions, centred, of length 1.
    own : ndarray of bool, shape (q, m)
        The regulator's own gene: no candidate.
    place : ndarray of int, shape (m,)
        Rank of each gene on the genome.
    order : tuple of str
        Measured genes as they lie on the genome.
    """

    rows: Index
    columns: Index
    response: Float
    adjusted: Float
    effect: Float
    profiles: npt.NDArray[np.float32]
    own: Bool
    place: Index
    order: tuple[str, ...]

    @classmethod
    def of(cls, bundle: Bundle) -> Candidates:
        """Read them from a data set; every condition counts as training, only edges are hidden.

        Raises
        ------
        ValueError
            Fewer than two regulators were perturbed alone, or genes have no place on the genome.
        """
        data, kb = bundle.data, bundle.kb
        measured = list(map(str, data.var_names))
        x = sp.csr_array(data.obsm["perturbation"]).astype(np.int8)
        x.eliminate_zeros()
        single = np.flatnonzero(np.diff(x.indptr) == 1)
        source, sign = x[single].indices, x[single].data
        wanted = np.flatnonzero(np.isin(kb.regulator_index, source))
        if len(wanted) < 2:
            raise ValueError(
                f"{len(wanted)} regulators of the network were perturbed alone; at least 2 are "
                "needed to judge edges from responses."
            )
        plain = log_fold_changes(data)
        adjusted = control_adjusted(data, np.ones(data.n_obs, dtype=bool))
        at = kb.regulator_index[wanted]
        means = [
            np.stack([_mean(v[single[source == g]], sign[source == g]) for g in at])
            for v in (plain, adjusted)
        ]
        perturbed, effects = joint_effects(data)
        columns = kb.columns(measured)
        order = genomic_order(data)
        place = np.empty(len(order), dtype=np.intp)
        place[data.var_names.get_indexer(order)] = np.arange(len(order))
        return cls(
            rows=wanted,
            columns=columns,
            response=means[0],
            adjusted=means[1],
            effect=effects[np.searchsorted(perturbed, at)],
            profiles=_unit(plain),
            own=columns[None, :] == at[:, None],
            place=place,
            order=tuple(order),
        )


@dataclass(frozen=True)
class Seen:
    """A visible network over the measured genes: bool matrices (r, m)."""

    positive: Bool
    negative: Bool

    @classmethod
    def of(
        cls, kb: KnowledgeBase, candidates: Candidates, regulators: Sequence[str] | None = None
    ) -> Seen:
        """Read a network, its rows in its own order or as asked for."""
        state = states(kb, regulators)[:, candidates.columns]
        return cls((state & 1) > 0, (state & 2) > 0)

    @property
    def edges(self) -> Bool:
        """Pairs with an edge of either sign."""
        return self.positive | self.negative

    @property
    def signs(self) -> npt.NDArray[np.int8]:
        """1 activating, -1 inhibiting, 0 neither or both."""
        return np.asarray(self.positive.astype(np.int8) - self.negative.astype(np.int8))


def questions(
    candidates: Candidates, complete: Seen, visible: Seen
) -> dict[str, tuple[Bool, Bool]]:
    """Answer and counted cells, (q, m) each, of two questions: which pairs, and which sign.

    ``edge``: hidden or not, over all pairs that are no visible edge. ``sign``: activating or not,
    over the hidden edges of one sign.
    """
    c = candidates
    hidden = (complete.edges & ~visible.edges)[c.rows] & ~c.own
    sign = complete.signs[c.rows]
    return {
        "edge": (hidden, ~visible.edges[c.rows] & ~c.own),
        "sign": (sign > 0, hidden & (sign != 0)),
    }


@dataclass(frozen=True)
class Posterior:
    """Learned log-odds: names of the terms, their weights on the terms' own scale, and ``b``."""

    terms: tuple[str, ...]
    weights: Float
    intercept: float

    def log_odds(self, terms: dict[str, Float]) -> Float:
        """``b + Σ w·term`` of every candidate, shape (q, m)."""
        total = sum(w * terms[name] for w, name in zip(self.weights, self.terms, strict=True))
        return np.asarray(self.intercept + total)


def learn(
    names: Sequence[str], examples: Sequence[tuple[dict[str, Float], Bool, Bool]]
) -> Posterior:
    """Fit the weights by logistic regression.

    Parameters
    ----------
    names : sequence of str
        Terms to use.
    examples : sequence of (terms, answer, counted)
        One per inner hiding: terms (q, m) by name, what is true, and the cells that count.
    """
    x = np.concatenate([np.stack([t[n][c] for n in names], axis=1) for t, _, c in examples])
    y = np.concatenate([answer[counted] for _, answer, counted in examples])
    if y.all() or not y.any():  # one kind only, such as a network without inhibition
        return Posterior(tuple(names), np.zeros(len(names)), 1.0 if y.any() else -1.0)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    fit = LogisticRegression(max_iter=500).fit((x - mean) / spread, y)
    weights = np.asarray(fit.coef_[0] / spread, dtype=np.float64)
    return Posterior(tuple(names), weights, float(fit.intercept_[0] - weights @ mean))


def terms_of(
    candidates: Candidates,
    networks: Sequence[Seen],
    deal_rows: Index | None = None,
    deal_genes: Index | None = None,
) -> list[dict[str, Float]]:
    """Terms of the log-odds, of an edge and of its sign, given each of these visible networks.

    Parameters
    ----------
    candidates : Candidates
    networks : sequence of Seen
        They share one pass over the correlations.
    deal_rows : array of int, shape (q,), optional
        Null: the regulator in place i gets the responses of the one in place ``deal_rows[i]``.
    deal_genes : array of int, shape (m,), optional
        Null: gene j gets all responses of gene ``deal_genes[j]``.

    Returns
    -------
    list of dict of str to ndarray, shape (q, m)
        `TERMS` and `SIGN_TERMS`, one dict per network.
    """
    c = candidates
    genes = np.arange(len(c.columns)) if deal_genes is None else deal_genes
    effect = (c.effect if deal_rows is None else c.effect[deal_rows])[:, genes]
    spread = np.sqrt((effect**2).mean(axis=1, keepdims=True)) + 1e-9
    targets = np.concatenate([net.edges[c.rows] for net in networks])
    signed = np.concatenate([net.signs[c.rows] for net in networks])
    alike, direction = _co_response(c.profiles[:, genes], targets, signed)
    parts = [slice(i * len(c.rows), (i + 1) * len(c.rows)) for i in range(len(networks))]
    return [
        {
            **network_terms(c, net),
            "response": np.log1p(np.abs(effect) / spread),
            "co_response": np.log(EPSILON + alike[part]),
            "sign_response": np.tanh(effect / spread),
            "sign_co_response": direction[part],
        }
        for net, part in zip(networks, parts, strict=True)
    ]


def network_terms(candidates: Candidates, net: Seen) -> dict[str, Float]:
    """The terms that need no response, shape (q, m) each."""
    rows = candidates.rows
    up, down, both = (m[rows].sum(axis=1) for m in (net.positive, net.negative, net.edges))
    whole = np.ones(candidates.own.shape)
    return {
        "out_degree": whole * np.log1p(both)[:, None],
        "co_regulation": np.log(EPSILON + _co_regulation(net.edges, rows)),
        "sign_regulator": whole * (np.log1p(up) - np.log1p(down))[:, None],
    }


def _co_regulation(edges: Bool, rows: Index) -> Float:
    """``Σ_{s'→j} |T_s ∩ T_s'| / √((|T_s|+5)(|T_s'|+5))`` over s' ≠ s, shape (q, m)."""
    linked = edges.astype(np.float64)
    size = linked.sum(axis=1) + SHRINK
    shared = linked[rows] @ linked.T
    shared[np.arange(len(rows)), rows] = 0.0
    return np.asarray((shared / np.sqrt(np.outer(size[rows], size))) @ linked)


def _co_response(
    profiles: npt.NDArray[np.float32], targets: Bool, signed: npt.NDArray[np.int8]
) -> tuple[Float, Float]:
    """Share of ρ⁴ that lies on targets, and its signed counterpart, both of shape (Q, m)."""
    m = profiles.shape[1]
    share, direction = np.empty(targets.shape), np.empty(targets.shape)
    member, sign = targets.astype(np.float32), signed.astype(np.float32)
    for start in range(0, m, CHUNK):
        part = slice(start, min(start + CHUNK, m))
        rho = profiles.T @ profiles[:, part]
        rho[np.arange(part.start, part.stop), np.arange(part.stop - part.start)] = 0.0
        strength = rho**POWER
        share[:, part] = (member @ strength) / (FLOOR + strength.sum(axis=0))
        strength *= np.sign(rho)
        direction[:, part] = (sign @ strength) / (FLOOR + member @ np.abs(strength))
    return share, direction


def _mean(values: Float, sign: npt.NDArray[np.int8]) -> Float:
    """Mean over conditions per unit of the perturbed gene; 0 where never measured."""
    seen = ~np.isnan(values)
    total = np.where(seen, values * sign[:, None], 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(seen.sum(axis=0), 1))


def _unit(values: Float) -> npt.NDArray[np.float32]:
    filled = np.nan_to_num(values)
    filled -= filled.mean(axis=0)
    return np.asarray(filled / (np.linalg.norm(filled, axis=0) + 1e-9), dtype=np.float32)
