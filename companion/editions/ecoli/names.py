"""Gene names to b-numbers: four tables, asked in order, the first that knows the name wins."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from companion.editions.parts import GeneNames

__all__ = ["gene_names", "read_gff"]

_GFF_KEYS = ("gene", "gene_synonym", "locus_tag")


def gene_names(gene_info: pd.DataFrame, gff: pd.DataFrame, aliases: pd.DataFrame) -> GeneNames:
    """Tables of names, in the order of the recipe.

    Names of ``gene_info``, then its synonyms, then the genome annotation (``gene``,
    ``gene_synonym``, ``locus_tag``), then ``aliases``.

    Parameters
    ----------
    gene_info : DataFrame
        Columns ``locus_tag``, ``gene_name``, ``synonyms`` (joined by ``;``).
    gff : DataFrame
        From `read_gff`.
    aliases : DataFrame
        Columns ``name``, ``locus_tag``.

    Examples
    --------
    >>> info = pd.DataFrame({"locus_tag": ["b2"], "gene_name": ["thrA"], "synonyms": ["thrA;tA"]})
    >>> gff = pd.DataFrame({"locus_tag": ["b9"], "gene": ["rnpB"], "gene_synonym": [""]})
    >>> names = gene_names(info, gff, pd.DataFrame({"name": [], "locus_tag": []}))
    >>> names.resolve("TA"), names.resolve("b9"), names.resolve("unheard-of"), names.display["b9"]
    ('b2', 'b9', None, 'rnpB')
    """
    tags = gene_info["locus_tag"]
    by_gff = [_first_wins(gff[key], gff["locus_tag"], separator=",") for key in _GFF_KEYS]
    tables = (
        _first_wins(gene_info["gene_name"], tags),
        _first_wins(gene_info["synonyms"], tags, separator=";"),
        *by_gff,
        _first_wins(aliases["name"], aliases["locus_tag"]),
    )
    display: dict[str, str] = {}
    for names, ids in (
        (gene_info["gene_name"], tags),
        (gff["gene"], gff["locus_tag"]),
        (aliases["name"], aliases["locus_tag"]),
    ):
        for name, gene in zip(names, ids, strict=True):
            if isinstance(name, str) and name:
                display.setdefault(gene, name)
    return GeneNames(tables, display)


def read_gff(path: Path) -> pd.DataFrame:
    """Features of a GFF3 file that carry a locus tag.

    Returns
    -------
    DataFrame
        Columns ``gene``, ``gene_synonym`` (joined by ``,``), ``locus_tag``, in the file's order.
    """
    rows = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if line.startswith("#") or len(cells) < 9:
                continue
            pairs = (part.partition("=") for part in cells[8].split(";"))
            tags = {key: unquote(value) for key, _, value in pairs}
            if "locus_tag" in tags:
                rows.append([tags.get(key, "") for key in _GFF_KEYS])
    return pd.DataFrame(rows, columns=list(_GFF_KEYS))


def _first_wins(
    names: Iterable[object], ids: Iterable[str], separator: str | None = None
) -> dict[str, str]:
    table: dict[str, str] = {}
    for cell, gene in zip(names, ids, strict=True):
        if not isinstance(cell, str):
            continue
        for name in cell.split(separator) if separator else [cell]:
            key = name.strip().lower()
            if key:
                table.setdefault(key, gene)
    return table
