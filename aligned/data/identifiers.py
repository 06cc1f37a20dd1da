"""Which kind of gene identifier is this? A guess, so that a mismatch can be told in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

__all__ = ["KINDS", "guess_kind", "mismatch"]

#: Kinds in the order they are tried, each with its pattern; a name matches the first that fits.
KINDS: dict[str, re.Pattern[str]] = {
    "dates (a spreadsheet has changed gene names such as SEPT2 or MARCH1)": re.compile(
        r"\d{1,2}-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)"
        r"|(?:mar|sep|dec|oct|feb|apr)-\d{1,2}",
        re.IGNORECASE,
    ),
    "Ensembl gene ids": re.compile(r"ENS[A-Z]{0,4}G\d{11}(?:\.\d+)?"),
    "Ensembl transcript ids": re.compile(r"ENS[A-Z]{0,4}T\d{11}(?:\.\d+)?"),
    "RefSeq ids": re.compile(r"[NX][MRP]_\d{6,9}(?:\.\d+)?"),
    "Entrez numbers": re.compile(r"\d{1,9}"),
    "E. coli b-numbers": re.compile(r"b\d{4}"),
    "UniProt accessions": re.compile(
        r"(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})(?:-\d+)?"
    ),
    "bacterial gene names (such as narG)": re.compile(r"[a-z]{3,4}[A-Z]{0,2}\d?(?:-\d)?"),
    "capitalised symbols (mouse style, such as Gata1)": re.compile(
        r"[A-Z][a-z][A-Za-z]*\d*[a-z0-9]*(?:-[A-Za-z0-9]+)?"
    ),
    "upper-case symbols (human style, such as GATA1)": re.compile(
        r"[A-Z][A-Z0-9]*(?:orf\d+)?(?:[-.][A-Z0-9]+)*"
    ),
}

_UNKNOWN = "of no kind known here"
_VERSION = re.compile(r"\.\d+$")
_VERSIONED = ("Ensembl gene ids", "Ensembl transcript ids", "RefSeq ids")


def guess_kind(names: Iterable[str]) -> tuple[str, float]:
    """The commonest kind among some identifiers, and its share.

    Parameters
    ----------
    names : iterable of str
        Gene identifiers.

    Returns
    -------
    kind : str
        One of `KINDS`, or ``"of no kind known here"`` where fewer than half fit one.
    share : float
        Share of the names of that kind, from 0 to 1.

    Examples
    --------
    >>> guess_kind(["ENSG00000141510", "ENSG00000012048.23", "MYC"])[0]
    'Ensembl gene ids'
    >>> guess_kind(["narG", "fnr", "lacZ"])
    ('bacterial gene names (such as narG)', 1.0)
    """
    kinds = [_kind(str(name)) for name in names]
    if not kinds:
        return _UNKNOWN, 0.0
    values, counts = np.unique(kinds, return_counts=True)
    best = int(counts.argmax())
    share = float(counts[best] / len(kinds))
    return (str(values[best]), share) if values[best] and share >= 0.5 else (_UNKNOWN, 0.0)


def mismatch(network: Iterable[str], data: Iterable[str]) -> str:
    """Say in one sentence why the genes of a network and of data do not meet; empty if unclear.

    Parameters
    ----------
    network, data : iterable of str
        Gene identifiers of both.

    Examples
    --------
    >>> mismatch(["ENSG00000141510.11"], ["ENSG00000141510"])
    "they differ by a version suffix only ('.11'): cut it off, ids.str.replace(r'\\\\.\\\\d+$', '',
    regex=True)"
    >>> mismatch(["GATA1", "MYC"], ["Gata1", "Myc"])
    "they differ by upper and lower case only ('GATA1' and 'Gata1'): if both are one species, ..."
    """
    theirs, ours = list(map(str, network)), list(map(str, data))
    known = set(ours)
    hints = ((_unversioned, _tell_version), (str.strip, _tell_space), (str.casefold, _tell_case))
    for change, tell in hints:
        changed = {change(name): name for name in ours}
        pairs = [
            (name, changed[change(name)])
            for name in theirs
            if name not in known and change(name) in changed
        ]
        if 2 * len(pairs) >= min(len(set(theirs)), len(known)):
            return tell(*pairs[0])
    (kind, share), (other, other_share) = guess_kind(theirs), guess_kind(ours)
    for whose, found, part in (("network's", kind, share), ("data's", other, other_share)):
        if found.startswith("dates"):
            return f"{part:.0%} of the {whose} genes look like {found}: export the original names"
    if kind == other or _UNKNOWN in (kind, other):
        return ""
    return (
        f"{share:.0%} of the network's genes look like {kind}, {other_share:.0%} of the data's "
        f"like {other}: map one to the other first, e.g. with the annotation table of your genome"
    )


def _kind(name: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if pattern.fullmatch(name)), "")


def _unversioned(name: str) -> str:
    return _VERSION.sub("", name) if _kind(name) in _VERSIONED else name


def _tell_version(theirs: str, ours: str) -> str:
    suffix = (_VERSION.findall(theirs) or _VERSION.findall(ours))[0]
    return (
        f"they differ by a version suffix only ({suffix!r}): cut it off, "
        r"ids.str.replace(r'\.\d+$', '', regex=True)"
    )


def _tell_space(theirs: str, ours: str) -> str:
    return f"they differ by blanks only ({theirs!r} and {ours!r}): cut them off, ids.str.strip()"


def _tell_case(theirs: str, ours: str) -> str:
    return (
        f"they differ by upper and lower case only ({theirs!r} and {ours!r}): if both are one "
        "species, spell one as the other (human GATA1, mouse Gata1, bacteria narG); if not, map "
        "orthologues first"
    )
