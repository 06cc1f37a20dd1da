"""What describes a cell, and one model for all genes that predicts it from there.

A *cell* is one gene in one condition. It is described by φ_ij: how gene j behaves elsewhere, what
the network says about it, and what similar perturbations did. A perturbation that was never seen
is thereby described by what it is, not by its column. No cell of a condition, and none of any
other condition that perturbs one of its genes, enters its own description; the one exception is
the group ``reverse``, which is the same gene perturbed the other way.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from aligned.data import Rows
from aligned.knowledge import KnowledgeBase, Rule

__all__ = ["GROUPS", "Context", "ContextModel"]

Int8 = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]
Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Features = list[npt.NDArray[Any]]

#: Groups of features, each can be switched off, and what each one says about a cell.
GROUPS: dict[str, str] = {
    "habits": "how often the gene goes up and down, under this direction and under any",
    "edges": "what the network deduces, k = 1 and 2, and for whom that can be believed",
    "degrees": "how many targets the perturbed genes have, how many regulators the gene",
    "neighbours": "what the gene does when regulators of the same targets are perturbed",
    "coresponse": "whether the gene moves with the direct targets in other conditions",
    "reverse": "minus what the gene does when the same gene is perturbed the other way",
    "similarity": "what the gene does when genes of the same gene sets are perturbed",
}

#: Names of the features of each group, columns of φ.
FEATURES: dict[str, tuple[str, ...]] = {
    "habits": ("up", "down", "up, any direction", "down, any direction", "direction"),
    "edges": tuple(
        signal + by
        for by in ("", " × rate", " × out-degree", " × in-degree", " × direction")
        for signal in (("δ1", "reach1", "δ2", "reach2") if not by else ("δ1", "reach1"))
    ),
    "degrees": ("out-degree", "in-degree", "out-degree × direction"),
    "neighbours": ("response",),
    "coresponse": ("response",),
    "reverse": ("response", "known"),
    "similarity": ("response",),
}

#: Weight of the overall frequencies in a gene's habits, in conditions.
PRIOR = 8.0
#: Weight of "no response" among similar perturbations, and of "not related" in co-response.
RIDGE, CO_RIDGE = 0.3, 0.1
#: Gene sets that say something about similarity have this many genes.
SET_SIZES = (3, 300)
#: Cells described at once: what a block holds.
BLOCK_CELLS = 250_000
#: Cells a model is fitted to, at most: changed ones (all of them in any data set here), and others.
N_CHANGED, N_UNCHANGED = 2_000_000, 30_000


class Context:
    """Description φ of cells by habits, network and similar perturbations.

    Parameters
    ----------
    kb : KnowledgeBase
    measured : sequence of str
        The m measured genes.
    groups : sequence of str
        Groups that are switched on, see `GROUPS`.
    gene_sets : mapping of str to sequence of str, optional
        Gene sets for ``similarity``; without them the group is absent.
    n_neighbours : int
        Training conditions that are asked for ``neighbours`` and ``similarity``.

    Attributes
    ----------
    names : tuple of str
        ``"group: feature"`` of each column of φ.

    Raises
    ------
    ValueError
        A group is unknown, named twice, or none is left.

    Examples
    --------
    >>> import aligned as al
    >>> from aligned.data import Rows
    >>> sim = al.simulate(n_genes=60, n_regulators=12, seed=0)
    >>> rows = Rows.of(sim.data, sim.kb)
    >>> context = Context(sim.kb, sim.data.var_names, groups=("degrees",)).fit(rows)
    >>> context.names
    ('degrees: out-degree', 'degrees: in-degree', 'degrees: out-degree × direction')
    >>> context.phi(rows.take(np.arange(2))).shape
    (2, 60, 3)
    """

    def __init__(
        self,
        kb: KnowledgeBase,
        measured: Sequence[str],
        groups: Sequence[str] = tuple(GROUPS),
        gene_sets: Mapping[str, Sequence[str]] | None = None,
        n_neighbours: int = 20,
    ) -> None:
        unknown = [group for group in groups if group not in GROUPS]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is no group of features; use some of {', '.join(GROUPS)}."
            )
        on = [g for g in GROUPS if g in groups and (g != "similarity" or gene_sets)]
        if not on or len(set(groups)) < len(groups):
            raise ValueError(
                f"the groups of features are {list(groups)}; name at least one, each once, and "
                "give gene sets where 'similarity' is all there is."
            )
        self.kb, self.columns = kb, kb.columns(list(map(str, measured)))
        self.groups, self.n_neighbours = tuple(on), n_neighbours
        self.names = tuple(f"{group}: {name}" for group in on for name in FEATURES[group])
        self._targets = (self.kb.state != 0).astype(np.float32)
        out = np.log1p(np.diff(self._targets.indptr))
        self._mean_out = float(out.mean()) if len(out) else 0.0
        self._in = np.log1p(np.asarray(self._targets.sum(axis=0)).ravel())[self.columns]
        self._sets = _membership(kb, gene_sets or {})

    def fit(self, train: Rows) -> Context:
        """Remember the training conditions; only cells that count are looked at."""
        self.train = train
        self._direction = _direction(train.x)
        places = [np.flatnonzero(self._direction == d) for d in (-1, 0, 1)]
        self._counts = np.stack([self._count(chosen) for chosen in places])
        self._single = np.diff(train.x.indptr) == 1
        self._at = sp.csc_array(train.x)
        return self

    def phi(self, rows: Rows) -> Float32:
        """Features of every cell, float32 of shape (b, m, len(names)).

        Only ``rows.x`` is looked at. All cells of a large study do not fit in memory: see
        `blocks`.
        """
        asked = self._asked(rows)
        made = {
            "habits": self._habits,
            "edges": self._edges,
            "degrees": self._degrees,
            "neighbours": self._neighbours,
            "coresponse": self._coresponse,
            "reverse": self._reverse,
            "similarity": self._similarity,
        }
        result = np.empty((len(rows), len(self.columns), len(self.names)), dtype=np.float32)
        for column, part in enumerate(part for group in self.groups for part in made[group](asked)):
            result[..., column] = part
        return result

    def blocks(self, rows: Rows) -> Iterator[tuple[slice, Float32]]:
        """φ of a few conditions at a time, with their place among ``rows``."""
        step = max(1, BLOCK_CELLS // max(1, len(self.columns)))
        for start in range(0, len(rows), step):
            place = slice(start, min(start + step, len(rows)))
            yield place, self.phi(rows.take(np.arange(place.start, place.stop)))

    # ------------------------------------------------------------------- who may be looked at

    def _asked(self, rows: Rows) -> _Asked:
        shared = sp.csr_array(abs(rows.x).astype(np.int32) @ abs(self.train.x).astype(np.int32).T)
        own = [np.sort(shared[[i]].indices).astype(np.intp) for i in range(len(rows))]
        direction = _direction(rows.x)
        mine = self._counts[direction + 1].copy()
        every = np.repeat(self._counts.sum(axis=0)[None], len(rows), axis=0)
        for i, left in enumerate(own):
            if len(left):
                every[i] -= self._count(left)
                mine[i] -= self._count(left[self._direction[left] == direction[i]])
        return _Asked(rows.x, direction, own, mine, every)

    def _count(self, chosen: Index) -> Float:
        """How often each gene goes down, stays and goes up in training conditions, (3, m)."""
        y, counted = self.train.y[chosen], self.train.counted[chosen]
        return np.stack([((y == c) & counted).sum(axis=0) for c in (-1, 0, 1)]).astype(np.float64)

    # ------------------------------------------------------------------- habits and network

    def _habits(self, asked: _Asked) -> Features:
        same, every = asked.frequencies
        odds = [logit(np.clip(p[:, c], 1e-5, 1 - 1e-5)) for p in (same, every) for c in (2, 0)]
        return [*odds, asked.direction[:, None]]

    def _edges(self, asked: _Asked) -> Features:
        one = self.kb.deduction(asked.x, Rule(1))
        two = self.kb.deduction(asked.x, Rule(2, "majority"))
        said = [a[:, self.columns] for a in (one.delta, one.reached, two.delta, two.reached)]
        changed = 1 - asked.frequencies[0][:, 1]
        centred = [
            np.log(changed) - np.log(changed).mean(axis=1, keepdims=True),
            self._out(asked)[:, None] - self._mean_out,
            self._in[None] - self._in.mean(),
            asked.direction[:, None],
        ]
        return said + [signal * by for by in centred for signal in said[:2]]

    def _degrees(self, asked: _Asked) -> Features:
        out = self._out(asked)[:, None]
        return [out, self._in[None], out * asked.direction[:, None]]

    def _out(self, asked: _Asked) -> Float:
        """log(1 + number of targets) of the perturbed genes together."""
        return np.log1p(np.diff(self._profile(asked.x).indptr)).astype(np.float64)

    # --------------------------------------------------------------- similar perturbations

    def _profile(self, x: sp.csr_array) -> sp.csr_array:
        """Targets of the perturbed genes, whatever the sign; rows of length 1."""
        return _unit(abs(x)[:, self.kb.regulator_index].astype(np.float32) @ self._targets)

    def _belongs(self, x: sp.csr_array) -> sp.csr_array:
        """Gene sets of the perturbed genes, small sets first; rows of length 1."""
        return _unit(abs(x).astype(np.float32) @ self._sets)

    def _neighbours(self, asked: _Asked) -> Features:
        return [self._alike(self._profile(asked.x), self._profile(self.train.x), asked)]

    def _similarity(self, asked: _Asked) -> Features:
        return [self._alike(self._belongs(asked.x), self._belongs(self.train.x), asked)]

    def _alike(self, left: sp.csr_array, right: sp.csr_array, asked: _Asked) -> Float32:
        """Mean response to the most similar perturbations, less the usual one; shape (b, m).

        Weights are squared cosines; only conditions of the same direction are looked at.
        """
        weights = np.asarray((left @ right.T).toarray(), dtype=np.float32) ** 2
        weights[asked.direction[:, None] != self._direction[None]] = 0
        usual = (asked.mine[:, 2] - asked.mine[:, 0]) / np.maximum(asked.mine.sum(axis=1), 1)
        result = np.zeros(usual.shape, dtype=np.float32)
        for i, weight in enumerate(weights):
            weight[asked.own[i]] = 0
            near = np.argsort(-weight, kind="stable")[: self.n_neighbours]
            near = near[weight[near] > 0]
            seen = weight[near, None] * self.train.counted[near]
            total = seen.sum(axis=0)
            moved = (seen * self.train.y[near]).sum(axis=0) - total * usual[i]
            result[i] = moved / (total + RIDGE)
        return result

    def _coresponse(self, asked: _Asked) -> Features:
        """``Σ_t δ_it ρ³_tj / (Σ_t |ρ_tj|³ + 0.1)`` over the direct targets t.

        ρ is the correlation of two genes' responses over training conditions, own ones left out.
        """
        said = self.kb.deduce(asked.x, Rule(1))
        said[asked.x.nonzero()] = 0  # a perturbed gene is no target of its own
        delta = said[:, self.columns].astype(np.float32)
        result = np.zeros_like(delta)
        alike: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(delta.any(axis=1)).tolist():
            alike.setdefault(asked.own[i].tobytes(), []).append(i)
        for members in alike.values():
            z = self._standardised(asked.own[members[0]])
            for i in members:
                agree, mass = np.zeros((2, delta.shape[1]), dtype=np.float32)
                named = np.flatnonzero(delta[i])
                for targets in np.array_split(named, 1 + len(named) // 256):
                    rho = z[:, targets].T @ z
                    rho[np.arange(len(targets)), targets] = 0
                    cube = rho * rho * rho  # a tenth of the time of rho**3
                    agree += delta[i, targets] @ cube
                    mass += np.abs(cube, out=cube).sum(axis=0)
                result[i] = agree / (mass + CO_RIDGE)
        return [result]

    def _standardised(self, left: Index) -> Float32:
        """Responses of the other training conditions, less the direction's mean, genes scaled."""
        mean = np.empty((3, len(self.columns)), dtype=np.float32)
        for d in (-1, 0, 1):
            down, stay, up = self._counts[d + 1] - self._count(left[self._direction[left] == d])
            mean[d + 1] = (up - down) / np.maximum(down + stay + up, 1)
        rest = np.setdiff1d(np.arange(len(self.train)), left)
        z = self.train.y[rest].astype(np.float32)
        for row, seen, way in zip(z, self.train.counted[rest], self._direction[rest], strict=True):
            row -= mean[way + 1]
            row *= seen
        z /= np.sqrt(np.einsum("ij,ij->j", z, z)) + np.float32(0.5)
        return z

    def _reverse(self, asked: _Asked) -> Features:
        """Minus the mean response to the opposite single perturbations, and how many are known.

        A double gets the sum over its genes.
        """
        response = np.zeros((asked.x.shape[0], len(self.columns)), dtype=np.float32)
        known = np.zeros((len(response), 1), dtype=np.float32)
        for i, gene in zip(*asked.x.nonzero(), strict=True):
            opposite = self._single & (self._at[:, [gene]].toarray().ravel() == -asked.x[i, gene])
            if opposite.any():
                down, stay, up = self._count(np.flatnonzero(opposite))
                response[i] -= (up - down) / np.maximum(down + stay + up, 1)
                known[i] += 1
        return [response, known]


@dataclass(frozen=True)
class _Asked:
    """Conditions to describe: own training conditions left out, counts of the others (b, 3, m).

    ``mine`` counts responses under the same direction, ``every`` under any.
    """

    x: sp.csr_array
    direction: Int8
    own: list[Index]
    mine: Float
    every: Float

    @cached_property
    def frequencies(self) -> tuple[Float, Float]:
        """``(n_cjd + 8 π_cd) / (n_jd + 8)``, same direction and any, each of shape (b, 3, m).

        π_cd are the overall frequencies; of a rare direction, they lean on those of any.
        """
        anywhere = self.every.sum(axis=2, keepdims=True) + 1
        anywhere /= anywhere.sum(axis=1, keepdims=True)
        here = self.mine.sum(axis=2, keepdims=True) + PRIOR * anywhere
        here /= here.sum(axis=1, keepdims=True)
        pairs = ((self.mine, here), (self.every, anywhere))
        return tuple((n + PRIOR * f) / (n.sum(axis=1, keepdims=True) + PRIOR) for n, f in pairs)


class ContextModel:
    """One multinomial logistic model for all cells: ``log p_c/p_0 = b_c + β_c · φ_ij``.

    Fitted to all changed cells and a sample of unchanged ones, which weigh as much as all of them;
    features are standardised. See `Context` for φ.

    Parameters
    ----------
    context : Context
        Which features; it is copied and fitted to the training conditions.
    C : float
        Inverse strength of the ridge, as in scikit-learn.
    seed : int
        Draw of the unchanged cells.

    Examples
    --------
    >>> import aligned as al
    >>> from aligned.data import Rows
    >>> sim = al.simulate(n_genes=60, n_regulators=12, seed=0)
    >>> rows = Rows.of(sim.data, sim.kb)
    >>> model = ContextModel(Context(sim.kb, sim.data.var_names)).fit(rows)
    >>> p = model.probabilities(rows.take(np.arange(2)))
    >>> p.shape, bool(np.allclose(p.sum(axis=1), 1))
    ((2, 3, 60), True)
    """

    def __init__(self, context: Context, C: float = 0.01, seed: int = 0) -> None:
        self.context, self.C, self.seed = context, C, seed

    def fit(self, train: Rows) -> ContextModel:
        """Fit to the cells that count; without two kinds of response, frequencies are all."""
        self.context = copy.copy(self.context).fit(train)
        chosen, weight = _sample(train, self.seed)
        x = np.empty((len(chosen), len(self.context.names)), dtype=np.float32)
        m = train.y.shape[1]
        for place, phi in self.context.blocks(train):
            here = slice(*np.searchsorted(chosen, [place.start * m, place.stop * m]))
            x[here] = phi.reshape(-1, x.shape[1])[chosen[here] - place.start * m]
        y = train.y.ravel()[chosen]
        counts = np.bincount(y.astype(np.intp) + 1, weights=weight, minlength=3)
        self._overall = ((counts + 1) / (counts.sum() + 3)).astype(np.float32)
        self._logistic = None
        if (counts > 0).sum() > 1:
            self._centre, self._scale = x.mean(axis=0), x.std(axis=0) + np.float32(1e-6)
            x -= self._centre
            x /= self._scale
            self._logistic = LogisticRegression(C=self.C, max_iter=300)
            self._logistic.fit(x, y, sample_weight=weight)
        return self

    def probabilities(self, rows: Rows) -> Float32:
        """Probabilities of down, unchanged and up, float32 of shape (b, 3, m)."""
        p = np.zeros((len(rows), 3, rows.y.shape[1]), dtype=np.float32)
        if self._logistic is None:
            return p + self._overall[:, None]
        classes = self._logistic.classes_.astype(int) + 1
        for place, phi in self.context.blocks(rows):
            phi -= self._centre
            phi /= self._scale
            found = self._logistic.predict_proba(phi.reshape(-1, phi.shape[2]))
            p[place, classes] = found.reshape(*phi.shape[:2], -1).transpose(0, 2, 1)
        return p


def _direction(x: sp.csr_array) -> Int8:
    """1: over-expressed, -1: knocked out, 0: both at once; of each condition."""
    return np.sign(np.asarray(x.sum(axis=1, dtype=np.int64)).ravel()).astype(np.int8)


def _unit(rows: sp.csr_array) -> sp.csr_array:
    """Rows scaled to length 1; empty ones stay empty."""
    norm = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sp.csr_array(sp.diags_array(1 / np.where(norm > 0, norm, 1)) @ rows)


def _membership(kb: KnowledgeBase, gene_sets: Mapping[str, Sequence[str]]) -> sp.csr_array:
    """Genes × sets: 1 / log(1 + size) for members of sets that are neither tiny nor huge."""
    rows: list[int] = []
    cols: list[int] = []
    values: list[float] = []
    for column, members in enumerate(gene_sets.values()):
        places = kb.index.get_indexer(sorted(set(map(str, members))))
        places = places[places >= 0]
        if SET_SIZES[0] <= len(places) <= SET_SIZES[1]:
            rows += places.tolist()
            cols += [column] * len(places)
            values += [1 / np.log1p(len(places))] * len(places)
    shape = (len(kb.genes), len(gene_sets))
    return sp.csr_array((np.array(values, np.float32), (rows, cols)), shape=shape)


def _sample(train: Rows, seed: int) -> tuple[Index, Float]:
    """Places of the cells to fit to, in order, and weights of mean 1 that restore the totals."""
    rng = np.random.default_rng([seed, 16])
    flat = np.flatnonzero(train.counted)
    changed = train.y.ravel()[flat] != 0
    chosen, weight = [], []
    for cells, most in ((flat[changed], N_CHANGED), (flat[~changed], N_UNCHANGED)):
        drawn = rng.choice(cells, most, replace=False) if len(cells) > most else cells
        chosen.append(drawn)
        weight.append(np.full(len(drawn), len(cells) / max(len(drawn), 1)))
    places, weights = np.concatenate(chosen), np.concatenate(weight)
    order = np.argsort(places)
    return places[order], (weights / weights.mean())[order] if len(places) else weights
