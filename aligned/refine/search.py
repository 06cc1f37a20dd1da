"""The search for the network that `refine` returns: relax, cut, polish, and once more.

The relaxed problem sees every edge at once but blurs what is ambiguous; the polish is exact but
takes one change at a time. Columns of genes that regulate nothing are searched with the reach held
fixed (`search_columns`). An edge among regulators changes the reach, so it is judged in full, which
is still local: it touches only the walks of perturbed regulators that reach its source, and only
genes with an edge from a regulator whose reach changed. Where a closure is deep, errors among the
regulators mislead both, so the edges among them that a polish has settled start the next round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aligned.knowledge import state_of
from aligned.refine import exact
from aligned.refine.exact import TIE_DUAL, TIE_EDIT, Objective, Reach, State
from aligned.refine.relaxation import Relaxed, Schedule, relax

__all__ = ["GAIN", "Found", "Network", "edit_gains", "polish", "search", "unexplained_share"]

Move = tuple[int, int, int]
Hints = npt.NDArray[np.float32]

#: A change is an improvement if it lowers the criterion, tie-breaks included, by more than this.
GAIN = -TIE_DUAL / 2
#: A round that leaves less than this unexplained is the last one.
SETTLED = 0.005
#: Paths this long can saturate the relaxation: further starts are then followed to their end.
DEEP = 4
#: Changes among regulators to judge per start.
BUDGET = 8000


class Network:
    """Edge states together with the reach, the effects and the misfit that follow from them.

    Attributes
    ----------
    state, original : ndarray of int8, shape (r, n)
        Current edge states, and those of the input network.
    walks : Reach
        Reach of the perturbed regulators, kept up to date.
    effect : ndarray of int8, shape (q, n)
        Effects of the perturbed regulators, kept up to date.
    misfit : float
        Misfit relative to deducing 0 everywhere.
    evaluations : int
        Changes among regulators judged so far.
    """

    def __init__(self, problem: Objective, state: State, original: State, edit_cost: float) -> None:
        self.problem, self.original, self.edit_cost = problem, original, edit_cost
        self.evaluations = 0
        self.place = {int(column): i for i, column in enumerate(problem.reg)}
        self.set_state(state.copy())

    def set_state(self, state: State) -> None:
        """Take these edges and recompute everything."""
        problem = self.problem
        self.state = state
        self.steps = exact.steps_of(problem, state[:, problem.reg])
        self.walks = exact.reach(problem, self.steps, problem.evidence.rows, problem.rule.k - 1)
        self.counts = exact.carried(self.walks, state)
        self.effect = exact.effects(problem, self.counts)
        self.cost = exact.misfits(self.deduced(), problem.gain_up, problem.gain_down)
        self.misfit = float(self.cost.sum(dtype=np.float64))

    def deduced(self) -> State:
        """Deduction for each row of evidence, int8 (b, n)."""
        return exact.deltas(self.problem.evidence.x, self.effect)

    @property
    def criterion(self) -> float:
        """What the polish lowers: ``‖δ - Y‖_0 + edit_cost·#edits``, relative to silence."""
        return self.misfit + self.edit_cost * self.n_edits

    @property
    def edited(self) -> npt.NDArray[np.bool_]:
        """Pairs that are not as they were in the input network."""
        return np.asarray(self.state != self.original)

    @property
    def n_edits(self) -> int:
        return int(self.edited.sum())

    def price(self, move: Move) -> float:
        """Cost of the edit itself and of its tie-breaks, relative to the present state."""
        s, j, v = move
        now, before = int(self.state[s, j]), int(self.original[s, j])
        edits = (v != before) - (now != before)
        return edits * (self.edit_cost + TIE_EDIT) + ((v == 3) - (now == 3)) * TIE_DUAL

    def judge(self, move: Move, below: float = -np.inf) -> float:
        """Exact change in the criterion if pair ``(s, j)`` took state ``v``.

        The change is made if it is under ``below`` (use `GAIN` for any improvement).
        """
        s, j, v = move
        self.evaluations += 1
        problem, by = self.problem, int(self.state[s, j])
        rows = np.flatnonzero(self.walks.reached[:, s])
        if len(rows) == 0:
            return self._settle(move, self.price(move), below, None)
        plus, minus = (v & 1) - (by & 1), (v >> 1) - (by >> 1)
        before = walks = self.walks.part(rows)
        if j in self.place:
            step = (s, self.place[j], float(plus + minus), float(plus - minus))
            start = problem.evidence.rows[rows]
            walks = exact.reach(problem, self.steps, start, problem.rule.k - 1, step)
        grown = Reach(walks.positive - before.positive, walks.negative - before.negative)
        moved = np.flatnonzero(grown.reached.any(axis=0))
        touched = (self.state[moved] != 0).any(axis=0)
        touched[j] = True
        cols = np.flatnonzero(touched)
        at = np.ix_(rows, cols)
        more = exact.carried(grown.part(slice(None), moved), self.state[np.ix_(moved, cols)])
        counts = (self.counts[0][at] + more[0], self.counts[1][at] + more[1])
        own = int(np.searchsorted(cols, j))  # walks whose last step is the changed edge itself
        last = (counts[0][:, own], counts[1][:, own])
        way = (walks.positive[:, s], walks.negative[:, s])
        counts[0][:, own], counts[1][:, own] = exact.shifted(last, way, plus, minus)
        effect = exact.effects(problem, counts)
        b = np.flatnonzero((problem.evidence.x[:, rows] != 0).any(axis=1))
        here = np.ix_(b, cols)
        whole = self.effect[:, cols]
        whole[rows] = effect
        delta = exact.deltas(problem.evidence.x[b], whole)
        cost = exact.misfits(delta, problem.gain_up[here], problem.gain_down[here])
        change = float((cost - self.cost[here]).sum(dtype=np.float64))
        new = (rows, walks, at, counts, effect, here, cost, change)
        return self._settle(move, change + self.price(move), below, new)

    def _settle(self, move: Move, change: float, below: float, new: tuple | None) -> float:  # type: ignore[type-arg]
        if change < below:
            s, j, v = move
            self.state[s, j] = v
            self.steps = exact.steps_of(self.problem, self.state[:, self.problem.reg])
            if new is not None:
                rows, walks, at, counts, effect, here, cost, misfit = new
                self.walks.positive[rows] = walks.positive
                self.walks.negative[rows] = walks.negative
                self.counts[0][at], self.counts[1][at] = counts
                self.effect[at] = effect
                self.cost[here] = cost
                self.misfit += misfit
        return change

    def block_table(self) -> npt.NDArray[np.float64]:
        """Change in the criterion of single changes in the regulators' columns, reach held fixed.

        An approximation (4, r, r) that ranks changes for `judge`: exact but for what the change
        does further down.
        """
        reg, rows = self.problem.reg, np.arange(len(self.problem.reg))
        given = (self.walks, self.state[:, reg], self.original[:, reg], self.edit_cost)
        return exact.edit_table(self.problem, *given, rows, reg)

    def downstream_table(self) -> npt.NDArray[np.float64]:
        """First-order change in misfit if an edge among regulators were added, with its effects.

        Shape (2, r, r), activating and inhibiting. Every gene downstream of the target is priced
        as if nothing else changed; rows that perturb several regulators are left out.
        """
        problem, reg = self.problem, self.problem.reg
        r = len(reg)
        onward = exact.reach(problem, self.steps, np.arange(r), max(problem.rule.k - 2, 0))
        up, down = exact.signs(problem, exact.carried(onward, self.state))
        up[np.arange(r), reg], down[np.arange(r), reg] = True, False
        ups, downs = (side.astype(np.float32).T for side in (up, down))
        more_up, more_down = self._prices()
        with_sign, against = more_up @ ups + more_down @ downs, more_down @ ups + more_up @ downs
        pos = (self.walks.positive > 0).astype(np.float32).T
        neg = ((self.walks.negative > 0) | (self.walks.positive < 0)).astype(np.float32).T
        table = np.stack([pos @ with_sign + neg @ against, pos @ against + neg @ with_sign])
        return table.astype(np.float64)

    def _prices(self) -> tuple[Hints, Hints]:
        """Price of a further walk with effect up, and down, per perturbed regulator and gene."""
        problem = self.problem
        single = np.flatnonzero(problem.evidence.single)
        q = (problem.evidence.x[single] != 0).argmax(axis=1)
        pos, neg = exact.signs(problem, (self.counts[0][q], self.counts[1][q]))
        now = self.cost[single]
        up, down = (np.zeros(self.effect.shape, dtype=np.float32) for _ in range(2))
        up[q] = np.where(neg, 0, problem.gain_up[single]) - now
        down[q] = np.where(pos, 0, problem.gain_down[single]) - now
        return up, down

    # ------------------------------------------------------------------------ improving it

    def improve(self, hints: Hints | None, budget: int = BUDGET) -> None:
        """Alternate between block and columns until neither improves, then undo what is useless."""
        if self.problem.rule.k == 1:  # without steps among regulators there is no block
            self.improve_columns()
            return
        while self.evaluations < budget:
            before = self.criterion
            self.undo(budget)
            self.improve_block(hints, budget)
            self.improve_columns()
            if self.criterion > before + GAIN:
                break
        self.improve_columns()
        while self.undo():
            self.improve_columns()

    def improve_columns(self) -> None:
        """Search the columns whose edges leave the reach as it is."""
        problem, cols = self.problem, np.arange(self.original.shape[1])
        if problem.rule.k > 1:
            cols = np.setdiff1d(cols, problem.reg)
        state = self.state.copy()
        state[:, cols] = exact.search_columns(
            problem, self.walks, state, self.original, cols, self.edit_cost
        )
        self.set_state(state)

    def undo(self, budget: float = float("inf")) -> int:
        """Undo edits among regulators that are not worth their cost; returns how many."""
        reg = self.problem.reg
        undone, again = 0, True
        while again:
            again = False
            for s, i in np.argwhere(self.edited[:, reg]):
                if self.evaluations >= budget:
                    return undone
                move = (int(s), int(reg[i]), int(self.original[s, reg[i]]))
                if self.judge(move, GAIN) < GAIN:
                    undone, again = undone + 1, True
        return undone

    def improve_block(self, hints: Hints | None, budget: int) -> None:
        """Take changes among regulators that help, best first, until none does.

        All proposals are judged, then taken from the best on, each judged anew. What did not help
        once is not proposed again in this call.
        """
        took, useless = True, set[Move]()
        while took:
            took = False
            judged = []
            for move in self._proposals(hints):
                if self.evaluations >= budget:
                    break
                if move in useless:
                    continue
                change = self.judge(move)
                if change < GAIN:
                    judged.append((change, move))
                else:
                    useless.add(move)
            judged.sort(key=lambda pair: pair[0])
            for change, move in judged:
                threshold = 0.5 * change  # what earlier changes have halved is proposed anew
                took |= self.judge(move, threshold) < threshold

    def _proposals(self, hints: Hints | None, most: int = 100) -> list[Move]:
        """Changes among regulators worth judging, most promising first.

        Those that promise a gain, in their own column or downstream, the loss of any edge, every
        edit turned round, and what the relaxed weights lean to.
        """
        reg = self.problem.reg
        state, original = self.state[:, reg], self.original[:, reg]
        table = self.block_table()
        downstream = self.downstream_table() + self.edit_cost
        for v in (1, 2):
            table[v] = np.minimum(table[v], np.where(state == 0, downstream[v - 1], np.inf))
        worth: npt.NDArray[np.bool_] = np.asarray(table < self.edit_cost)
        reached = np.flatnonzero(self.walks.reached.any(axis=0))
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


def polish(
    problem: Objective,
    starts: list[State],
    original: State,
    edit_cost: float,
    hints: Hints | None = None,
) -> Network:
    """Lower ``‖δ - Y‖_0 + edit_cost·#edits`` by single changes until none of those tried helps.

    Columns of genes that are no regulators are searched exactly with the reach held fixed, the
    r × r block by changes judged in full; the two alternate. Every edit is tried for reversal and
    for the opposite sign.

    ``starts`` are networks (states, at least one) to begin from: the best result is returned, a
    later one only if better. ``hints``, relaxed weights (positive minus negative), propose changes
    among regulators.
    """
    best = Network(problem, starts[0], original, edit_cost)
    best.improve(hints)
    for start in starts[1:]:
        net = Network(problem, start, original, edit_cost)
        if _promising(net, best):
            net.improve(hints)
            best = net if net.criterion < best.criterion + GAIN else best
    return best


def _promising(net: Network, best: Network) -> bool:
    """Whether a further start may end below the best result so far.

    Not if that result leaves little unexplained; for deep closures yes; else if columns alone
    bring it there.
    """
    silent = net.problem.silent
    if best.misfit + silent < 0.1 * (net.misfit + silent):
        return False
    if net.problem.rule.k >= DEEP:
        return True
    start = net.state
    net.improve_columns()
    reached = net.criterion
    net.set_state(start)
    return reached < best.criterion


def edit_gains(net: Network) -> npt.NDArray[np.float64]:
    """By how much the criterion rises if one edit is undone; one number per edit, row by row."""
    back = [(int(s), int(j), int(net.original[s, j])) for s, j in np.argwhere(net.edited)]
    rise = np.array([net.judge(move) for move in back], dtype=np.float64)
    return np.asarray(np.rint(rise + net.edit_cost) - net.edit_cost)  # without the tie-breaks


def unexplained_share(net: Network) -> float:
    """Share of unexplained cells among those where something is deduced or was seen."""
    evidence = net.problem.evidence
    spoken = (net.deduced() != 0) | (evidence.up + evidence.down > 0)
    seen = evidence.up + evidence.zero + evidence.down
    total = float(seen[spoken].sum(dtype=np.float64))
    return (net.misfit + net.problem.silent) / total if total else 0.0


@dataclass
class Found:
    """What the search found.

    Attributes
    ----------
    net : Network
        The network of the lowest criterion.
    relaxed : Relaxed
        Weights of the relaxation that led there.
    thresholded : ndarray of int8, shape (r, n)
        The first relaxation cut at ½, before any polish.
    """

    net: Network
    relaxed: Relaxed
    thresholded: State

    def polish(self, *starts: State, edit_cost: float) -> None:
        """Take the best network that a polish reaches from these."""
        hints = self.relaxed.positive - self.relaxed.negative
        self.net = polish(self.net.problem, [*starts], self.net.original, edit_cost, hints)


def search(
    problem: Objective,
    original: State,
    edit_cost: float,
    schedule: Schedule,
    rounds: int,
    device: str = "cpu",
    progress: bool = False,
) -> Found:
    """Relax, cut, polish; again from the polished regulators while much stays unexplained.

    An edit is a difference from ``original`` (states, (r, n)); with no ``rounds`` nothing is
    polished.
    """

    def look(start: State) -> Found:
        relaxed = relax(start, problem.reg, problem.evidence, schedule, device, progress)
        cut = state_of(relaxed.positive > 0.5, relaxed.negative > 0.5)
        return Found(Network(problem, cut, original, edit_cost), relaxed, cut)

    best = look(original)
    if rounds == 0:
        return best
    best.polish(best.thresholded, original, edit_cost=edit_cost)
    for _ in range(1, rounds):
        if problem.rule.k == 1 or unexplained_share(best.net) < SETTLED:
            break
        settled = original.copy()
        settled[:, problem.reg] = best.net.state[:, problem.reg]
        again = look(settled)
        again.polish(again.thresholded, edit_cost=edit_cost)
        if again.net.criterion >= best.net.criterion + GAIN:
            break
        best.net, best.relaxed = again.net, again.relaxed
    return best
