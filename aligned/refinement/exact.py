"""Exact semantics: what edges mean for the responses, and what changing one would do.

A path of length 1..k is a walk of 0..k-1 steps among regulators and one last step to the gene.
So with the *reach* ``C`` (q perturbed regulators × r regulators, 0..k-1 steps) the response of a
gene depends on its own column of edges alone: every column is a small problem of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from aligned.refinement.evidence import Evidence

__all__ = [
    "STATES",
    "Objective",
    "Reach",
    "Steps",
    "deltas",
    "effects",
    "effects_both",
    "reach",
    "responses",
    "state_of",
]

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
State = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]

#: States of a pair: bit 1 = an activating edge, bit 2 = an inhibiting one.
STATES = ("0", "+", "-", "+-")


@dataclass(frozen=True)
class Objective:
    """Everything the exact objective needs besides the edges.

    Attributes
    ----------
    evidence : Evidence
        Perturbations and responses.
    gain_up, gain_down : ndarray of float32, shape (b, n)
        Change in misfit if a deduction goes from 0 to +1, to -1.
    reg : ndarray of int, shape (r,)
        Column of each regulator.
    k, rule, alpha, margin
        Closure rule, as in `KnowledgeBase.closure`.
    """

    evidence: Evidence
    gain_up: Float
    gain_down: Float
    reg: Index
    k: int
    rule: str
    alpha: float
    margin: float

    @classmethod
    def build(
        cls, evidence: Evidence, reg: Index, k: int, rule: str, alpha: float, margin: float
    ) -> Objective:
        up, down = evidence.zero - evidence.up, evidence.zero - evidence.down
        return cls(evidence, up, down, reg, k, rule, alpha, margin)

    @property
    def silent(self) -> float:
        """Misfit of deducing 0 everywhere."""
        return float((self.evidence.up + self.evidence.down).sum(dtype=np.float64))

    def cost(self, delta: npt.NDArray[np.int8], b: Index | slice, cols: Index | slice) -> Float:
        """Misfit relative to deducing 0, per cell of these rows and columns."""
        up, down = _pick(self.gain_up, b, cols), _pick(self.gain_down, b, cols)
        return np.asarray((delta > 0) * up + (delta < 0) * down, dtype=np.float32)

    def at_columns(self, cols: Index) -> Objective:
        """The same problem on some of the columns."""
        return replace(self, gain_up=self.gain_up[:, cols], gain_down=self.gain_down[:, cols])


def _pick(array: Float, b: Index | slice, cols: Index | slice) -> Float:
    rows = array if isinstance(b, slice) and b == slice(None) else array[b]
    return rows if isinstance(cols, slice) and cols == slice(None) else rows[:, cols]


@dataclass(frozen=True)
class Reach:
    """Walks of 0..k-1 steps from perturbed regulators to regulators, both (q, r).

    ``positive, negative`` hold float32 truth values (``boolean``); under ``majority`` ``positive``
    holds the damped signed number of walks in float64 and ``negative`` is not used.
    """

    positive: Floats
    negative: Floats

    @property
    def reached(self) -> Bool:
        return (self.positive != 0) | (self.negative != 0)


def state_of(r_pos: Bool, r_neg: Bool) -> State:
    """State of each pair: 0 none, 1 activating, 2 inhibiting, 3 both."""
    return r_pos.astype(np.int8) + 2 * r_neg.astype(np.int8)


@dataclass(frozen=True)
class Steps:
    """Single steps among regulators: unsigned and signed, (r, r), *transposed* (target, source).

    Sparse where the block is large and sparse.
    """

    unsigned: Floats | sp.csr_array
    signed: Floats | sp.csr_array

    @classmethod
    def build(cls, problem: Objective, block: State) -> Steps:
        """From the states of the edges among regulators (r × r)."""
        kind: type[np.floating] = np.float64 if problem.rule == "majority" else np.float32
        activates, inhibits = (block.T & 1).astype(kind), (block.T >> 1).astype(kind)
        unsigned, signed = activates + inhibits, activates - inhibits
        if len(block) >= 100 and np.count_nonzero(block) < 0.1 * block.size:
            return cls(sp.csr_array(unsigned), sp.csr_array(signed))
        return cls(unsigned, signed)


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
    r = steps.signed.shape[0]
    unit = np.zeros((r, len(start)), dtype=steps.signed.dtype)
    unit[start, np.arange(len(start))] = 1.0
    majority = problem.rule == "majority"

    def advance(step: Floats | sp.csr_array, walks: Floats, by: int) -> Floats:
        out = step @ walks
        if change is not None:
            out[change[1]] += change[by] * walks[change[0]]
        return out

    pos, neg = unit, np.zeros_like(unit)
    for _ in range(length):
        if majority:
            pos = unit + problem.alpha * advance(steps.signed, pos, 3)
            continue
        total = advance(steps.unsigned, pos + neg, 2)
        difference = advance(steps.signed, pos - neg, 3)
        new_pos = np.maximum(unit, total + difference > 0.5)
        new_neg = (total - difference > 0.5).astype(np.float32)
        if np.array_equal(new_pos, pos) and np.array_equal(new_neg, neg):
            break
        pos, neg = new_pos, new_neg
    return Reach(np.ascontiguousarray(pos.T), np.ascontiguousarray(neg.T))


def responses(problem: Objective, walks: Reach, state: State) -> tuple[Floats, Floats]:
    """Evidence for up and for down of each gene under each perturbed regulator, two (q, J).

    Under ``boolean`` the numbers of regulators that carry each sign, so that one edge can be taken
    out of the count; under ``majority`` the damped signed sum of paths, and nothing.
    """
    if problem.rule == "majority":
        signed = (state & 1).astype(np.float64) - (state >> 1)
        sums = walks.positive @ signed
        return sums, np.zeros_like(sums)
    activates = (state & 1).astype(np.float32)
    inhibits = (state >> 1).astype(np.float32)
    pos = walks.positive @ activates + walks.negative @ inhibits
    neg = walks.negative @ activates + walks.positive @ inhibits
    return pos, neg


def effects(problem: Objective, pos: Floats, neg: Floats) -> npt.NDArray[np.int8]:
    """Effect of each perturbed regulator on each gene, int8 in {-1, 0, 1}."""
    if problem.rule == "majority":
        edge = problem.margin + 1e-9 * max(1.0, float(np.abs(pos).max(initial=0.0)))
        return (pos > edge).astype(np.int8) - (pos < -edge).astype(np.int8)
    return (pos > 0.5).astype(np.int8) - (neg > 0.5).astype(np.int8)


def effects_both(problem: Objective, counts: tuple[Floats, Floats]) -> tuple[Float, Float]:
    """Whether up, and whether down, is carried at all: two (q, J) of 0 and 1."""
    if problem.rule == "majority":
        effect = effects(problem, *counts)
        return (effect > 0).astype(np.float32), (effect < 0).astype(np.float32)
    return (counts[0] > 0.5).astype(np.float32), (counts[1] > 0.5).astype(np.float32)


def deltas(problem: Objective, effect: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Deduction for each row of evidence: effects of what it perturbs, summed and clipped."""
    x = problem.evidence.x
    if problem.evidence.single.all():
        return effect[(x != 0).argmax(axis=1)]
    total = x @ effect.astype(np.float32)
    return np.clip(np.rint(total), -1, 1).astype(np.int8)
