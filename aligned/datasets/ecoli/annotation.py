"""How well a gene is known (GO), and which pathways it is in (KEGG)."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from aligned.datasets.ecoli.names import GeneNames

__all__ = ["go_counts", "kegg_sets"]

_B_NUMBER = re.compile(r"b\d{4}")


def go_counts(path: Path, names: GeneNames, genes: pd.Index) -> pd.DataFrame:
    """Count the GO annotations of every gene.

    Parameters
    ----------
    path : Path
        CSV with ``gene_id`` (one or several names joined by ``|``) and ``gene_ontology``; one row
        per annotation and evidence.
    names : GeneNames
        For rows that give no b-number.
    genes : Index
        Genes to list even if nothing is known about them.

    Returns
    -------
    DataFrame
        ``n_annotations`` (rows) and ``n_unique_terms`` (different terms), indexed by b-number.
    """
    rows = pd.read_csv(path)
    ids = {given: _b_number(given, names) for given in rows["gene_id"].unique()}
    found = rows.assign(gene=rows["gene_id"].map(ids)).dropna(subset="gene")
    terms = found.groupby("gene")["gene_ontology"]
    counts = pd.DataFrame({"n_annotations": terms.size(), "n_unique_terms": terms.nunique()})
    every = counts.index.union(genes)
    return counts.reindex(every, fill_value=0).rename_axis("gene")


def kegg_sets(path: Path, titles: pd.DataFrame) -> dict[str, list[str]]:
    """Genes of the listed KEGG pathways.

    Parameters
    ----------
    path : Path
        CSV with ``gene_id``, ``database`` and ``kegg_id``.
    titles : DataFrame
        Columns ``pathway`` (map number) and ``title``; pathways not listed are left out.

    Returns
    -------
    dict of str to list of str
        ``"map00010 Glycolysis / Gluconeogenesis"`` -> sorted b-numbers.
    """
    rows = pd.read_csv(path)
    rows = rows[rows["database"] == "KEGG_pathway"]
    members = rows.groupby("kegg_id")["gene_id"].agg(lambda ids: sorted(set(ids)))
    return {
        f"{row.pathway} {row.title}": members[row.pathway] for row in titles.itertuples(index=False)
    }


def _b_number(given: str, names: GeneNames) -> str | None:
    parts = given.split("|")
    own = [part for part in parts if _B_NUMBER.fullmatch(part)]
    resolved = own or [gene for gene in map(names.resolve, parts) if gene is not None]
    return resolved[0] if resolved else None
