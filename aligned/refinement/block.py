"""Edges among regulators: changing one changes the reach, so each change is judged in full.

"In full" is still local: an edge ``s → j`` touches only the walks of perturbed regulators that
reach ``s``, and only the genes with an edge from a regulator whose reach changed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.refinement.columns import (
    TIE_DUAL,
    TIE_EDIT,
    change_table,
    edit_table,
    forbid_own,
)
from aligned.refinement.exact import (
    Objective,
    Reach,
    Steps,
    deltas,
    effects,
    effects_both,
    reach,
    responses,
)

__all__ = ["GAIN", "Move", "Network"]

State = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]
Floats = npt.NDArray[np.floating]
Move = tuple[int, int, int]

#: A change is an improvement if it lowers the objective, tie-breaks included, by more than this.
GAIN = -TIE_DUAL / 2


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
        self.state = state
        self.steps = Steps.build(self.problem, state[:, self.problem.reg])
        rows = self.problem.evidence.rows
        self.walks = reach(self.problem, self.steps, rows, self.problem.k - 1)
        self.counts = responses(self.problem, self.walks, state)
        self.effect = effects(self.problem, *self.counts)
        self.cost = self.problem.cost(self.deduced(), slice(None), slice(None))
        self.misfit = float(self.cost.sum(dtype=np.float64))

    def deduced(self) -> State:
        """Deduction for each row of evidence, int8 (b, n)."""
        return deltas(self.problem, self.effect)

    @property
    def objective(self) -> float:
        """Misfit (relative to silence) plus the cost of the edits."""
        return self.misfit + self.edit_cost * self.n_edits

    @property
    def n_edits(self) -> int:
        return int((self.state != self.original).sum())

    def price(self, move: Move) -> float:
        """Cost of the edit itself and of its tie-breaks, relative to the present state."""
        s, j, v = move
        now, before = int(self.state[s, j]), int(self.original[s, j])
        edits = (v != before) - (now != before)
        return edits * (self.edit_cost + TIE_EDIT) + ((v == 3) - (now == 3)) * TIE_DUAL

    def judge(self, move: Move, below: float = -np.inf) -> float:
        """Exact change in objective if pair ``(s, j)`` took state ``v``.

        The change is made if it is under ``below`` (use `GAIN` for any improvement).
        """
        s, j, v = move
        self.evaluations += 1
        problem = self.problem
        rows = np.flatnonzero(self.walks.reached[:, s])
        if len(rows) == 0:
            return self._settle(move, self.price(move), below, None)
        by = int(self.state[s, j])
        step = (
            self.place[j],
            float((v & 1) + (v >> 1) - (by & 1) - (by >> 1)),
            float((v & 1) - (v >> 1) - (by & 1) + (by >> 1)),
        )
        start = problem.evidence.rows[rows]
        walks = reach(problem, self.steps, start, problem.k - 1, (s, *step))
        grown = (
            walks.positive - self.walks.positive[rows],
            walks.negative - self.walks.negative[rows],
        )
        moved = np.flatnonzero((grown[0] != 0).any(axis=0) | (grown[1] != 0).any(axis=0))
        touched = (self.state[moved] != 0).any(axis=0)
        touched[j] = True
        cols = np.flatnonzero(touched)
        at = np.ix_(rows, cols)
        more = responses(
            problem, Reach(grown[0][:, moved], grown[1][:, moved]), self.state[np.ix_(moved, cols)]
        )
        counts = (self.counts[0][at] + more[0], self.counts[1][at] + more[1])
        self._last_step(counts, walks, int(np.searchsorted(cols, j)), move)
        effect = effects(problem, *counts)
        b, delta = self._deltas(rows, cols, effect)
        cost = problem.cost(delta, b, cols)
        change = float((cost - self.cost[np.ix_(b, cols)]).sum(dtype=np.float64))
        return self._settle(
            move,
            change + self.price(move),
            below,
            (rows, walks, cols, counts, effect, b, cost, change),
        )

    def _last_step(
        self, counts: tuple[Floats, Floats], walks: Reach, column: int, move: Move
    ) -> None:
        """Count walks whose last step is the changed edge itself, in its column."""
        s, j, v = move
        by = int(self.state[s, j])
        plus, minus = (v & 1) - (by & 1), (v >> 1) - (by >> 1)
        if self.problem.rule == "majority":
            counts[0][:, column] += walks.positive[:, s] * (plus - minus)
            return
        counts[0][:, column] += walks.positive[:, s] * plus + walks.negative[:, s] * minus
        counts[1][:, column] += walks.negative[:, s] * plus + walks.positive[:, s] * minus

    def _deltas(
        self, rows: Index, cols: Index, effect: npt.NDArray[np.int8]
    ) -> tuple[Index, npt.NDArray[np.int8]]:
        """Rows of evidence that see a change in ``effect`` and what is deduced for them."""
        x = self.problem.evidence.x
        b = np.flatnonzero((x[:, rows] != 0).any(axis=1))
        if self.problem.evidence.single[b].all():
            return b, effect[(x[np.ix_(b, rows)] != 0).argmax(axis=1)]
        whole = self.effect[:, cols].astype(np.float32)
        whole[rows] = effect
        return b, np.clip(np.rint(x[b] @ whole), -1, 1).astype(np.int8)

    def _settle(self, move: Move, change: float, below: float, new: tuple | None) -> float:  # type: ignore[type-arg]
        if change < below:
            s, j, v = move
            self.state[s, j] = v
            self.steps = Steps.build(self.problem, self.state[:, self.problem.reg])
            if new is not None:
                rows, walks, cols, counts, effect, b, cost, misfit = new
                self.walks.positive[rows] = walks.positive
                self.walks.negative[rows] = walks.negative
                at = np.ix_(rows, cols)
                self.counts[0][at], self.counts[1][at] = counts
                self.effect[at] = effect
                self.cost[np.ix_(b, cols)] = cost
                self.misfit += misfit
        return change

    def block_table(self) -> npt.NDArray[np.float64]:
        """Change in objective of single changes in the regulators' columns, reach held fixed.

        An approximation (4, r, r) that ranks changes for `judge`: exact but for what the change
        does further down.
        """
        cols = self.problem.reg
        state = self.state[:, cols]
        table = change_table(self.problem.at_columns(cols), self.walks, state)
        total = edit_table(table, state, self.original[:, cols], self.edit_cost)
        forbid_own(total, self.problem.reg, cols, state)
        return total

    def downstream_table(self) -> npt.NDArray[np.float64]:
        """First-order change in misfit if an edge among regulators were added, with its effects.

        Shape (2, r, r), activating and inhibiting. Every gene downstream of the target is priced
        as if nothing else changed; rows that perturb several regulators are left out.
        """
        problem, reg = self.problem, self.problem.reg
        r = len(reg)
        onward = reach(problem, self.steps, np.arange(r), max(problem.k - 2, 0))
        beyond = effects_both(problem, responses(problem, onward, self.state))
        beyond[0][np.arange(r), reg], beyond[1][np.arange(r), reg] = 1.0, 0.0
        up, down = (price.astype(np.float32) for price in self._prices())
        with_sign = up @ beyond[0].T + down @ beyond[1].T
        against = down @ beyond[0].T + up @ beyond[1].T
        through = (
            (self.walks.positive > 0).astype(np.float32).T,
            ((self.walks.negative > 0) | (self.walks.positive < 0)).astype(np.float32).T,
        )
        return np.stack(
            [
                through[0] @ with_sign + through[1] @ against,
                through[0] @ against + through[1] @ with_sign,
            ]
        ).astype(np.float64)

    def _prices(self) -> tuple[Floats, Floats]:
        """Price of a further walk with effect up, and down, per perturbed regulator and gene."""
        problem = self.problem
        single = np.flatnonzero(problem.evidence.single)
        q = (problem.evidence.x[single] != 0).argmax(axis=1)
        pos, neg = effects_both(problem, (self.counts[0][q], self.counts[1][q]))
        now = self.cost[single]
        up, down = np.zeros(self.effect.shape), np.zeros(self.effect.shape)
        up[q] = np.where(neg > 0, 0, problem.gain_up[single]) - now
        down[q] = np.where(pos > 0, 0, problem.gain_down[single]) - now
        return up, down

    def reversals(self) -> list[Move]:
        """The moves that undo the edits among regulators, one each."""
        reg = self.problem.reg
        s, j = np.nonzero(self.state[:, reg] != self.original[:, reg])
        before = self.original[s, reg[j]]
        return [(int(a), int(reg[b]), int(v)) for a, b, v in zip(s, j, before, strict=True)]
