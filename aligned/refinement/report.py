"""What refinement reports: the edits, what each explains, and a check of the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.knowledge import KnowledgeBase
from aligned.refinement.block import Network
from aligned.refinement.evidence import Responses
from aligned.refinement.exact import STATES, Objective
from aligned.refinement.polish import edit_gains
from aligned.refinement.search import Found

__all__ = ["Refinement", "harm_note", "report", "unchanged"]

State = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Refinement:
    """What refinement found.

    Attributes
    ----------
    kb : KnowledgeBase
        The refined network; the input network itself if nothing changed.
    edits : DataFrame
        One row per pair that changed: ``source``, ``target``, ``before`` and ``after`` in
        ``{"0", "+", "-", "+-"}``; ``gain``, by how much the objective would be worse without this
        edit; ``n_cells``, how many response cells it explains, net; ``evidence``, in words.
    weights : DataFrame
        ``source``, ``target``, ``positive``, ``negative``: relaxed weights of all pairs that are
        an edge or moved.
    thresholded : KnowledgeBase
        The weights of the first relaxation, cut at ½: no polish, no second round.
    history : DataFrame
        ``iteration``, ``objective``, ``fit``, ``penalty``, ``moved`` of the relaxed problem.
    objective_before, objective_after : float
        ``‖δ - Y‖_0 + edit_cost·#edits`` over the cells that count.
    edit_cost, error_rate : float
        The price of one edit in cells, and the response error rate it rests on.
    note : str
        What happened, in a sentence.
    """

    kb: KnowledgeBase
    edits: pd.DataFrame
    weights: pd.DataFrame
    thresholded: KnowledgeBase
    history: pd.DataFrame
    objective_before: float
    objective_after: float
    edit_cost: float
    error_rate: float
    note: str

    @property
    def changed(self) -> bool:
        """Whether the network changed at all."""
        return len(self.edits) > 0


def harm_note(share: float, p: float, b: int) -> str:
    """Say why "do no harm" stepped in."""
    if math.isnan(share):
        return (
            "returned unchanged: the network deduces no response for these perturbations, so there "
            "is no agreement to build on."
        )
    return (
        f"returned unchanged: agreement with the responses ({share:.3f} of the cells the network "
        f"speaks about) is not above the null (p = {p:.3f}, {b} distinct perturbations)."
    )


def unchanged(
    kb: KnowledgeBase,
    wide: KnowledgeBase,
    pairs: State,
    before: float,
    edit_cost: float,
    error_rate: float,
    note: str,
) -> Refinement:
    """The result when the network is returned as it came."""
    history = pd.DataFrame(columns=["iteration", "objective", "fit", "penalty", "moved"])
    weights = _weights(wide, (pairs & 1).astype(np.float32), (pairs >> 1).astype(np.float32), pairs)
    edits = _edit_frame(wide, pairs, pairs, np.empty(0, dtype=np.float64), edit_cost, 1)
    return Refinement(kb, edits, weights, kb, history, before, before, edit_cost, error_rate, note)


def report(
    kb: KnowledgeBase,
    wide: KnowledgeBase,
    found: Found,
    responses: Responses,
    before: float,
    error_rate: float,
    polished: bool,
) -> Refinement:
    """The result of a search, checked against the released edges."""
    net, relaxed = found.net, found.relaxed
    problem, state, original = net.problem, net.state, net.original
    after = net.objective + problem.silent
    edits = _edit_frame(
        wide, state, original, edit_gains(net), net.edit_cost, len(problem.evidence.x)
    )
    refined: KnowledgeBase
    if len(edits) == 0:
        refined, note = kb, "returned unchanged: no edit explains enough responses to be worth it."
    else:
        refined = _narrow(kb, wide.with_matrices((state & 1) > 0, (state >> 1) > 0))
        note = (
            f"{len(edits)} pairs changed; {before:.0f} cells were unexplained, "
            f"{after - net.edit_cost * len(edits):.0f} are now."
        )
    _check_invariants(refined, problem, responses, net, before, after, polished)
    weights = _weights(wide, relaxed.positive, relaxed.negative, original)
    cut = found.thresholded
    thresholded = _narrow(kb, wide.with_matrices((cut & 1) > 0, (cut >> 1) > 0))
    return Refinement(
        refined, edits, weights, thresholded, relaxed.history, before, after, net.edit_cost,
        error_rate, note,
    )  # fmt: skip


def _narrow(kb: KnowledgeBase, wide: KnowledgeBase) -> KnowledgeBase:
    """Drop rows that were only candidates and got no edge."""
    edges = wide.to_edges()
    kept = set(edges["source"]) | set(kb.regulators)
    regulators = [g for g in wide.regulators if g in kept]
    return KnowledgeBase(edges, wide.genes, regulators, wide.names, kb.report)


def _check_invariants(
    refined: KnowledgeBase,
    problem: Objective,
    responses: Responses,
    net: Network,
    before: float,
    after: float,
    polished: bool,
) -> None:
    """The objective recomputed from the released edges, by the knowledge base's own closure."""
    used = np.flatnonzero(np.diff(responses.x[:, problem.reg].tocsr().indptr))
    delta = refined.deduce(
        responses.x[used], problem.k, problem.rule, alpha=problem.alpha, margin=problem.margin
    )
    wrong = int(((delta != responses.y[used]) & responses.counted[used]).sum())
    again = wrong + net.edit_cost * net.n_edits
    if abs(again - after) > 1e-6 * max(1.0, abs(after)):
        raise RuntimeError(
            f"refinement is inconsistent: the released edges have objective {again}, the search "
            f"reported {after}; please report this with the data."
        )
    if polished and after > before + 1e-6:
        raise RuntimeError(
            f"refinement made the objective worse ({before} to {after}); please report this with "
            "the data."
        )


def _edit_frame(
    wide: KnowledgeBase,
    state: State,
    original: State,
    gains: npt.NDArray[np.float64],
    edit_cost: float,
    b: int,
) -> pd.DataFrame:
    s, j = np.nonzero(state != original)
    cells = np.rint(gains + edit_cost).astype(int)
    names = np.array(STATES, dtype=object)
    frame = pd.DataFrame(
        {
            "source": np.array(wide.regulators, dtype=object)[s],
            "target": np.array(wide.genes, dtype=object)[j],
            "before": names[original[s, j]],
            "after": names[state[s, j]],
            "gain": gains,
            "n_cells": cells,
            "evidence": [f"explains {c} cells of {b} perturbations" for c in cells],
        }
    )
    order = frame["gain"].sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _weights(
    wide: KnowledgeBase,
    positive: npt.NDArray[np.float32],
    negative: npt.NDArray[np.float32],
    original: State,
) -> pd.DataFrame:
    s, j = np.nonzero((positive != 0) | (negative != 0) | (original != 0))
    return pd.DataFrame(
        {
            "source": np.array(wide.regulators, dtype=object)[s],
            "target": np.array(wide.genes, dtype=object)[j],
            "positive": positive[s, j],
            "negative": negative[s, j],
        }
    )
