"""How well a gene is known (GO), and which pathways (KEGG) and iModulons (ICA) it is in."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pandas as pd

from companion.editions.parts import GeneNames

__all__ = ["go_counts", "imodulon_table", "kegg_sets"]

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


def imodulon_table(path: Path) -> pd.DataFrame:
    """Genes of every iModulon, by the thresholds that the decomposition's authors stored.

    An iModulon is an independent component of expression; a gene is in it where the size of its
    weight is above the component's own threshold (Sastry et al. 2019). A gene may be in several.

    Parameters
    ----------
    path : Path
        Gzipped JSON with ``M`` (weights, genes × components), ``thresholds``, and
        ``imodulon_table`` with the number of genes of each component, ``n_genes``.

    Returns
    -------
    DataFrame
        ``imodulon, gene``, a row per membership, in the file's order.

    Raises
    ------
    ValueError
        Some component does not come out with the number of genes that the file gives.
    """
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        parts = json.load(stream)
    weights = pd.DataFrame(json.loads(parts["M"])).astype(float)
    inside = weights.abs() > pd.Series(parts["thresholds"], dtype=float)[weights.columns]
    given = pd.DataFrame(json.loads(parts["imodulon_table"]))["n_genes"].astype(int)
    wrong = inside.columns[inside.sum() != given.reindex(inside.columns)]
    if len(wrong):
        raise ValueError(
            f"iModulon {wrong[0]!r} in {path.name} has {inside[wrong[0]].sum()} genes above its "
            f"threshold, not the n_genes of its table; fetch the registered file again."
        )
    column, gene = inside.to_numpy().T.nonzero()
    members = {"imodulon": inside.columns[column], "gene": inside.index[gene]}
    return pd.DataFrame(members, dtype=str)


def _b_number(given: str, names: GeneNames) -> str | None:
    parts = given.split("|")
    own = [part for part in parts if _B_NUMBER.fullmatch(part)]
    resolved = own or [gene for gene in map(names.resolve, parts) if gene is not None]
    return resolved[0] if resolved else None
