"""What several recipes need: names of genes, inputs, counts, and networks side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
import yaml
from anndata import AnnData

from aligned._assets import asset
from aligned.knowledge import KnowledgeBase

__all__ = [
    "GeneNames",
    "choose",
    "counts",
    "inputs",
    "overlap",
    "pairs_in",
    "recipe_of",
    "set_counts",
    "share",
]


@dataclass(frozen=True)
class GeneNames:
    """Names of genes, in both directions.

    Attributes
    ----------
    tables : tuple of dict
        Lower-case name -> gene id, in the order in which they are asked.
    display : dict
        Gene id -> the name to show.
    """

    tables: tuple[Mapping[str, str], ...]
    display: Mapping[str, str]

    def resolve(self, name: str) -> str | None:
        """Gene id of a name, regardless of case; None if no table knows it."""
        key = name.strip().lower()
        return next((table[key] for table in self.tables if key in table), None)


def recipe_of(edition: str) -> dict[str, Any]:
    """The page ``data/<edition>/recipe.yaml``.

    Examples
    --------
    >>> recipe_of("human_tf")["species"]
    'HUMAN'
    """
    text = asset(f"data/{edition}/recipe.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def choose(name: str, value: str | None, choices: Iterable[str], default: str = "") -> str:
    """Value of an option; for None the default, or the first choice.

    Raises
    ------
    ValueError
        It is none of the choices.

    Examples
    --------
    >>> choose("network", None, ["gold", "silver"])
    'gold'
    >>> choose("network", "brass", ["gold", "silver"])
    Traceback (most recent call last):
    ...
    ValueError: network='brass' is not a choice; use one of gold, silver.
    """
    known = list(choices)
    chosen = (default or known[0]) if value is None else value
    if chosen not in known:
        raise ValueError(f"{name}={value!r} is not a choice; use one of {', '.join(known)}.")
    return chosen


def inputs(perturbed: Sequence[Mapping[str, int]], genes: Sequence[str]) -> sp.csr_matrix:
    """Inputs of conditions, each given by its perturbed genes and their directions.

    Examples
    --------
    >>> inputs([{"a": -1}, {"b": 1, "a": 1}], ["a", "b"]).toarray().tolist()
    [[-1, 0], [1, 1]]
    """
    place = {gene: i for i, gene in enumerate(genes)}
    cells = [(i, place[g], sign) for i, row in enumerate(perturbed) for g, sign in row.items()]
    row, col, value = (np.array(part) for part in zip(*cells, strict=True))
    shape = (len(perturbed), len(genes))
    return sp.csr_matrix((value.astype(np.int8), (row, col)), shape=shape)


def counts(values: Iterable[Any]) -> dict[str, int]:
    """How often each value comes, the most frequent first.

    Examples
    --------
    >>> counts(["ko", "oe", "oe"])
    {'oe': 2, 'ko': 1}
    """
    return {str(value): int(count) for value, count in Counter(values).most_common()}


def set_counts(sets: Mapping[str, Iterable[str]], genes: Iterable[str]) -> pd.Series:
    """In how many sets each gene is; 0 for genes in none.

    Examples
    --------
    >>> set_counts({"one": ["a", "b"], "two": ["a", "a"]}, ["a", "b", "c"]).tolist()
    [2, 1, 0]
    """
    times = Counter(gene for members in sets.values() for gene in set(members))
    named = list(genes)
    return pd.Series([times[gene] for gene in named], index=named, dtype=np.int64)


def pairs_in(edges: pd.DataFrame, others: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each edge's pair, whatever its sign, has an edge in another table.

    Examples
    --------
    >>> one = pd.DataFrame({"source": ["A", "A"], "target": ["b", "c"]})
    >>> pairs_in(one, one.tail(1)).tolist()
    [False, True]
    """
    keys = (pd.MultiIndex.from_frame(table[["source", "target"]]) for table in (edges, others))
    return np.asarray(next(keys).isin(next(keys)))


def share(what: npt.ArrayLike, among: npt.ArrayLike) -> float:
    """Share of true cells among some, to four digits; 0 where there are none.

    Examples
    --------
    >>> share([True, False, True], [True, True, False])
    0.5
    """
    chosen = np.asarray(what)[np.asarray(among)]
    return round(float(chosen.mean()), 4) if chosen.size else 0.0


def overlap(
    first: pd.DataFrame, other: pd.DataFrame, kb: KnowledgeBase, data: AnnData
) -> dict[str, Any]:
    """How much of the other network the first one has, and how much of the rest can be found.

    Parameters
    ----------
    first, other : DataFrame
        Signed edges of the two networks: ``source``, ``target``, ``sign``.
    kb : KnowledgeBase
        What is used of the first.
    data : AnnData
        The data.

    Returns
    -------
    dict
        ``testable``: pairs that ``kb`` lacks and the other network has, between a perturbed
        regulator and another measured gene: the only ones that refinement could find.
    """
    states = [t.groupby(["source", "target"])["sign"].sum() for t in (first, other)]
    both = pd.concat(states, axis=1, join="inner")
    rest = other[~pairs_in(other, kb.to_edges())].drop_duplicates(["source", "target"])
    perturbed = set(data.uns["genes"][np.unique(data.obsm["perturbation"].indices)])
    testable = (
        rest["source"].isin(perturbed.intersection(kb.regulators))
        & rest["target"].isin(data.var_names)
        & (rest["source"] != rest["target"])
    )
    return {
        "pairs": len(both),
        "share_of_other": round(len(both) / len(states[1]), 4),
        "share_same_sign": round(float((both.iloc[:, 0] == both.iloc[:, 1]).mean()), 4),
        "only_in_other": len(rest),
        "testable": int(testable.sum()),
    }
