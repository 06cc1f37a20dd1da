"""The knowledge base: a signed gene regulatory network and what follows from it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from aligned.knowledge.agreement import agreement_counts
from aligned.knowledge.closure import Closure, Rule, boolean_closure, majority_closure
from aligned.knowledge.explain import as_frame, walks_to
from aligned.knowledge.inputs import as_input, encoded_row, gene_id
from aligned.knowledge.noise import corrupted_edges, split_edges
from aligned.knowledge.tables import STATES, merge_edges, read_edges

__all__ = ["Deduction", "KnowledgeBase"]

Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]


#: Closures that a network remembers, the last used ones: one of human size takes 90 MB.
CLOSURES_KEPT = 4


@dataclass(frozen=True)
class Deduction:
    """What the network says about each condition: three arrays of shape (b, n).

    Attributes
    ----------
    delta : ndarray of int8
        Deduced response in {-1, 0, 1}.
    reached : ndarray of bool
        Some path leads from a perturbed gene to this gene.
    ambiguous : ndarray of bool
        Reached, yet deduced 0, because signs contradict each other.
    """

    delta: Int8
    reached: Bool

    @property
    def ambiguous(self) -> Bool:
        return self.reached & (self.delta == 0)


class KnowledgeBase:
    """A signed gene regulatory network (GRN), rows = regulators, columns = genes.

    Build one with `from_edges`; an instance is never changed, edits return a new one.

    Attributes
    ----------
    genes : tuple of str
        All n genes, in column order.
    regulators : tuple of str
        The r genes that may have targets, in the order of ``genes``.
    regulator_index : ndarray of int, shape (r,)
        Column of each regulator.
    state : scipy.sparse.csr_array of int8, shape (r, n)
        What each pair is (`STATES`), self-loops left out.
    r_pos, r_neg : scipy.sparse.csr_array of bool, shape (r, n)
        Activations and inhibitions in it: the matrices of the method.
    names : dict
        Gene id -> the name people use.
    report : dict of str to int
        What was noticed on reading: repeated rows, dropped rows, self-loops, dual pairs.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "sign": [1, -1]})
    >>> kb = KnowledgeBase.from_edges(edges)
    >>> kb.regulators, kb.n_edges
    (('a', 'b'), 2)
    >>> kb.deduce([[-1, 0, 0]], k=2)
    array([[-1, -1,  1]], dtype=int8)
    """

    def __init__(
        self,
        edges: pd.DataFrame,
        genes: Sequence[str],
        regulators: Sequence[str],
        names: Mapping[str, str],
        report: Mapping[str, int],
    ) -> None:
        self.genes = tuple(genes)
        self.index = pd.Index(self.genes)
        self.regulators = tuple(regulators)
        self.names = dict(names)
        self.report = dict(report)
        self._edges = edges.reset_index(drop=True)
        self.regulator_index: npt.NDArray[np.intp] = self.index.get_indexer(
            list(regulators)
        ).astype(np.intp)
        self._rows = pd.Index(self.regulators)
        self.state = self._state()
        self.r_pos, self.r_neg = _holding(self.state, 1), _holding(self.state, 2)
        self._closures: dict[Rule, Closure] = {}

    # ------------------------------------------------------------------ reading and writing

    @classmethod
    def from_edges(
        cls,
        frame: pd.DataFrame,
        genes: Iterable[str] | None = None,
        unknown: str = "error",
        *,
        names: Mapping[str, str] | None = None,
        regulators: Iterable[str] | None = None,
    ) -> KnowledgeBase:
        """Build a knowledge base from a long table of edges.

        Parameters
        ----------
        frame : DataFrame
            Columns ``source``, ``target``, ``sign`` (+1 activates, -1 inhibits; or ``weight``,
            whose sign is taken) and optionally ``evidence``. Dual regulation = two rows.
        genes : iterable of str, optional
            All genes, in the order wanted. Default: the regulators, then the other targets, each
            in order of first appearance.
        unknown : {"error", "drop"}
            What to do with an edge that names a gene outside ``genes``.
        names : mapping, optional
            Gene id -> name; names are then accepted wherever a gene is typed.
        regulators : iterable of str, optional
            Genes that keep a row even without an edge, besides all sources.

        Raises
        ------
        ValueError
            A column is missing, a sign is not ±1, a gene is unknown, an edge is listed twice
            with different evidence.

        Warns
        -----
        UserWarning
            Rows were repeated word for word (kept once) or dropped as unknown.

        Examples
        --------
        >>> import pandas as pd
        >>> net = pd.DataFrame({"source": ["crp"], "target": ["lacZ"], "weight": [1.0]})
        >>> KnowledgeBase.from_edges(net).to_edges()[["source", "target", "sign"]].values.tolist()
        [['crp', 'lacZ', 1]]
        """
        edges, known, report = read_edges(frame, genes, unknown)
        for what, count in report.items():
            if count and what in ("repeated rows", "rows with unknown genes dropped"):
                warnings.warn(f"Network table: {count} {what}.", stacklevel=2)
        sources = set(edges["source"]) | set(() if regulators is None else map(str, regulators))
        missing = sources.difference(known)
        if missing:
            raise ValueError(
                f"regulator {sorted(missing)[0]!r} is not among the {len(known)} genes; "
                "add it to `genes` or leave it out of `regulators`."
            )
        return cls(
            edges,
            known,
            [g for g in known if g in sources],
            dict(() if names is None else names),
            report,
        )

    def to_edges(self) -> pd.DataFrame:
        """All edges as a table ``source, target, sign, evidence``, self-loops included."""
        return self._edges.copy()

    def with_state(self, state: Any, evidence: str = "refined") -> KnowledgeBase:
        """Return a copy with these edges; kept edges keep their evidence.

        Parameters
        ----------
        state : array of int, shape (r, n), dense or sparse
            What each pair is, as in ``state``. Self-loops in it are ignored, those of the table
            stay.
        evidence : str
            Evidence written beside edges that are new.
        """
        if state.shape != self.state.shape:
            raise ValueError(
                f"the states have shape {state.shape}; give {self.state.shape}, one row per "
                "regulator and one column per gene."
            )
        pairs = sp.coo_array(state)
        row, col = pairs.coords
        places = [
            (self._rows.to_numpy()[row[held]], self.index.to_numpy()[col[held]], sign)
            for sign, held in ((1, pairs.data & 1 > 0), (-1, pairs.data & 2 > 0))
        ]
        return self._with_edges(merge_edges(self._edges, places, evidence))

    def pairs(self) -> pd.Series:
        """State of every pair with an edge, by source and target, as a word of `STATES`."""
        held = sp.coo_array(self.state)
        keys = [self._rows[held.coords[0]], self.index[held.coords[1]]]
        index = pd.MultiIndex.from_arrays(keys, names=["source", "target"])
        return pd.Series(np.array(STATES, dtype=object)[held.data], index, dtype=object)

    def changes_to(self, other: KnowledgeBase) -> pd.DataFrame:
        """Pairs whose state differs in another network: ``source, target, before, after``.

        States are ``"0"`` (no edge), ``"+"``, ``"-"`` and ``"+-"`` (dual).

        Examples
        --------
        >>> import pandas as pd
        >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
        >>> one, two = (KnowledgeBase.from_edges(f, genes="abc") for f in (net, net[:1]))
        >>> one.changes_to(two).values.tolist()
        [['a', 'c', '-', '0']]
        """
        both = pd.concat({"before": self.pairs(), "after": other.pairs()}, axis=1).fillna("0")
        return both[both["before"] != both["after"]].sort_index().reset_index()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KnowledgeBase):
            return NotImplemented
        key = ["source", "target", "sign"]
        return (
            self.genes == other.genes
            and self.regulators == other.regulators
            and set(self._edges[key].itertuples(index=False, name=None))
            == set(other._edges[key].itertuples(index=False, name=None))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"KnowledgeBase({len(self.genes)} genes, {len(self.regulators)} regulators, "
            f"{self.n_edges} signed edges on {self.n_pairs} pairs)"
        )

    @property
    def n_edges(self) -> int:
        """Number of signed edges; a dual pair counts twice, a self-loop once per sign."""
        return len(self._edges)

    @property
    def n_pairs(self) -> int:
        """Number of (regulator, target) pairs with an edge of either sign."""
        return len(self._edges[["source", "target"]].drop_duplicates())

    def gene_id(self, gene: str) -> str:
        """Return the id of a gene given by id or by name (ids win, names ignore case)."""
        return gene_id(gene, self.index, self.names)

    # ------------------------------------------------------------------------- deduction

    def closure(self, k: int | Rule = 5, rule: str = "boolean") -> Closure:
        """Effects along paths of length 1..k (the paper's Eq. 1, or a damped majority).

        Parameters
        ----------
        k : int or Rule
            Longest path, or all settings at once.
        rule : {"boolean", "majority"}
            See `aligned.knowledge.RULES`.

        Returns
        -------
        Closure
            ``positive``, ``negative`` (bool) and ``signed`` (int8), each (r, n).

        Examples
        --------
        >>> import pandas as pd
        >>> chain = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "sign": [-1, -1]})
        >>> KnowledgeBase.from_edges(chain).closure(k=2).signed
        array([[ 0, -1,  1],
               [ 0,  0, -1]], dtype=int8)
        """
        asked = Rule.of(k, rule)
        if asked.rule == "boolean":
            asked = Rule(asked.k)
        found = self._closures.pop(asked, None)
        if found is None:
            args = (self.r_pos, self.r_neg, self.regulator_index, asked.k)
            found = (
                boolean_closure(*args)
                if asked.rule == "boolean"
                else majority_closure(*args, asked.alpha, asked.margin)
            )
        self._closures[asked] = found  # the last used stands last
        while len(self._closures) > CLOSURES_KEPT:
            del self._closures[next(iter(self._closures))]
        return found

    def deduction(self, x: object, k: int | Rule = 5, rule: str = "boolean") -> Deduction:
        """Deduce responses and keep apart what is ambiguous from what is not reached.

        ``δ(x) = clip((R+(k) - R-(k))^T x, -1, 1)``, and a perturbed gene moves in its own
        direction. Parameters as for `deduce`.
        """
        inputs = self.check_x(x)
        closure = self.closure(k, rule)
        at_regulators = inputs[:, self.regulator_index]
        used = np.unique(at_regulators.indices)
        weights = at_regulators[:, used].astype(np.int16)
        total = weights @ closure.signed[used].astype(np.int16)
        delta = np.clip(total, -1, 1).astype(np.int8)
        reached = (abs(weights) @ closure.reached[used].astype(np.int16)) > 0
        row, col = inputs.nonzero()
        delta[row, col] = inputs.data
        reached[row, col] = True
        return Deduction(delta, reached)

    def deduce(self, x: object, k: int | Rule = 5, rule: str = "boolean") -> Int8:
        """Deduced responses ``δ(x)`` of all genes.

        Parameters
        ----------
        x : array or sparse matrix, shape (b, n)
            Perturbations in {-1, 0, 1}, columns as ``genes``.
        k, rule
            As in `closure`.

        Returns
        -------
        ndarray of int8, shape (b, n)

        Raises
        ------
        ValueError
            ``x`` has another number of columns or entries outside {-1, 0, 1}.
        """
        return self.deduction(x, k, rule).delta

    def check_x(self, x: object) -> sp.csr_array:
        """Perturbations as a sparse int8 array of shape (b, n), or ``ValueError``."""
        return as_input(x, len(self.genes))

    def encode(self, perturbation: Mapping[str, int]) -> sp.csr_array:
        """One perturbation given by gene (id or name) as a sparse row of int8, shape (1, n)."""
        ids = [self.gene_id(gene) for gene in perturbation]
        return encoded_row(perturbation, self.index.get_indexer(ids), len(self.genes))

    def explain(
        self, perturbation: Mapping[str, int], gene: str, k: int | Rule = 5, limit: int = 10
    ) -> pd.DataFrame:
        """Name the signed regulatory paths behind a deduction, shortest first.

        Parameters
        ----------
        perturbation : mapping
            Gene (id or name) -> -1 or +1.
        gene : str
            The gene to be explained, id or name.
        k : int or Rule
            Longest path.
        limit : int
            At most this many paths.

        Returns
        -------
        DataFrame
            ``sign`` (effect of this path on the gene), ``length``, ``path``, ``evidence``.
            Length 0: the gene itself is perturbed, and no path can overrule that.

        Examples
        --------
        >>> import pandas as pd
        >>> edges = pd.DataFrame({"source": ["fnr"], "target": ["narG"], "sign": [1]})
        >>> KnowledgeBase.from_edges(edges).explain({"fnr": -1}, "narG").values.tolist()
        [[-1, 1, 'fnr- → narG', '']]
        """
        longest = Rule.of(k).k
        self.encode(perturbation)
        start = {self.gene_id(g): int(s) for g, s in perturbation.items()}
        target = self.gene_id(gene)
        if target in start:
            label = self.names.get(target, target) + ("+" if start[target] > 0 else "-")
            own = {
                "sign": start[target],
                "length": 0,
                "path": label,
                "evidence": "perturbed itself",
            }
            return as_frame([own])
        rows = islice(walks_to(self._adjacency(), start, target, longest, self.names), limit)
        return as_frame(list(rows))

    def _adjacency(self) -> dict[str, dict[str, dict[int, str]]]:
        edges: dict[str, dict[str, dict[int, str]]] = {}
        loops = self._edges["source"] == self._edges["target"]
        for s, t, sign, evidence in self._edges[~loops].itertuples(index=False, name=None):
            edges.setdefault(s, {}).setdefault(t, {})[int(sign)] = str(evidence)
        return edges

    # --------------------------------------------------------------- agreement with data

    def inconsistency(
        self,
        x: object,
        y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        genes: Sequence[str] | None = None,
        k: int | Rule = 5,
        rule: str = "boolean",
    ) -> pd.DataFrame:
        """Count where measured responses and the network agree and where they do not (Fig. 1).

        Parameters
        ----------
        x : array or sparse, shape (b, n)
            Perturbations.
        y : array of int, shape (b, m)
            Measured responses in {-1, 0, 1}.
        observed : array of bool, shape (b, m), optional
            Cells to count. A perturbed gene's own cell never counts.
        genes : sequence of str, optional
            The m columns of ``y``; default all genes.
        k, rule
            As in `closure`.

        Returns
        -------
        DataFrame
            One row per condition: ``consistent``, ``conflicting``, ``not_reached``, ``ambiguous``
            (these four share the cells with y ≠ 0; the last two are *absent*), ``unsupported``
            (y = 0, δ ≠ 0) and ``inc = ‖δ - y‖_0``.
        """
        said = self.deduction(x, k, rule)
        columns = self.columns(genes)
        counted = self.scored_cells(x, genes, observed)
        return agreement_counts(said.delta[:, columns], said.reached[:, columns], y, counted)

    def columns(self, genes: Sequence[str] | None = None) -> npt.NDArray[np.intp]:
        """Column of each of these genes (ids); ``ValueError`` names one that is unknown."""
        if genes is None:
            return np.arange(len(self.genes))
        position = self.index.get_indexer(pd.Index(genes)).astype(np.intp)
        if (position < 0).any():
            lost = list(genes)[int(np.flatnonzero(position < 0)[0])]
            raise ValueError(
                f"gene {lost!r} is measured but not in the network's gene list; build the network "
                "with `genes` that contain every measured gene."
            )
        return position

    def scored_cells(
        self, x: object, genes: Sequence[str] | None = None, observed: npt.ArrayLike | None = None
    ) -> Bool:
        """Cells that may be counted, bool (b, m): observed, and not a perturbed gene's own."""
        touched = self.check_x(x)[:, self.columns(genes)].toarray() != 0
        if observed is None:
            return ~touched
        seen = np.asarray(observed, dtype=bool)
        if seen.shape != touched.shape:
            raise ValueError(
                f"`observed` has shape {seen.shape}, the responses have {touched.shape}; "
                "give one truth value per condition and measured gene."
            )
        return seen & ~touched

    # -------------------------------------------------------------------- making it worse

    def corrupt(self, noise: float = 0.4, seed: int = 0) -> KnowledgeBase:
        """Corrupt the network by the paper's noise protocol (Fig. 4), on pairs.

        A share ``noise/2`` of the pairs is removed; ``noise/4`` activations and ``noise/4``
        inhibitions are added at places that were empty, drawn uniformly. Genes and regulator rows
        stay, also rows that run empty; self-loops are left alone.

        Raises
        ------
        ValueError
            ``noise`` is outside [0, 1] or there is no room for the added edges.
        """
        return self._with_edges(corrupted_edges(self, noise, seed))

    def hold_out(
        self, share: float = 0.2, seed: int = 0, order: Sequence[str] | None = None
    ) -> tuple[KnowledgeBase, pd.DataFrame]:
        """Hide a share of the regulatory pairs.

        With ``order`` (gene ids as they lie on the genome) whole *runs* are hidden, that is all
        neighbours there with one regulator, until the share is reached: a hidden pair cannot be
        guessed from the next gene of its operon.

        Returns
        -------
        (KnowledgeBase, DataFrame)
            The visible network (same genes, same regulator rows) and the hidden edges as a table
            like `to_edges`.
        """
        visible, hidden = split_edges(self, share, seed, order)
        return self._with_edges(visible), hidden

    def _with_edges(self, edges: pd.DataFrame) -> KnowledgeBase:
        return KnowledgeBase(edges, self.genes, self.regulators, self.names, self.report)

    def _state(self) -> sp.csr_array:
        mine = self._edges[self._edges["source"] != self._edges["target"]]
        row, col = self._rows.get_indexer(mine["source"]), self.index.get_indexer(mine["target"])
        bit = np.where(mine["sign"] > 0, np.int8(1), np.int8(2))
        return sp.csr_array((bit, (row, col)), shape=(len(self.regulators), len(self.genes)))


def _holding(state: sp.csr_array, bit: int) -> sp.csr_array:
    """Pairs whose state holds this bit, as a truth table."""
    held = sp.csr_array((state.data & bit > 0, state.indices, state.indptr), state.shape, copy=True)
    held.eliminate_zeros()
    return held
