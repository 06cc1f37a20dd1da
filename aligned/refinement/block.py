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
    Problem,
    block_matrices,
    deltas,
    effects,
    reach,
    responses,
)

__all__ = ["Move", "Network"]

State = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]
Move = tuple[int, int, int]


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

    def __init__(self, problem: Problem, state: State, original: State, edit_cost: float) -> None:
        self.problem, self.original, self.edit_cost = problem, original, edit_cost
        self.evaluations = 0
        self.place = {int(column): i for i, column in enumerate(problem.reg)}
        self.set_state(state.copy())

    def set_state(self, state: State) -> None:
        """Take these edges and recompute everything."""
        self.state = state
        self.unsigned, self.signed = block_matrices(self.problem, state[:, self.problem.reg])
        rows = self.problem.evidence.rows
        self.walks = reach(self.problem, self.unsigned, self.signed, rows)
        pos, neg = responses(self.problem, self.walks, state)
        self.effect = effects(self.problem, pos, neg)
        self.cost = self.problem.cost(deltas(self.problem, self.effect), slice(None), slice(None))
        self.misfit = float(self.cost.sum(dtype=np.float64))

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

    def judge(self, move: Move, take: bool = False) -> float:
        """Exact change in objective if pair ``(s, j)`` took state ``v``; taken if it is below 0."""
        s, j, v = move
        self.evaluations += 1
        problem = self.problem
        rows = np.flatnonzero(self.walks.reached[:, s])
        if len(rows) == 0:
            return self._settle(move, self.price(move), take, None)
        self._set_step(move)
        walks = reach(problem, self.unsigned, self.signed, problem.evidence.rows[rows])
        self._set_step((s, j, int(self.state[s, j])))
        moved = (walks.positive != self.walks.positive[rows]) | (
            walks.negative != self.walks.negative[rows]
        )
        touched = (self.state[moved.any(axis=0)] != 0).any(axis=0)
        touched[j] = True
        cols = np.flatnonzero(touched)
        state = self.state[:, cols]
        state[s, np.searchsorted(cols, j)] = v
        pos, neg = responses(problem, walks, state)
        effect = effects(problem, pos, neg)
        b, delta = self._deltas(rows, cols, effect)
        cost = problem.cost(delta, b, cols)
        change = float((cost - self.cost[np.ix_(b, cols)]).sum(dtype=np.float64))
        return self._settle(
            move, change + self.price(move), take, (rows, walks, cols, effect, b, cost, change)
        )

    def _set_step(self, move: Move) -> None:
        """Write state ``v`` of a pair of regulators into the block matrices."""
        s, j, v = move
        at = self.place[j]
        self.unsigned[s, at] = (v & 1) + (v >> 1)
        self.signed[s, at] = (v & 1) - (v >> 1)

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

    def _settle(self, move: Move, change: float, take: bool, new: tuple | None) -> float:  # type: ignore[type-arg]
        if take and change < -TIE_DUAL / 2:
            s, j, v = move
            self.state[s, j] = v
            self._set_step(move)
            if new is not None:
                rows, walks, cols, effect, b, cost, misfit = new
                self.walks.positive[rows], self.walks.negative[rows] = (
                    walks.positive,
                    walks.negative,
                )
                self.effect[np.ix_(rows, cols)] = effect
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

    def reversals(self) -> list[Move]:
        """The moves that undo the edits among regulators, one each."""
        reg = self.problem.reg
        s, j = np.nonzero(self.state[:, reg] != self.original[:, reg])
        before = self.original[s, reg[j]]
        return [(int(a), int(reg[b]), int(v)) for a, b, v in zip(s, j, before, strict=True)]
