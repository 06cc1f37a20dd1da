"""The relaxed problem: a smooth closure, its loss, and the proximal step.

Edges become nonnegative weights ``P, N`` (r × n). With ``A = P - N`` and ``T = P + N`` the signed
and the unsigned path sums obey one recursion each, and only the last step of a path leaves the
r × r block of regulators, so both are one product ``C·A`` with a small ``C = Σ_{l<k} (α·A_reg)^l``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from tqdm import tqdm

from aligned.refine.evidence import Evidence

__all__ = [
    "Relaxed",
    "Schedule",
    "lam_bound",
    "loss_and_gradient",
    "path_weights",
    "proximal_step",
    "relax",
    "relaxed_closure",
    "residual_loss",
]

Tensor = torch.Tensor

#: Decay of the running mean and of the running square of the gradient.
BETA1, BETA2 = 0.8, 0.98
#: Weight (that of an edge that passes the threshold) from which an edge among regulators makes the
#: edges of its target part of the problem.
POINTS = 0.5
#: The history is written and convergence looked at every so many iterations.
EVERY = 5


def lam_bound(t: float) -> float:
    """Largest useful λ: at ``λ ≥ t·u·(u - e^-t)``, ``u = e^(-t/2)``, no new edge passes the cut.

    It is the gradient that an unexplained cell exerts on its missing edge at ``P = ½``.

    Examples
    --------
    >>> round(lam_bound(1.5), 3)
    0.177
    """
    u = float(np.exp(-t / 2))
    return t * u * (u - float(np.exp(-t)))


def path_weights(block: Tensor, start: Tensor, k: int, alpha: float) -> Tensor:
    """Rows ``start`` of ``Σ_{l<k} (α·block)^l`` by Horner's rule from the left; shape (q, r)."""
    unit = torch.zeros(len(start), block.shape[1], dtype=block.dtype, device=block.device)
    unit[torch.arange(len(start), device=block.device), start] = 1.0
    weights = unit
    for _ in range(k - 1):
        weights = unit + alpha * (weights @ block)
    return weights


def relaxed_closure(
    a: Tensor, t: Tensor, a_block: Tensor, t_block: Tensor, start: Tensor, k: int, alpha: float
) -> tuple[Tensor, Tensor]:
    """Relaxed closure by the decoupled recursion; ``R+, R-`` of regulators ``start``, (q, n) each.

    ``U_l = A + α·A[:, reg]·U_(l-1)``, ``V_l = T + α·T[:, reg]·V_(l-1)``; ``R+ = (V + U)/2``,
    ``R- = (V - U)/2``. Only the last step of a path leaves the regulators, so the recursion runs on
    ``A = P - N`` and ``T = P + N`` at their columns (r × r), and one product each is left.
    """
    if k == 1:
        u, v = a[start], t[start]
    else:
        u = path_weights(a_block, start, k, alpha) @ a
        v = path_weights(t_block, start, k, alpha) @ t
    return (v + u) / 2, (v - u) / 2


def residual_loss(
    r_pos: Tensor, r_neg: Tensor, x: Tensor | None, target: Tensor, mass: Tensor, t: float
) -> Tensor:
    """``½ Σ mass·(clip(x·[ε(R+) - ε(R-)], -1, 1) - target)²`` over the cells that count.

    Parameters
    ----------
    r_pos, r_neg : Tensor, shape (q, n)
        Relaxed effects of the perturbed regulators.
    x : Tensor, shape (b, q), or None
        Perturbations; ``None`` stands for one over-expression per perturbed regulator, in order.
    target, mass : Tensor, shape (b, n)
        Mean response times ``1 - e^-t`` (what an intact edge predicts) and how often it was seen.
    """
    effect = torch.expm1(-t * r_neg) - torch.expm1(-t * r_pos)
    if x is not None:
        effect = x @ effect
    residual = effect.clamp(-1.0, 1.0) - target
    return 0.5 * (mass * residual * residual).sum()


def loss_and_gradient(
    p: Tensor,
    n: Tensor,
    reg: Tensor,
    start: Tensor,
    x: Tensor | None,
    target: Tensor,
    mass: Tensor,
    k: int,
    alpha: float,
    t: float,
) -> tuple[float, Tensor]:
    """`residual_loss` of the weights and its gradient, shape (2, r, n), for ``P`` and ``N``.

    Parameters
    ----------
    p, n : Tensor, shape (r, n)
        Weights of activating and inhibiting edges.
    reg, start : Tensor of int
        Column of each regulator, shape (r,); row of each perturbed regulator, shape (q,).
    """
    leaves = [p - n, p + n]
    if k > 1:  # the columns at regulators as leaves of their own: no scatter of size r × n
        leaves += [leaves[0][:, reg], leaves[1][:, reg]]
    a, total, *blocks = (leaf.requires_grad_(True) for leaf in leaves)
    a_block, t_block = blocks if blocks else (a, total)
    r_pos, r_neg = relaxed_closure(a, total, a_block, t_block, start, k, alpha)
    loss = residual_loss(r_pos, r_neg, x, target, mass, t)
    by_a, by_t, *by_block = torch.autograd.grad(loss, [a, total, *blocks])
    if by_block:
        by_a[:, reg] += by_block[0]
        by_t[:, reg] += by_block[1]
    return float(loss.detach()), torch.stack([by_t + by_a, by_t - by_a])


def proximal_step(
    weight: Tensor, direction: Tensor, step: Tensor, anchor: Tensor, lam: float, penalty: str
) -> Tensor:
    """Minimise ``½‖W - (weight - step·direction)‖²/step + penalty(W - anchor)`` over ``W ≥ 0``.

    For ``l1`` (penalty ``λ|·|_1``) a soft threshold towards the anchor, so that an entry whose pull
    is below λ stays *exactly*; for ``frobenius`` (``λ/2·‖·‖²``) a shrinkage that never does.
    """
    pull = (weight - anchor).div_(step).sub_(direction)
    if penalty == "l1":
        pull = torch.nn.functional.softshrink(pull, lam)
    else:
        pull /= 1.0 + lam * step
    return pull.mul_(step).add_(anchor).clamp_(min=0.0)


@dataclass(frozen=True)
class Relaxed:
    """Solution of the relaxed problem: weights as float32 (r, n), and how it was reached."""

    positive: npt.NDArray[np.float32]
    negative: npt.NDArray[np.float32]
    history: pd.DataFrame


@dataclass(frozen=True)
class Schedule:
    """Settings of the solver: ``warm`` is the share of iterations over which the step grows."""

    k: int
    t: float
    lam: float
    alpha: float
    penalty: str
    max_iter: int
    step: float = 0.05
    warm: float = 0.3
    tolerance: float = 1e-3


def relax(
    state: npt.NDArray[np.int8],
    reg: npt.NDArray[np.intp],
    evidence: Evidence,
    schedule: Schedule,
    device: str = "cpu",
    progress: bool = False,
) -> Relaxed:
    """Solve the relaxed problem by proximal gradient with Adam-like scaling.

    The step warms up over the first ``warm`` share of the iterations and then falls as a cosine: a
    full first step would raise every entry with a gradient at once, the sums over paths would
    explode, and a saturated closure has no gradient to come back by.

    Only regulators that a path from a perturbed one can reach have a gradient, so only their rows
    are held; rows are taken in as new edges make them reachable.

    Parameters
    ----------
    state : ndarray of int8, shape (r, n)
        The current network (bit 1: activating, bit 2: inhibiting), both start and anchor.
    reg : ndarray of int, shape (r,)
        Column of each regulator.
    """
    solver = _Solver(state, reg, evidence, schedule, device)
    records = []
    rounds = tqdm(
        range(schedule.max_iter), desc="relax", disable=None if progress else True, leave=False
    )
    for iteration in rounds:
        looking = iteration % EVERY == 0 or iteration == schedule.max_iter - 1
        before = solver.weight
        fit = solver.iterate(iteration)
        if looking:
            records.append((iteration, *solver.record(fit, before)))
            still = iteration >= schedule.warm * schedule.max_iter
            if not solver.grow() and still and solver.largest_change(before) <= schedule.tolerance:
                break
    positive, negative = solver.weights()
    columns = ["iteration", "objective", "fit", "penalty", "moved"]
    return Relaxed(positive, negative, pd.DataFrame(records, columns=columns))


class _Solver:
    """State of the proximal iteration on the rows that can have a gradient."""

    def __init__(
        self,
        state: npt.NDArray[np.int8],
        reg: npt.NDArray[np.intp],
        evidence: Evidence,
        schedule: Schedule,
        device: str,
    ) -> None:
        self.set, self.reg, self.device = schedule, reg, torch.device(device)
        self.whole = np.stack([state & 1, state >> 1])
        mean = evidence.up - evidence.down
        mass = evidence.up + evidence.zero + evidence.down
        mean = np.divide(mean, mass, out=np.zeros_like(mean), where=mass > 0)
        plain = evidence.x.shape[0] == evidence.x.shape[1] and np.array_equal(
            evidence.x, np.eye(len(evidence.x), dtype=np.float32)
        )
        self.x = None if plain else torch.from_numpy(evidence.x).to(self.device)
        scale = 1.0 - float(np.exp(-schedule.t))
        self.target = torch.from_numpy(mean * np.float32(scale)).to(self.device)
        self.mass = torch.from_numpy(mass).to(self.device)
        self.perturbed = evidence.rows
        self.active = np.empty(0, dtype=np.intp)
        self._take_in(evidence.rows)
        for _ in range(schedule.k - 1):
            self.grow()

    def _take_in(self, rows: npt.NDArray[np.intp]) -> None:
        """Add rows of the network to those that may move, at their anchor."""
        anchor = torch.from_numpy(self.whole[:, rows].astype(np.float32)).to(self.device)
        nothing = torch.zeros_like(anchor)
        if len(self.active) == 0:
            self.anchor, self.weight = anchor, anchor.clone()
            self.first, self.second = nothing, nothing.clone()
        else:
            self.anchor = torch.cat([self.anchor, anchor], dim=1)
            self.weight = torch.cat([self.weight, anchor], dim=1)
            self.first = torch.cat([self.first, nothing], dim=1)
            self.second = torch.cat([self.second, nothing], dim=1)
        self.active = np.concatenate([self.active, rows])
        columns = self.reg[self.active]
        self.columns = torch.from_numpy(columns).to(self.device)
        place = {int(row): i for i, row in enumerate(self.active)}
        self.own = torch.arange(len(columns), device=self.device)
        self.start = torch.tensor([place[int(row)] for row in self.perturbed], device=self.device)

    def grow(self) -> bool:
        """Take in regulators that now lie within ``k - 1`` steps of a perturbed one."""
        if self.set.k == 1 or len(self.active) == len(self.reg):
            return False
        at = torch.from_numpy(self.reg).to(self.device)
        points_at = (self.weight[:, :, at] > POINTS).any(dim=0).cpu().numpy()
        near = np.zeros(len(self.reg), dtype=bool)
        near[self.perturbed] = True
        for _ in range(self.set.k - 1):
            near |= points_at[near[self.active]].any(axis=0)
        near[self.active] = False
        if near.any():
            self._take_in(np.flatnonzero(near))
        return bool(near.any())

    def iterate(self, iteration: int) -> float:
        """One step; returns the fit of the point before it."""
        s = self.set
        fit, gradient = loss_and_gradient(
            self.weight[0], self.weight[1], self.columns, self.start, self.x, self.target,
            self.mass, s.k, s.alpha, s.t,
        )  # fmt: skip
        gradient[:, self.own, self.columns] = 0.0  # no self-loops
        self.first.lerp_(gradient, 1 - BETA1)
        self.second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        rate = s.step * 0.5 * (1 + math.cos(math.pi * iteration / s.max_iter))
        if s.warm > 0:
            rate *= min(1.0, (iteration + 1) / (s.warm * s.max_iter))
        spread = torch.sqrt(self.second, out=gradient)
        spread.div_(math.sqrt(1 - BETA2 ** (iteration + 1))).add_(0.1 * s.lam + 1e-8)
        step = spread.reciprocal_().mul_(rate)
        direction = self.first / (1 - BETA1 ** (iteration + 1))
        self.weight = proximal_step(self.weight, direction, step, self.anchor, s.lam, s.penalty)
        return fit

    def record(self, fit: float, weight: Tensor) -> tuple[float, float, float, int]:
        """Objective, fit, penalty and number of moved entries at ``weight``."""
        gap = (weight - self.anchor[:, : weight.shape[1]]).abs_()
        norm = float(gap.sum()) if self.set.penalty == "l1" else float((gap * gap).sum()) / 2
        penalty = self.set.lam * norm
        return fit + penalty, fit, penalty, int((gap > 0).sum())

    def largest_change(self, before: Tensor) -> float:
        """Largest change of an entry since ``before``."""
        return float((self.weight - before).abs_().max())

    def weights(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Weights of all rows; those never reached are where they began."""
        whole = self.whole.astype(np.float32)
        whole[:, self.active] = self.weight.cpu().numpy()
        return whole[0], whole[1]
