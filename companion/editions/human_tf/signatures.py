"""Signatures of perturbed transcription factors: which genes went up, which went down."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "Signature",
    "listed_often",
    "own_gene_counts",
    "read_signatures",
    "responses",
]

_NAME = re.compile(
    r"(?P<factor>[^_]+)_(?P<how>.+)_(?P<species>HUMAN|F?MOUSE)_(?P<series>GSE\d+)_(?P<rest>.+)"
)


@dataclass(frozen=True)
class Signature:
    """One perturbation experiment.

    Attributes
    ----------
    name : str
        As in the original, without the direction.
    factor : str
        Symbol of the perturbed gene.
    word, detail : str
        How it was perturbed, as written (``SIRNA``), and what follows (often the cell line).
    kind : str
        ``ko``, ``kd``, ``oe``, or ``""``: none of these.
    sign : int
        -1 for less of the gene, +1 for more, 0 where ``kind`` is empty.
    species, series : str
        ``HUMAN`` or ``MOUSE``; the GEO series.
    platform : str
        ``RNA-seq``, or ``CREEDS`` (mostly microarrays).
    up, down : frozenset of str
        Genes listed in one direction only.
    both : frozenset of str
        Genes listed in both directions: they say nothing.
    """

    name: str
    factor: str
    word: str
    detail: str
    kind: str
    sign: int
    species: str
    series: str
    platform: str
    up: frozenset[str]
    down: frozenset[str]
    both: frozenset[str]

    @property
    def listed(self) -> frozenset[str]:
        """Genes with a response."""
        return self.up | self.down

    @property
    def own(self) -> str:
        """Whether the factor's own transcript goes the way of the perturbation.

        ``expected``, ``unexpected``, or ``unlisted`` (also where it is listed both ways).
        """
        if self.factor not in self.listed:
            return "unlisted"
        return "expected" if (self.factor in self.up) == (self.sign > 0) else "unexpected"


def read_signatures(
    up: Path,
    down: Path,
    kinds: Mapping[str, Sequence[str]],
    signs: Mapping[str, int],
    aliases: Mapping[str, str],
) -> list[Signature]:
    """Read the two tables of signatures.

    Parameters
    ----------
    up, down : Path
        One signature per line: name, then its genes, tab-separated. The name holds factor, kind,
        species, GEO series and direction: ``MYB_KD_HUMAN_GSE49286_CREEDSID_GENE_1835_UP``.
    kinds : mapping
        Kind of perturbation -> words that say so, the first after the factor.
    signs : mapping
        Kind -> -1 or +1.
    aliases : mapping
        Older symbol -> the one to use.

    Returns
    -------
    list of Signature
        All species and kinds, in the order of ``up``.

    Raises
    ------
    ValueError
        A name does not read like one, or the files list different signatures.
    """
    rising, falling = _lists(up, "_UP", aliases), _lists(down, "_DOWN", aliases)
    odd = sorted(set(rising) ^ set(falling))
    if odd:
        raise ValueError(
            f"signature {odd[0]!r} is in only one of {up.name} and {down.name} ({len(odd)} such); "
            "take both files from the same version of the original."
        )
    kind_of = {word: kind for kind, words in kinds.items() for word in words}
    made = []
    for name, higher in rising.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(
                f"the signature {name!r} of {up.name} does not read FACTOR_KIND_SPECIES_GSE…; "
                "correct its name."
            )
        word, _, detail = match["how"].partition("_")
        kind = kind_of.get(word, "")
        both = higher & falling[name]
        made.append(
            Signature(
                name=name,
                factor=aliases.get(match["factor"], match["factor"]),
                word=word,
                detail=detail,
                kind=kind,
                sign=signs[kind] if kind else 0,
                species=match["species"].removeprefix("F"),
                series=match["series"],
                platform="RNA-seq" if match["rest"].endswith("RNASEQ") else "CREEDS",
                up=higher - both,
                down=falling[name] - both,
                both=both,
            )
        )
    return made


def own_gene_counts(signatures: Iterable[Signature]) -> dict[str, dict[str, int]]:
    """How often a factor's own transcript goes the expected way, by direction.

    Returns
    -------
    dict
        ``{"down": {"expected": …, "unexpected": …, "unlisted": …}, "up": {…}}``.
    """
    ways = {way: dict.fromkeys(("expected", "unexpected", "unlisted"), 0) for way in ("down", "up")}
    for signature in signatures:
        ways["down" if signature.sign < 0 else "up"][signature.own] += 1
    return ways


def listed_often(signatures: Iterable[Signature], least: int) -> list[str]:
    """Genes that at least so many signatures list, sorted."""
    times = Counter(gene for signature in signatures for gene in signature.listed)
    return sorted(gene for gene, count in times.items() if count >= least)


def responses(
    signatures: Sequence[Signature], genes: Sequence[str]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Ternary responses and which of them were observed.

    Parameters
    ----------
    signatures : sequence of Signature
        The b conditions.
    genes : sequence of str
        The m columns.

    Returns
    -------
    (ndarray of int8, ndarray of bool), each of shape (b, m)
        +1 listed as up, -1 as down, else 0; not observed where a gene is listed both ways.
    """
    column = {gene: j for j, gene in enumerate(genes)}
    y = np.zeros((len(signatures), len(genes)), dtype=np.int8)
    observed = np.ones(y.shape, dtype=bool)
    for i, signature in enumerate(signatures):
        y[i, _places(signature.up, column)] = 1
        y[i, _places(signature.down, column)] = -1
        observed[i, _places(signature.both, column)] = False
    return y, observed


def _places(genes: frozenset[str], column: Mapping[str, int]) -> list[int]:
    return [column[gene] for gene in genes if gene in column]


def _lists(path: Path, ending: str, aliases: Mapping[str, str]) -> dict[str, frozenset[str]]:
    lists: dict[str, frozenset[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, *genes = line.split("\t")
        key = name.removesuffix(ending)
        if key == name or key in lists:
            fault = "comes twice" if key in lists else f"does not end in {ending}"
            raise ValueError(f"line {number} of {path}: the name {name!r} {fault}; correct it.")
        lists[key] = frozenset(aliases.get(gene, gene) for gene in genes if gene)
    return lists
