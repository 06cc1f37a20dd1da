"""Exact semantics: what edges mean for the responses, and what changing one would do.

A path of length 1..k is a walk of 0..k-1 steps among regulators and one last step to the gene.
So with the *reach* (q perturbed regulators × r regulators, 0..k-1 steps) the response of a gene
depends on its own column of edges alone: every column is a small problem of its own, and with the
reach held fixed all of them are searched at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.knowledge import Rule
from aligned.refine.evidence import Evidence

__all__ = ["Objective", "Reach", "carried", "change_table", "deltas", "effects", "search_columns"]

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
Double = npt.NDArray[np.float64]
State = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]
Counts = tuple[Floats, Floats]
Steps = tuple[Any, Any]

#: Preference among changes that are equally good: fewer edits first, then no dual pairs.
TIE_EDIT, TIE_DUAL = 1e-5, 1e-6


@dataclass(frozen=True)
class Objective:
    """Everything the exact criterion needs besides the edges.

    Attributes
    ----------
    evidence : Evidence
        Perturbations and responses.
    gain_up, gain_down : ndarray of float32, shape (b, n)
        Change in misfit if a deduction goes from 0 to +1, to -1.
    reg : ndarray of int, shape (r,)
        Column of each regulator.
    rule : Rule
        How the network is closed.
    """

    evidence: Evidence
    gain_up: Float
    gain_down: Float
    reg: Index
    rule: Rule

    @classmethod
    def build(cls, evidence: Evidence, reg: Index, rule: Rule) -> Objective:
        """The problem of this evidence."""
        up, down = evidence.zero - evidence.up, evidence.zero - evidence.down
        return cls(evidence, up, down, reg, rule)

    @property
    def majority(self) -> bool:
        """Whether signs are counted against each other instead of standing side by side."""
        return self.rule.rule == "majority"

    @property
    def silent(self) -> float:
        """Misfit of deducing 0 everywhere."""
        return float((self.evidence.up + self.evidence.down).sum(dtype=np.float64))

    def at_columns(self, cols: Index) -> Objective:
        """The same problem on some of the columns."""
        return replace(self, gain_up=self.gain_up[:, cols], gain_down=self.gain_down[:, cols])


@dataclass(frozen=True)
class Reach:
    """Walks of 0..k-1 steps from perturbed regulators to regulators, both (q, r).

    ``positive, negative`` hold float32 truth values (``boolean``); under ``majority`` ``positive``
    holds the damped signed number of walks in float64 and ``negative`` nothing.
    """

    positive: Floats
    negative: Floats

    @property
    def reached(self) -> Bool:
        return (self.positive != 0) | (self.negative != 0)

    def part(self, rows: Index | slice, cols: Index | slice = slice(None)) -> Reach:
        """The walks from some regulators to some."""
        return Reach(self.positive[rows][:, cols], self.negative[rows][:, cols])


def steps_of(problem: Objective, block: State) -> Steps:
    """Single steps among regulators from their states (r × r): unsigned and signed.

    *Transposed* (target, source); sparse where the block is large and sparse.
    """
    kind: type[np.floating] = np.float64 if problem.majority else np.float32
    activates, inhibits = (block.T & 1).astype(kind), (block.T >> 1).astype(kind)
    unsigned, signed = activates + inhibits, activates - inhibits
    if len(block) >= 100 and np.count_nonzero(block) < 0.1 * block.size:
        return sp.csr_array(unsigned), sp.csr_array(signed)
    return unsigned, signed


def reach(
    problem: Objective,
    steps: Steps,
    start: Index,
    length: int,
    change: tuple[int, int, float, float] | None = None,
) -> Reach:
    """Walks of 0..``length`` steps from regulators ``start``.

    ``change = (s, j, unsigned, signed)`` adds to the step from regulator ``s`` to regulator ``j``
    without building the matrices anew.
    """
    unsigned, signed = steps
    unit = np.zeros((signed.shape[0], len(start)), dtype=signed.dtype)
    unit[start, np.arange(len(start))] = 1.0

    def advance(step: Floats | sp.csr_array, walks: Floats, by: int) -> Floats:
        out = step @ walks
        if change is not None:
            out[change[1]] += change[by] * walks[change[0]]
        return out

    pos, neg = unit, np.zeros_like(unit)
    for _ in range(length):
        if problem.majority:
            pos = unit + problem.rule.alpha * advance(signed, pos, 3)
            continue
        total = advance(unsigned, pos + neg, 2)
        difference = advance(signed, pos - neg, 3)
        new_pos = np.maximum(unit, total + difference > 0.5)
        new_neg = (total - difference > 0.5).astype(np.float32)
        if np.array_equal(new_pos, pos) and np.array_equal(new_neg, neg):
            break
        pos, neg = new_pos, new_neg
    return Reach(np.ascontiguousarray(pos.T), np.ascontiguousarray(neg.T))


def carried(walks: Reach, state: State) -> Counts:
    """What carries up and what carries down to each gene from each start, two (q, J).

    Under ``boolean`` numbers of regulators, so that one edge can be taken out of the count; under
    ``majority`` damped sums of walks, whose difference counts.
    """
    kind = walks.positive.dtype
    activates, inhibits = (state & 1).astype(kind), (state >> 1).astype(kind)
    pos, neg = walks.positive @ activates, walks.positive @ inhibits
    if walks.negative.any():
        pos += walks.negative @ inhibits
        neg += walks.negative @ activates
    return pos, neg


def shifted(
    counts: Counts, walks: Counts, activating: State | int, inhibiting: State | int
) -> Counts:
    """`carried` after so many activating and inhibiting edges more (or, below 0, fewer).

    ``walks``: the activating and the inhibiting ones from each start to these edges.
    """
    pos, neg = walks
    return (
        counts[0] + pos * activating + neg * inhibiting,
        counts[1] + neg * activating + pos * inhibiting,
    )


def signs(problem: Objective, counts: Counts) -> tuple[Bool, Bool]:
    """Whether up, and whether down, is an effect of each perturbed regulator; two (q, J)."""
    pos, neg = counts
    if problem.majority:
        total = pos - neg
        edge = problem.rule.margin + 1e-9 * max(1.0, float(np.abs(total).max(initial=0.0)))
        return total > edge, total < -edge
    return pos > 0.5, neg > 0.5


def effects(problem: Objective, counts: Counts) -> State:
    """Effect of each perturbed regulator on each gene, int8 in {-1, 0, 1}: up less down."""
    up, down = signs(problem, counts)
    return up.view(np.int8) - down.view(np.int8)


def deltas(x: Float, effect: State) -> State:
    """Deduction for each row of perturbations: effects of what it perturbs, summed and clipped."""
    touched = x != 0
    if (touched.sum(axis=1) == 1).all():  # single over-expressions
        return effect[touched.argmax(axis=1)]
    return np.clip(np.rint(x @ effect.astype(np.float32)), -1, 1).astype(np.int8)


def misfits(delta: npt.NDArray[Any], up: Float, down: Float) -> Float:
    """Misfit of each cell relative to deducing 0, from its ``gain_up`` and ``gain_down``."""
    return np.asarray((delta > 0) * up + (delta < 0) * down, dtype=np.float32)


# ------------------------------------------------------------------------ all single changes


def change_table(problem: Objective, walks: Reach, state: State) -> Float:
    """Change in misfit if one pair took another state; float32 of shape (4, r, J).

    ``problem`` is that of the J columns of ``state`` (r, J); the reach is held fixed.
    """
    if problem.majority:
        return _by_regulator(problem, walks, state, np.arange(len(problem.evidence.x)))
    single = problem.evidence.single
    table = _by_products(problem, walks, state, np.flatnonzero(single))
    if not single.all():
        table += _by_regulator(problem, walks, state, np.flatnonzero(~single))
    return table


def _by_products(problem: Objective, walks: Reach, state: State, rows: Index) -> Float:
    """`change_table` over rows that perturb one regulator, boolean rule, as matrix products.

    Turning a sign on or off for one perturbed regulator has a known price per cell; an edge
    ``s → j`` turns on (off) whatever its walks reach, so its price is a sum over the rows that
    reach ``s``: a product of the reach with the prices.
    """
    walks = walks.part((problem.evidence.x[rows] != 0).argmax(axis=1))
    counts = carried(walks, state)
    up, down = problem.gain_up[rows], problem.gain_down[rows]
    by_pos, by_neg = walks.positive > 0, walks.negative > 0
    has_pos, has_neg = counts[0] > 0, counts[1] > 0
    now = np.where(has_pos & ~has_neg, up, np.where(has_neg & ~has_pos, down, 0))

    def price(p: Bool, n: Bool) -> Float:
        then = np.where(p & ~n, up, np.where(n & ~p, down, 0))
        return np.asarray(then - now, dtype=np.float32)

    yes = np.ones_like(has_pos)
    on_pos, on_neg, on_both = price(yes, has_neg), price(has_pos, yes), price(yes, yes)
    only_pos, only_neg, mixed = (
        part.astype(np.float32).T for part in (by_pos & ~by_neg, by_neg & ~by_pos, by_pos & by_neg)
    )
    table = np.zeros((4, *state.shape), dtype=np.float32)
    both = _product(mixed, on_both)
    table[1] = _product(only_pos, on_pos) + _product(only_neg, on_neg) + both
    table[2] = _product(only_pos, on_neg) + _product(only_neg, on_pos) + both
    table[3] = _product(only_pos + only_neg, on_both) + both
    s, j = np.nonzero(state)  # where an edge is already, it is taken out of the count first
    way, held = (walks.positive[:, s], walks.negative[:, s]), state[s, j]
    without = shifted((counts[0][:, j], counts[1][:, j]), way, -(held & 1), -(held >> 1))
    for v in range(4):
        effect = effects(problem, shifted(without, way, v & 1, v >> 1))
        table[v, s, j] = (misfits(effect, up[:, j], down[:, j]) - now[:, j]).sum(axis=0)
    return table


def _product(left: Float, right: Float) -> Float:
    """``left @ right``, skipping rows of ``left`` that hold nothing."""
    used = left.any(axis=1)
    if used.all():
        return left @ right
    out = np.zeros((len(left), right.shape[1]), dtype=np.float32)
    if used.any():
        out[used] = left[used] @ right
    return out


def _by_regulator(problem: Objective, walks: Reach, state: State, rows: Index) -> Float:
    """`change_table` for any rule and any perturbations, one regulator at a time."""
    x = problem.evidence.x[rows]
    table = np.zeros((4, *state.shape), dtype=np.float32)
    q = np.flatnonzero((x != 0).any(axis=0))
    x, walks = x[:, q], walks.part(q)
    counts = carried(walks, state)
    effect = effects(problem, counts).astype(np.float32)
    total = x @ effect
    cost = misfits(np.rint(total), problem.gain_up[rows], problem.gain_down[rows])
    reached = walks.reached
    for s in np.flatnonzero(reached.any(axis=0)):
        at = np.flatnonzero(reached[:, s])
        b = np.flatnonzero((x[:, at] != 0).any(axis=1))
        through = x[np.ix_(b, at)]
        rest = total[b] - through @ effect[at]
        up, down = problem.gain_up[rows[b]], problem.gain_down[rows[b]]
        now = cost[b].sum(axis=0)
        way = (walks.positive[at, s][:, None], walks.negative[at, s][:, None])
        here = (counts[0][at], counts[1][at])
        without = shifted(here, way, -(state[s] & 1), -(state[s] >> 1))
        for v in range(4):
            changed = effects(problem, shifted(without, way, v & 1, v >> 1))
            then = np.rint(rest + through @ changed.astype(np.float32))
            table[v, s] = misfits(then, up, down).sum(axis=0) - now
    return table


def edit_table(
    problem: Objective,
    walks: Reach,
    state: State,
    original: State,
    edit_cost: float,
    rows: Index,
    cols: Index,
) -> Double:
    """Change in the criterion by every single change, reach held fixed; float64 (4, r, J).

    As `change_table`, for regulators ``rows`` and columns ``cols`` of the whole problem. Ties are
    broken by tiny terms: fewer edits first, then fewer dual pairs. Self-loops are ruled out: in its
    own column a regulator's row is offered no change.
    """
    out = change_table(problem.at_columns(cols), walks, state).astype(np.float64)
    was = (state != original) * (edit_cost + TIE_EDIT) + (state == 3) * TIE_DUAL
    for v in range(4):
        out[v] += (original != v) * (edit_cost + TIE_EDIT) + (v == 3) * TIE_DUAL - was
    _, s, j = np.intersect1d(problem.reg[rows], cols, assume_unique=True, return_indices=True)
    out[:, s, j] = np.inf
    out[state[s, j], s, j] = 0.0
    return out


def search_columns(
    problem: Objective,
    walks: Reach,
    state: State,
    original: State,
    cols: Index,
    edit_cost: float,
    table_size: int = 4_000_000,
) -> State:
    """Improve columns by single changes until none helps; returns states of shape (r, len(cols)).

    In each round every column takes its best single change, and only columns that changed are
    looked at again. The reach is held fixed: ``cols`` must hold no regulator unless ``k = 1``.
    """
    out = original[:, cols].copy()
    usable = np.flatnonzero(walks.reached.any(axis=0))
    inner = walks.part(slice(None), usable)
    chunk = max(64, table_size // max(1, len(usable)))
    local, anchor = state[np.ix_(usable, cols)], original[np.ix_(usable, cols)]
    for begin in range(0, len(cols), chunk):
        part = np.arange(begin, min(begin + chunk, len(cols)))
        while len(part):
            here = local[:, part]
            total = edit_table(problem, inner, here, anchor[:, part], edit_cost, usable, cols[part])
            flat = total.reshape(-1, len(part))
            best = flat.argmin(axis=0)
            better = flat[best, np.arange(len(part))] < -TIE_DUAL / 2
            part, best = part[better], best[better]
            local[best % len(usable), part] = (best // len(usable)).astype(np.int8)
    out[usable] = local
    return out
