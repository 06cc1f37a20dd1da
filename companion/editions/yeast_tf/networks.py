"""Three signed networks of yeast's transcription factors, and gene names and sets to go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from companion.editions.parts import GeneNames, pairs_in

__all__ = [
    "evidence_pairs",
    "gene_names",
    "gold_standard",
    "slim_sets",
    "with_evidence",
    "with_mode",
    "with_sign",
]


def gene_names(path: Path) -> GeneNames:
    """Names of genes: systematic ones, then standard ones, then synonyms, the first hit wins.

    Parameters
    ----------
    path : Path
        Tab-separated, no header: systematic name, standard name (or nothing), then words of the
        description and synonyms without distinction.
    """
    rows = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    ids, standard = rows[0], rows[1]
    others = rows.iloc[:, 2:].set_axis(ids).stack()
    others = others[others != ""].str.lower()
    others = others[~others.duplicated()]
    tables = (
        dict(zip(ids.str.lower(), ids, strict=True)),
        dict(zip(standard[standard != ""].str.lower(), ids[standard != ""], strict=True)),
        dict(zip(others, others.index.get_level_values(0), strict=True)),
    )
    return GeneNames(tables, dict(zip(ids, standard.where(standard != "", ids), strict=True)))


def gold_standard(path: Path) -> pd.DataFrame:
    """Signed edges of a matrix of targets × regulators with -1, 0, 1."""
    matrix = pd.read_csv(path, sep="\t", index_col=0)
    target, source = np.nonzero(matrix.to_numpy())
    return pd.DataFrame(
        {
            "source": matrix.columns[source],
            "target": matrix.index[target],
            "sign": matrix.to_numpy()[target, source].astype(np.int8),
        }
    )


def evidence_pairs(path: Path, names: GeneNames) -> tuple[pd.DataFrame, list[str]]:
    """Pairs that YEASTRACT documents with one kind of evidence, and factors nobody knows.

    Parameters
    ----------
    path : Path
        Semicolons; regulators as proteins (``Gal4p``) × targets, 0 or 1.
    names : GeneNames
        To systematic names; targets without one are left out.
    """
    matrix = pd.read_csv(path, sep=";", index_col=0)
    given = [str(factor).removesuffix("p") for factor in matrix.index]
    factors, targets = ([names.resolve(str(n)) for n in part] for part in (given, matrix.columns))
    row, column = np.nonzero(matrix.to_numpy())
    pairs = pd.DataFrame(
        {"source": pd.Series(factors)[row].array, "target": pd.Series(targets)[column].array}
    )
    unknown = [name for name, gene in zip(given, factors, strict=True) if gene is None]
    return pairs.dropna().drop_duplicates(ignore_index=True), unknown


def with_sign(binding: pd.DataFrame, up: pd.DataFrame, down: pd.DataFrame) -> pd.DataFrame:
    """Bound pairs with the sign of their expression evidence; none where it says both or nothing.

    Examples
    --------
    >>> pairs = pd.DataFrame({"source": ["A", "A", "A"], "target": ["b", "c", "d"]})
    >>> with_sign(pairs, pairs[:2], pairs[1:2]).to_numpy().tolist()
    [['A', 'b', 1]]
    """
    sign = pairs_in(binding, up).astype(np.int8) - pairs_in(binding, down).astype(np.int8)
    return binding.assign(sign=sign)[sign != 0].reset_index(drop=True)


def with_mode(binding: pd.DataFrame, mode: pd.Series, signs: Mapping[str, int]) -> pd.DataFrame:
    """Bound pairs of factors that are known as activators or repressors, with that sign."""
    sign = binding["source"].map(mode).map(dict(signs))
    signed = binding.assign(sign=sign).dropna(subset="sign")
    return signed.astype({"sign": np.int8}).reset_index(drop=True)


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
    """Genes by GO slim term, terms that only say "some process" left out.

    Parameters
    ----------
    path : Path
        Tab-separated, no header: gene, name, SGD id, aspect (P, F, C), term, GO id, kind.
    aspects : iterable of str
        Aspects to keep.
    roots : iterable of str
        GO ids of the aspects themselves and of whatever is no term.

    Returns
    -------
    dict of str to list of str
        ``"GO:0006810 transport"`` -> sorted genes.
    """
    columns = ["gene", "name", "sgd", "aspect", "term", "go", "kind"]
    rows = pd.read_csv(path, sep="\t", names=columns, dtype=str, keep_default_na=False)
    kept = rows[rows["aspect"].isin(list(aspects)) & (rows["kind"] != "protein complex")]
    kept = kept[~kept["go"].isin(list(roots))]
    members = kept.groupby(kept["go"] + " " + kept["term"])["gene"]
    return {str(term): sorted(set(genes)) for term, genes in members}
