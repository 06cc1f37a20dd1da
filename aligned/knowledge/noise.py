"""Making a network worse on purpose: the noise protocol (Fig. 4) and hiding edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from aligned.knowledge.network import KnowledgeBase

__all__ = ["corrupted_edges", "split_edges"]


def corrupted_edges(kb: KnowledgeBase, noise: float, seed: int) -> pd.DataFrame:
    """Edge table of ``kb`` under the noise protocol; see `KnowledgeBase.corrupt`."""
    _check_share("noise", noise)
    rng = np.random.default_rng(seed)
    edges = kb.to_edges()
    pairs = _regulatory_pairs(edges)
    removed = _draw(pairs, noise / 2, rng)
    n_add = round(noise / 4 * len(pairs))
    row, col = _empty_places(kb, pairs, 2 * n_add, rng)
    added = pd.DataFrame(
        {
            "source": np.array(kb.regulators, dtype=object)[row],
            "target": np.array(kb.genes, dtype=object)[col],
            "sign": np.repeat(np.array([1, -1], dtype=np.int8), n_add),
            "evidence": "corruption",
        }
    )
    return pd.concat([_without(edges, removed), added], ignore_index=True)


def split_edges(
    kb: KnowledgeBase, share: float, seed: int, order: Sequence[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Visible and hidden edge tables of ``kb``; see `KnowledgeBase.hold_out`."""
    _check_share("share", share)
    edges = kb.to_edges()
    pairs = _regulatory_pairs(edges)
    rng = np.random.default_rng(seed)
    if order is None:
        chosen = _draw(pairs, share, rng)
    else:
        chosen = _draw_runs(pairs, _runs(pairs, _places(kb, order)), share, rng)
    visible = _without(edges, chosen)
    return visible, edges.drop(index=visible.index).reset_index(drop=True)


def _places(kb: KnowledgeBase, order: Sequence[str]) -> pd.Series:
    """Place of each gene in ``order``."""
    genes = pd.Index([str(gene) for gene in order])
    if not genes.is_unique:
        raise ValueError(
            f"gene {genes[genes.duplicated()][0]!r} stands twice in `order`; a gene has one place "
            "on the genome: keep one."
        )
    lost = genes.difference(kb.index, sort=False)
    if len(lost):
        raise ValueError(
            f"gene {lost[0]!r} of `order` is not among the network's genes; leave it out."
        )
    return pd.Series(np.arange(len(genes)), index=genes)


def _runs(pairs: pd.DataFrame, place: pd.Series) -> npt.NDArray[np.intp]:
    """Number of the run of each pair: neighbouring targets of one regulator share one.

    The regulator's own gene does not break a run; a target without a place is a run of its own.
    """
    table = pairs.assign(at=pairs["target"].map(place), own=pairs["source"].map(place))
    # places counted without the regulator's own gene
    table["at"] -= (table["own"] < table["at"]).astype(float)
    table = table.sort_values(["source", "at"], kind="stable")
    goes_on = (table["source"] == table["source"].shift()) & (table["at"].diff() == 1)
    return (~goes_on).cumsum().reindex(pairs.index).to_numpy(dtype=np.intp) - 1


def _draw_runs(
    pairs: pd.DataFrame, run: npt.NDArray[np.intp], share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Whole runs, in random order, until they hold ``share`` of the pairs or just more."""
    size = np.bincount(run)
    order = rng.permutation(len(size))
    before = np.cumsum(size[order]) - size[order]
    return pairs[np.isin(run, order[before < round(share * len(pairs))])]


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it is a share of the network's pairs: give 0 to 1.")


def _regulatory_pairs(edges: pd.DataFrame) -> pd.DataFrame:
    pairs = edges[["source", "target"]].drop_duplicates()
    return pairs[pairs["source"] != pairs["target"]].reset_index(drop=True)


def _draw(pairs: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    return pairs.iloc[np.sort(rng.permutation(len(pairs))[: round(share * len(pairs))])]


def _without(edges: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    marked = edges.merge(pairs, on=["source", "target"], how="left", indicator=True)
    return edges[(marked["_merge"] == "left_only").to_numpy()]


def _empty_places(
    kb: KnowledgeBase, pairs: pd.DataFrame, count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """``count`` (row, column) places without an edge, uniform, never on the diagonal."""
    n = len(kb.genes)
    rows = pd.Index(kb.regulators).get_indexer(pairs["source"])
    taken = rows * n + kb.index.get_indexer(pairs["target"])
    own = np.arange(len(kb.regulators)) * n + kb.regulator_index
    blocked = np.union1d(taken, own)
    room = len(kb.regulators) * n - len(blocked)
    if count > room:
        raise ValueError(
            f"{count} edges would be added but only {room} places are empty; lower the noise."
        )
    drawn = rng.choice(room, size=count, replace=False)
    # the j-th empty place lies behind as many blocked ones as satisfy blocked[i] - i <= j
    places = drawn + np.searchsorted(blocked - np.arange(len(blocked)), drawn, side="right")
    return places // n, places % n
