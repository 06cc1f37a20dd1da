"""Two networks of human transcription factors as tables of signed edges, and their complexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["SignedTable", "collectri", "complex_table", "trrust"]


@dataclass(frozen=True)
class SignedTable:
    """Edges of a network, and what could not become one.

    Attributes
    ----------
    edges : DataFrame
        ``source``, ``target``, ``sign`` (+1, -1), ``evidence``; dual regulation = two rows.
    n_unsigned_rows : int
        Rows of the original without a sign; left out.
    n_unsigned_pairs : int
        Pairs that have no other row: nothing in the table stands for them.
    """

    edges: pd.DataFrame
    n_unsigned_rows: int
    n_unsigned_pairs: int


def collectri(path: Path, evidence: str, aliases: Mapping[str, str]) -> SignedTable:
    """Read CollecTRI; complexes such as AP1 stay the sources that they are.

    Parameters
    ----------
    path : Path
        CSV with ``source``, ``target``, ``weight`` (+1 or -1).
    evidence : str
        Written beside every edge.
    aliases : mapping
        Older symbol -> the one to use.

    Raises
    ------
    ValueError
        A weight is not +1 or -1.
    """
    table = pd.read_csv(path, keep_default_na=False)
    wrong = table[~table["weight"].isin([1, -1])]
    if len(wrong):
        raise ValueError(
            f"row {wrong.index[0]} of {path} has weight {wrong['weight'].iloc[0]!r}; give 1 or -1."
        )
    return SignedTable(_edges(table.assign(sign=table["weight"]), evidence, aliases), 0, 0)


def trrust(
    path: Path, signs: Mapping[str, int], evidence: str, aliases: Mapping[str, str]
) -> SignedTable:
    """Read TRRUST, signed rows only; a pair with both signs is dual.

    Parameters
    ----------
    path : Path
        Tab-separated, no header: factor, target, mode of regulation, PubMed ids (joined by ``;``).
    signs : mapping
        Mode -> +1 or -1; other modes are left out.
    evidence : str
        Written beside every edge, before the row's PubMed ids.
    aliases : mapping
        Older symbol -> the one to use.
    """
    columns = ["source", "target", "mode", "pubmed"]
    rows = pd.read_csv(path, sep="\t", names=columns, dtype=str, keep_default_na=False)
    sign = rows["mode"].map(dict(signs))
    signed = rows[sign.notna()].assign(sign=sign)
    both = pd.MultiIndex.from_frame(signed[["source", "target"]])
    rest = pd.MultiIndex.from_frame(rows.loc[sign.isna(), ["source", "target"]])
    edges = _edges(signed, f"{evidence}: PMID " + signed["pubmed"], aliases)
    return SignedTable(edges, len(rest), len(rest.unique().difference(both)))


def complex_table(complexes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Complexes and their members as a long table: ``complex``, ``member``.

    Examples
    --------
    >>> complex_table({"AP1": ["FOS", "JUN"]}).to_dict("list")
    {'complex': ['AP1', 'AP1'], 'member': ['FOS', 'JUN']}
    """
    pairs = [(name, member) for name, members in complexes.items() for member in members]
    return pd.DataFrame(pairs, columns=["complex", "member"])


def _edges(
    rows: pd.DataFrame, evidence: str | pd.Series, aliases: Mapping[str, str]
) -> pd.DataFrame:
    """One row per signed edge, in order of first appearance, evidence joined."""
    table = pd.DataFrame(
        {
            "source": [aliases.get(gene, gene) for gene in rows["source"]],
            "target": [aliases.get(gene, gene) for gene in rows["target"]],
            "sign": rows["sign"].to_numpy().astype(np.int8),
            "evidence": evidence if isinstance(evidence, str) else evidence.to_numpy(),
        }
    )
    joined = table.groupby(["source", "target", "sign"], sort=False)["evidence"].agg(_joined)
    return joined.reset_index().astype({"sign": np.int8})


def _joined(evidence: pd.Series) -> str:
    return "; ".join(evidence.drop_duplicates())
