"""Polish under exact semantics: no edit that explains nothing survives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.refinement.block import GAIN, Move, Network
from aligned.refinement.columns import change_table, search_columns
from aligned.refinement.exact import Objective

__all__ = ["edit_gains", "polish_network"]

State = npt.NDArray[np.int8]

#: Paths this long can saturate the relaxation: further starts are then followed to their end.
DEEP = 4


def polish_network(
    problem: Objective,
    starts: list[State],
    original: State,
    edit_cost: float,
    hints: npt.NDArray[np.float32] | None = None,
    budget: int = 8000,
) -> Network:
    """Lower ``‖δ - Y‖_0 + edit_cost·#edits`` by single changes until none of those tried helps.

    Columns of genes that are no regulators are searched exactly with the reach held fixed, the
    r × r block by changes judged in full; the two alternate. Every edit is tried for reversal and
    for the opposite sign.

    Parameters
    ----------
    starts : list of ndarray of int8, shape (r, n)
        Networks to start from; the best result is returned, a later one only if better.
    original : ndarray of int8, shape (r, n)
        Input network: what counts as an edit is a difference from it.
    hints : ndarray of float32, shape (r, n), optional
        Relaxed weights (positive minus negative), to propose changes among regulators.
    budget : int
        Changes among regulators to judge per start.
    """
    best: Network | None = None
    for start in starts:
        net = Network(problem, start, original, edit_cost)
        if best is not None and not _promising(net, best):
            continue
        _improve(net, hints, budget)
        if best is None or net.objective < best.objective + GAIN:
            best = net
    if best is None:
        raise ValueError("polishing needs a network to start from.")
    return best


def _promising(net: Network, best: Network) -> bool:
    """Whether a further start may end below the best result so far.

    Not if that result leaves little unexplained; for deep closures yes; else if columns alone
    bring it there.
    """
    silent = net.problem.silent
    if best.misfit + silent < 0.1 * (net.misfit + silent):
        return False
    if net.problem.k >= DEEP:
        return True
    start = net.state
    _search_columns(net)
    reached = net.objective
    net.set_state(start)
    return reached < best.objective


def edit_gains(net: Network, chunk: int = 1024) -> npt.NDArray[np.float64]:
    """By how much the objective rises if one edit is undone; one number per edit, row by row."""
    s, j = np.nonzero(net.state != net.original)
    rise = np.zeros(len(s))
    judged = np.isin(j, net.problem.reg) & (net.problem.k > 1)
    for i in np.flatnonzero(judged):
        rise[i] = net.judge((int(s[i]), int(j[i]), int(net.original[s[i], j[i]])))
    cols = np.unique(j[~judged])
    for begin in range(0, len(cols), chunk):
        part = cols[begin : begin + chunk]
        table = change_table(net.problem.at_columns(part), net.walks, net.state[:, part])
        mine = np.flatnonzero(~judged & np.isin(j, part))
        at = np.searchsorted(part, j[mine])
        rise[mine] = table[net.original[s[mine], j[mine]], s[mine], at] - net.edit_cost
    return np.asarray(np.rint(rise + net.edit_cost) - net.edit_cost)


def _improve(net: Network, hints: npt.NDArray[np.float32] | None, budget: int) -> None:
    """Alternate between block and columns until neither improves, then undo what is useless."""
    if net.problem.k == 1:  # without steps among regulators there is no block
        _search_columns(net)
        return
    while net.evaluations < budget:
        before = net.objective
        _undo(net, budget)
        _search_block(net, hints, budget)
        _search_columns(net)
        if net.objective > before + GAIN:
            break
    _search_columns(net)
    while _undo(net):
        _search_columns(net)


def _search_columns(net: Network) -> None:
    cols = np.arange(net.original.shape[1])
    if net.problem.k > 1:
        cols = np.setdiff1d(cols, net.problem.reg)
    state = net.state.copy()
    state[:, cols] = search_columns(
        net.problem, net.walks, state, net.original, cols, net.edit_cost
    )
    net.set_state(state)


def _undo(net: Network, budget: float = float("inf")) -> int:
    """Undo edits among regulators that are not worth their cost; returns how many were undone."""
    undone, again = 0, True
    while again:
        again = False
        for move in net.reversals():
            if net.evaluations >= budget:
                return undone
            if net.judge(move, GAIN) < GAIN:
                undone, again = undone + 1, True
    return undone


def _search_block(net: Network, hints: npt.NDArray[np.float32] | None, budget: int) -> None:
    """Take changes among regulators that help, best first, until none does.

    All proposals are judged, then taken from the best on, each judged anew. What did not help once
    is not proposed again in this call.
    """
    took, useless = True, set[Move]()
    while took:
        took = False
        judged = []
        for move in _proposals(net, hints):
            if net.evaluations >= budget:
                break
            if move in useless:
                continue
            change = net.judge(move)
            if change < GAIN:
                judged.append((change, move))
            else:
                useless.add(move)
        judged.sort(key=lambda pair: pair[0])
        for change, move in judged:
            threshold = 0.5 * change  # what earlier changes have halved is proposed anew
            took |= net.judge(move, threshold) < threshold


def _proposals(net: Network, hints: npt.NDArray[np.float32] | None, most: int = 100) -> list[Move]:
    """Changes among regulators worth judging, most promising first.

    Those that promise a gain, in their own column or downstream, the loss of any edge, every edit
    turned round, and what the relaxed weights lean to.
    """
    reg = net.problem.reg
    state, original = net.state[:, reg], net.original[:, reg]
    table = net.block_table()
    downstream = net.downstream_table() + net.edit_cost
    for v in (1, 2):
        table[v] = np.minimum(table[v], np.where(state == 0, downstream[v - 1], np.inf))
    worth: npt.NDArray[np.bool_] = np.asarray(table < net.edit_cost)
    reached = np.flatnonzero(net.walks.reached.any(axis=0))
    worth[0, reached] |= state[reached] != 0
    edited = state != original
    worth[1] |= edited & (state == 2)
    worth[2] |= edited & (state == 1)
    if hints is not None:
        worth[1] |= hints[:, reg] > 0.25
        worth[2] |= hints[:, reg] < -0.25
    worth &= np.arange(4)[:, None, None] != state
    worth &= ~np.eye(len(reg), dtype=bool)
    to, s, j = np.nonzero(worth)
    order = np.argsort(table[to, s, j], kind="stable")
    order = np.concatenate([order[to[order] != 0][:most], order[to[order] == 0][:most]])
    return [(int(s[i]), int(reg[j[i]]), int(to[i])) for i in order]
