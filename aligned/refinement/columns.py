"""Exact search per column: which change of one pair explains most of a gene's responses.

With the reach among regulators held fixed, the columns of the network do not know each other, so
all of them are searched at once: in each round every column takes its best single change, and only
columns that changed are looked at again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aligned.refinement.exact import Objective, Reach, effects, responses

__all__ = ["change_table", "edit_table", "search_columns"]

Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
Double = npt.NDArray[np.float64]
State = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]

#: Preference among changes that are equally good: fewer edits first, then no dual pairs.
TIE_EDIT, TIE_DUAL = 1e-5, 1e-6


def change_table(problem: Objective, walks: Reach, state: State) -> Float:
    """Change in misfit if one pair took another state; float32 of shape (4, r, J).

    Parameters
    ----------
    problem : Objective
        On the J columns of ``state``.
    walks : Reach
        Reach among regulators, held fixed.
    state : ndarray of int8, shape (r, J)
        Edge states of these columns.
    """
    if problem.rule == "majority":
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
    q = (problem.evidence.x[rows] != 0).argmax(axis=1)
    pos, neg = responses(problem, Reach(walks.positive[q], walks.negative[q]), state)
    gain_up, gain_down = problem.gain_up[rows], problem.gain_down[rows]
    reach_pos, reach_neg = walks.positive[q] > 0, walks.negative[q] > 0
    only = [(reach_pos & ~reach_neg), (reach_neg & ~reach_pos), (reach_pos & reach_neg)]
    has_pos, has_neg = pos > 0, neg > 0
    now = np.where(has_pos & ~has_neg, gain_up, np.where(has_neg & ~has_pos, gain_down, 0))

    def price(p: npt.NDArray[np.bool_], n: npt.NDArray[np.bool_]) -> Float:
        then = np.where(p & ~n, gain_up, np.where(n & ~p, gain_down, 0))
        return np.asarray(then - now, dtype=np.float32)

    yes = np.ones_like(has_pos)
    on_pos, on_neg, on_both = price(yes, has_neg), price(has_pos, yes), price(yes, yes)
    through = [part.astype(np.float32).T for part in only]
    table = np.zeros((4, *state.shape), dtype=np.float32)
    mixed = _product(through[2], on_both)
    table[1] = _product(through[0], on_pos) + _product(through[1], on_neg) + mixed
    table[2] = _product(through[0], on_neg) + _product(through[1], on_pos) + mixed
    table[3] = _product(through[0] + through[1], on_both) + mixed
    s, j = np.nonzero(state)
    reaches = tuple(w[:, s] for w in (reach_pos, reach_neg))
    counts, gains = (pos[:, j], neg[:, j]), (gain_up[:, j], gain_down[:, j])
    table[:, s, j] = _edge_changes(reaches, counts, gains, state[s, j], now[:, j])
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


def _edge_changes(
    reaches: tuple[npt.NDArray[np.bool_], ...],
    counts: tuple[Float, Float],
    gains: tuple[Float, Float],
    current: State,
    now: Float,
) -> Float:
    """Prices of the four states for pairs that have an edge; float32 (4, e) for e pairs."""
    reach_pos, reach_neg = reaches
    held_pos, held_neg = current & 1, current >> 1
    rest_pos = counts[0] - (reach_pos * held_pos + reach_neg * held_neg)
    rest_neg = counts[1] - (reach_neg * held_pos + reach_pos * held_neg)
    out = np.empty((4, len(current)), dtype=np.float32)
    for v in range(4):
        p, n = v & 1, v >> 1
        up = (rest_pos > 0.5) | (reach_pos & bool(p)) | (reach_neg & bool(n))
        down = (rest_neg > 0.5) | (reach_neg & bool(p)) | (reach_pos & bool(n))
        cost = np.where(up & ~down, gains[0], np.where(down & ~up, gains[1], 0))
        out[v] = (cost - now).sum(axis=0)
    return out


def _by_regulator(problem: Objective, walks: Reach, state: State, rows: Index) -> Float:
    """`change_table` for any rule and any perturbations, one regulator at a time."""
    x = problem.evidence.x[rows]
    table = np.zeros((4, *state.shape), dtype=np.float32)
    q = np.flatnonzero((x != 0).any(axis=0))
    if len(q) == 0:
        return table
    x = x[:, q]
    local = Reach(walks.positive[q], walks.negative[q])
    pos, neg = responses(problem, local, state)
    effect = effects(problem, pos, neg).astype(np.float32)
    total = x @ effect
    cost = problem.cost(np.rint(total).astype(np.int8), rows, slice(None))
    reached = local.reached
    for s in np.flatnonzero(reached.any(axis=0)):
        at = np.flatnonzero(reached[:, s])
        b = np.flatnonzero((x[:, at] != 0).any(axis=1))
        through = x[np.ix_(b, at)]
        rest = total[b] - through @ effect[at]
        up, down = problem.gain_up[rows[b]], problem.gain_down[rows[b]]
        now = cost[b].sum(axis=0)
        way = (local.positive[at, s][:, None], local.negative[at, s][:, None])
        without = _with_state(problem.rule, way, (pos[at], neg[at]), state[s], -1)
        for v in range(3 if problem.rule == "majority" else 4):
            counts = _with_state(problem.rule, way, without, np.int8(v), 1)
            changed = effects(problem, *counts)
            then = np.rint(rest + through @ changed.astype(np.float32))
            table[v, s] = ((then > 0) * up + (then < 0) * down).sum(axis=0) - now
    if problem.rule == "majority":
        table[3] = table[0]  # both signs of an edge cancel
    return table


def _with_state(
    rule: str,
    way: tuple[Floats, Floats],
    counts: tuple[Floats, Floats],
    state: State | np.int8,
    factor: int,
) -> tuple[Floats, Floats]:
    """Counts for up and for down with edges of this state added (factor 1) or taken out (-1).

    ``way`` holds the activating and inhibiting walks from each perturbed regulator to the edge.
    Under ``majority`` the first count is the signed sum and the second is not used.
    """
    kind = np.float64 if rule == "majority" else np.float32
    plus, minus = kind(factor) * (state & 1), kind(factor) * (state >> 1)
    if rule == "majority":
        return counts[0] + way[0] * (plus - minus), counts[1]
    pos = counts[0] + way[0] * plus + way[1] * minus
    neg = counts[1] + way[1] * plus + way[0] * minus
    return pos, neg


def edit_table(table: Float, state: State, original: State, edit_cost: float) -> Double:
    """Change in objective (misfit + cost of edits) of every single change; (4, r, J).

    Ties are broken by tiny terms: fewer edits first, then fewer dual pairs.
    """
    out = table.astype(np.float64)
    was = (state != original) * (edit_cost + TIE_EDIT) + (state == 3) * TIE_DUAL
    for v in range(4):
        out[v] += (original != v) * (edit_cost + TIE_EDIT) + (v == 3) * TIE_DUAL - was
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

    Parameters
    ----------
    problem : Objective
        On all columns.
    walks : Reach
        Reach among regulators, held fixed; ``cols`` must hold no regulator unless ``k = 1``.
    state, original : ndarray of int8, shape (r, n)
        Current edges, and those of the input network.
    """
    out = original[:, cols].copy()
    usable = np.flatnonzero(walks.reached.any(axis=0))
    inner = Reach(walks.positive[:, usable], walks.negative[:, usable])
    chunk = max(64, table_size // max(1, len(usable)))
    local, anchor = state[np.ix_(usable, cols)], original[np.ix_(usable, cols)]
    for begin in range(0, len(cols), chunk):
        part = np.arange(begin, min(begin + chunk, len(cols)))
        while len(part):
            here = local[:, part]
            table = change_table(problem.at_columns(cols[part]), inner, here)
            total = edit_table(table, here, anchor[:, part], edit_cost)
            forbid_own(total, problem.reg[usable], cols[part], here)
            flat = total.reshape(-1, len(part))
            best = flat.argmin(axis=0)
            better = flat[best, np.arange(len(part))] < -TIE_DUAL / 2
            part, best = part[better], best[better]
            local[best % len(usable), part] = (best // len(usable)).astype(np.int8)
    out[usable] = local
    return out


def forbid_own(total: Double, reg: Index, cols: Index, state: State) -> None:
    """Rule out self-loops: a regulator's own column offers no change to its own row."""
    position = {int(c): j for j, c in enumerate(cols)}
    for s, column in enumerate(reg):
        j = position.get(int(column))
        if j is not None:
            total[:, s, j] = np.inf
            total[state[s, j], s, j] = 0.0
