"""A data set as the notebooks get it: data, network, annotation, and the card that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from pydantic import AfterValidator

from aligned.data.contract import validate
from aligned.knowledge import RULES, KnowledgeBase
from aligned.reading import clean_names

__all__ = ["DEFAULT_YARDSTICK", "Bundle", "Yardstick", "check_yardstick", "widen"]

DEFAULT_YARDSTICK: Mapping[str, Any] = {"k": 1, "rule": "boolean"}


@dataclass(frozen=True)
class Bundle:
    """Everything one data set consists of.

    Attributes
    ----------
    data : AnnData
        Responses; keeps the contract of `aligned.validate`.
    kb : KnowledgeBase
        The network; ``list(kb.genes) == list(data.uns["genes"])``.
    other_kb : KnowledgeBase or None
        A second network over the same genes, for questions the first must not answer itself.
    go_counts : Series of int
        Number of GO annotations, by gene id, in the order of ``kb.genes``.
    gene_sets : dict of str to list of str
        Pathways or modules, by name.
    card : dict
        What it is, where it comes from, licence, citation, noise: plain values, JSON-able.
    yardstick : dict
        ``{"k": int, "rule": str}``: the closure that knowledge consistency is measured with.

    Raises
    ------
    ValueError
        The data break the contract, network and data list different genes, or the yardstick is
        no closure.
    """

    data: AnnData
    kb: KnowledgeBase
    other_kb: KnowledgeBase | None
    go_counts: pd.Series
    gene_sets: dict[str, list[str]]
    card: dict[str, Any]
    yardstick: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_YARDSTICK))

    def __post_init__(self) -> None:
        validate(self.data)
        genes = [str(gene) for gene in self.data.uns["genes"]]
        for name, kb in (("kb", self.kb), ("other_kb", self.other_kb)):
            if kb is not None and list(kb.genes) != genes:
                raise ValueError(
                    f"{name} has {len(kb.genes)} genes, not exactly the {len(genes)} of "
                    "data.uns['genes'] in that order; build it with "
                    "KnowledgeBase.from_edges(frame, genes=data.uns['genes'])."
                )
        check_yardstick(self.yardstick, "the bundle")

    def __repr__(self) -> str:
        return (
            f"Bundle({self.card.get('title', 'untitled')!r}: {self.data.n_obs} conditions × "
            f"{self.data.n_vars} genes; {self.kb!r})"
        )


def check_yardstick(yardstick: Mapping[str, Any], where: str) -> None:
    """Raise ValueError unless it is ``{"k": int >= 1, "rule": a closure rule}``."""
    k, rule = yardstick.get("k"), yardstick.get("rule")
    whole = isinstance(k, int) and not isinstance(k, bool) and k >= 1
    if not whole or not isinstance(rule, str) or rule not in RULES or len(yardstick) > 2:
        raise ValueError(
            f"the yardstick of {where} is {str(dict(yardstick))[:100]}; give k (a whole "
            f"number from 1) and rule (one of {', '.join(RULES)})."
        )


def _of_this_file(yardstick: dict[str, Any]) -> dict[str, Any]:
    check_yardstick(yardstick, "this file")
    return yardstick


#: A yardstick in a YAML file.
Yardstick = Annotated[dict[str, Any], AfterValidator(_of_this_file)]


def widen(data: AnnData, *networks: pd.DataFrame | None) -> AnnData:
    """Let ``uns["genes"]`` hold every gene of the networks too.

    Parameters
    ----------
    data : AnnData
        Perturbation data that keep the contract.
    *networks : DataFrame or None
        Tables of edges with ``source`` and ``target``.

    Returns
    -------
    AnnData
        The data themselves if no gene is new, else a copy with the new genes appended, in order of
        first appearance, and as many empty columns in ``obsm["perturbation"]``.
    """
    genes = [str(gene) for gene in data.uns["genes"]]
    columns = [t[c] for t in networks if t is not None for c in ("source", "target")]
    named = [gene for column in columns for gene in clean_names(column, "the network")]
    new = pd.Index(dict.fromkeys(named)).difference(genes, sort=False)
    if not len(new):
        return data
    wider = data.copy()
    matrix = sp.csr_matrix(data.obsm["perturbation"])
    padding = sp.csr_matrix((data.n_obs, len(new)), dtype=matrix.dtype)
    wider.obsm["perturbation"] = sp.csr_matrix(sp.hstack([matrix, padding]))
    wider.uns["genes"] = np.array([*genes, *new], dtype=str)
    return wider
