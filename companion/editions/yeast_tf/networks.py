"""Signed networks of yeast's transcription factors; gene names and GO slim sets to go with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from companion.editions.parts import GeneNames, pairs_in

__all__ = [
    *("documented_pairs", "gene_names", "gold_standard", "slim_sets", "with_evidence", "with_sign"),
]


def gene_names(path: Path) -> GeneNames:
    """Names of genes: systematic ones, then standard ones, then synonyms; the first hit wins.

    The table has no header: systematic name, standard name (or nothing), then the words of the
    description and the synonyms, which cannot be told apart.
    """
    rows = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    orders = (table.to_numpy() for table in (rows[[0, 0]], rows[[0, 1]], rows.drop(columns=1)))
    tables = tuple(
        {name.lower(): gene for gene, *known in lines[::-1] for name in known[::-1] if name}
        for lines in orders
    )
    return GeneNames(tables, {gene: name or gene for gene, name in rows[[0, 1]].to_numpy()})


def gold_standard(path: Path) -> pd.DataFrame:
    """Signed edges of a matrix of targets × regulators with -1, 0 and 1."""
    matrix = pd.read_csv(path, sep="\t", index_col=0).rename_axis(index="target", columns="source")
    cells = matrix.stack().reset_index(name="sign")
    return with_sign(cells[["source", "target"]], cells["sign"])


def documented_pairs(path: Path, names: GeneNames) -> tuple[pd.DataFrame, list[str]]:
    """Pairs for which YEASTRACT has one kind of evidence, and its factors that have no gene id.

    The table, separated by semicolons, has regulators as proteins (``Gal4p``) × targets, 0 or 1.
    Targets without an id are left out.
    """
    matrix = pd.read_csv(path, sep=";", index_col=0)
    given = [str(factor).removesuffix("p") for factor in matrix.index]
    sources, targets = (list(map(names.resolve, part)) for part in (given, matrix.columns))
    row, column = np.nonzero(matrix.to_numpy())
    pairs = pd.DataFrame({"source": np.array(sources)[row], "target": np.array(targets)[column]})
    unknown = [name for name, gene in zip(given, sources, strict=True) if gene is None]
    return pairs.dropna().drop_duplicates(ignore_index=True), unknown


def with_sign(pairs: pd.DataFrame, sign: npt.ArrayLike | pd.Series) -> pd.DataFrame:
    """Pairs with their sign; those whose sign is 0 or missing are left out.

    Examples
    --------
    >>> pairs = pd.DataFrame({"source": ["A", "A", "B"], "target": ["b", "c", "d"]})
    >>> with_sign(pairs, [-1, 0, None]).to_numpy().tolist()
    [['A', 'b', -1]]
    """
    signed = pairs.assign(sign=pd.Series(sign, dtype=float).fillna(0).astype(np.int8).array)
    return signed[signed["sign"] != 0].reset_index(drop=True)


def with_evidence(edges: pd.DataFrame, sources: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Write beside every edge which sources have its pair, joined by ``; ``.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["A", "A"], "target": ["b", "c"], "sign": [1, 1]})
    >>> with_evidence(edges, {"one": edges, "two": edges[1:]})["evidence"].tolist()
    ['one', 'one; two']
    """
    has = np.column_stack([pairs_in(edges, pairs) for pairs in sources.values()])
    named = np.array(list(sources), dtype=object)
    return edges.assign(evidence=["; ".join(named[row]) for row in has])


def slim_sets(path: Path, aspects: Iterable[str], roots: Iterable[str]) -> dict[str, list[str]]:
    """Sorted genes by GO slim term (``"GO:0006810 transport"``), the named roots left out.

    The table has no header: gene, name, SGD id, aspect (P, F, C), term, GO id, kind of gene.
    """
    columns = ["gene", "name", "sgd", "aspect", "term", "go", "kind"]
    rows = pd.read_csv(path, sep="\t", names=columns, dtype=str, keep_default_na=False)
    rows = rows[rows["aspect"].isin(list(aspects)) & (rows["kind"] != "protein complex")]
    rows = rows[~rows["go"].isin(list(roots))]
    members = rows.groupby(rows["go"] + " " + rows["term"])["gene"]
    return {str(term): sorted(set(genes)) for term, genes in members}
