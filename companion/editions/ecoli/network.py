"""Two regulatory networks of E. coli as tables of signed edges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from companion.editions.parts import GeneNames

__all__ = ["NetworkTable", "ecocyc_network", "trn_network"]

_SIGNS = {"+": (1,), "-": (-1,), "+/-": (1, -1)}
_TARGET = re.compile(r"(\+/-|\+|-)?(.*?)\*?$")


@dataclass(frozen=True)
class NetworkTable:
    """Edges of a network, and what could not become one.

    Attributes
    ----------
    edges : DataFrame
        ``source``, ``target``, ``sign`` (+1, -1), ``evidence``; dual regulation = two rows,
        self-loops included.
    unknown : tuple of str
        Names that stand for no gene, sorted; their edges are left out.
    unsigned : tuple of str
        Edges without a sign, as ``regulator → target``; left out.
    """

    edges: pd.DataFrame
    unknown: tuple[str, ...]
    unsigned: tuple[str, ...]


def ecocyc_network(path: Path, names: GeneNames, evidence: str) -> NetworkTable:
    """Read EcoCyc's export of its regulatory network.

    A regulator stands alone on its line; below it, indented, its targets, each with ``+``, ``-`` or
    ``+/-`` before the name. ``*`` after a name marks regulators and means nothing here.

    Parameters
    ----------
    path : Path
        The export.
    names : GeneNames
        To b-numbers.
    evidence : str
        Written beside every edge.
    """
    edges, unknown, unsigned = [], set(), []
    for regulator, sign, target in _read_export(path):
        if not sign:
            unsigned.append(f"{regulator} → {target}")
            continue
        source_id, target_id = names.resolve(regulator), names.resolve(target)
        unknown |= {n for n, i in ((regulator, source_id), (target, target_id)) if i is None}
        if source_id and target_id:
            edges += [(source_id, target_id, value, evidence) for value in _SIGNS[sign]]
    return NetworkTable(_table(edges), tuple(sorted(unknown)), tuple(unsigned))


def trn_network(
    path: Path, names: GeneNames, complexes: Mapping[str, Sequence[str]], evidence: str
) -> NetworkTable:
    """Read PRECISE-1K's table of regulation (RegulonDB and others), signed rows only.

    Parameters
    ----------
    path : Path
        CSV with ``regulator`` (a protein, RNA or complex), ``gene_id``, ``effect``, ``source``.
    names : GeneNames
        To b-numbers.
    complexes : mapping
        Complex -> names of its subunits' genes, each of which gets the edge.
    evidence : str
        Written beside every edge, before the row's own source.
    """
    table = pd.read_csv(path)
    signed = table["effect"].isin(["+", "-"])
    unsigned = [f"{r} → {g}" for r, g in table.loc[~signed, ["regulator", "gene_id"]].to_numpy()]
    genes = {r: _members(r, names, complexes) for r in table.loc[signed, "regulator"].unique()}
    unknown = sorted(r for r, members in genes.items() if not members)
    edges = [
        (gene, row.gene_id, _SIGNS[row.effect][0], f"{evidence}: {row.source}")
        for row in table[signed].itertuples()
        for gene in genes[row.regulator]
    ]
    return NetworkTable(_table(edges), tuple(unknown), tuple(unsigned))


def _read_export(path: Path) -> Iterator[tuple[str, str, str]]:
    regulator = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            regulator = line.strip().removesuffix("*")
            continue
        for item in re.split(r"\s{2,}", line.strip()):
            match = _TARGET.match(item)
            if match:
                yield regulator, match.group(1) or "", match.group(2)


def _members(regulator: str, names: GeneNames, complexes: Mapping[str, Sequence[str]]) -> list[str]:
    resolved = [names.resolve(name) for name in complexes.get(regulator, [regulator])]
    return [gene for gene in resolved if gene is not None]


def _table(edges: Iterable[tuple[str, str, int, str]]) -> pd.DataFrame:
    """One row per signed edge, in order of first appearance, evidence joined."""
    frame = pd.DataFrame(edges, columns=["source", "target", "sign", "evidence"])
    key = ["source", "target", "sign"]
    joined = frame.drop_duplicates().groupby(key, sort=False)["evidence"].agg("; ".join)
    table = joined.reset_index()
    table["sign"] = table["sign"].astype(np.int8)
    return table
