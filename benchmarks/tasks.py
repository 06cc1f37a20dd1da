"""What is measured: random networks of a given size and shape, and the jobs run on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from aligned.knowledge import KnowledgeBase
from aligned.knowledge.closure import boolean_closure
from aligned.refine import RefineConfig, refine
from aligned.refine.evidence import check_responses, gather
from aligned.refine.relaxation import loss_and_gradient, proximal_step
from benchmarks import dense

__all__ = ["JOBS", "SHAPES", "Shape", "Task", "network", "relaxed_problem"]

#: Settings of the relaxed problem, and a step; how long one takes does not depend on them.
ALPHA, STEEPNESS, LAM, STEP = 0.5, 1.5, 0.05, 0.01
#: Noise of the network that is refined.
NOISE = 0.4


@dataclass(frozen=True)
class Shape:
    """Degrees: regulator (target) of rank i is drawn with weight i^-out (i^-into).

    ``among`` is the share of edges whose target is a regulator.
    """

    out: float
    into: float
    among: float


#: Shapes close to the tables they are named after.
SHAPES = {"ecocyc": Shape(1.0, 0.3, 0.10), "collectri": Shape(0.7, 0.6, 0.21)}


@dataclass(frozen=True)
class Task:
    """A network of n genes, r regulators and this many edges, and the longest path k."""

    n: int
    r: int
    edges: int
    k: int = 5
    shape: str = "ecocyc"
    seed: int = 0


@dataclass(frozen=True)
class Relaxed:
    """The relaxed problem of a task, at a point between the network and its refinement."""

    weight: torch.Tensor  # (2, r, n)
    anchor: torch.Tensor  # (2, r, n)
    reg: torch.Tensor  # (r,)
    target: torch.Tensor  # (r, n)
    mass: torch.Tensor  # (r, n)


def network(task: Task) -> KnowledgeBase:
    """Draw the task's network; the first r genes are the regulators, 6 edges of 10 activate."""
    if task.edges > task.r * (task.n - 1) // 2:
        raise ValueError(f"{task.edges} edges fill more than half of the {task.r}x{task.n} places.")
    rng, shape = np.random.default_rng(task.seed), SHAPES[task.shape]
    out = _ranked(task.r, shape.out, rng)
    into = _ranked(task.n, shape.into, rng)
    into[: task.r] *= shape.among / into[: task.r].sum()
    into[task.r :] *= (1 - shape.among) / into[task.r :].sum()
    places = np.empty(0, dtype=np.int64)
    while len(places) < task.edges:
        source = rng.choice(task.r, size=task.edges, p=out)
        target = rng.choice(task.n, size=task.edges, p=into)
        drawn = (source * task.n + target)[source != target]
        places, first = np.unique(np.concatenate([places, drawn]), return_index=True)
        places = places[np.argsort(first)][: task.edges]
    sign = np.where(rng.random(task.edges) < 0.6, 1, -1)
    genes = np.array([f"g{i}" for i in range(task.n)], dtype=object)
    edges = {"source": genes[places // task.n], "target": genes[places % task.n], "sign": sign}
    return KnowledgeBase.from_edges(pd.DataFrame(edges), genes, regulators=genes[: task.r])


def _ranked(count: int, tail: float, rng: np.random.Generator) -> np.ndarray:
    weight = rng.permutation(np.arange(1.0, count + 1) ** -tail)
    return np.asarray(weight / weight.sum())


def perturbed(truth: KnowledgeBase, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every regulator over-expressed once, and the responses that the network deduces."""
    x = np.zeros((len(truth.regulators), len(truth.genes)), dtype=np.int8)
    x[np.arange(len(x)), truth.regulator_index] = 1
    return x, truth.deduce(x, k)


def relaxed_problem(task: Task, device: str, dtype: torch.dtype = torch.float32) -> Relaxed:
    """The task's relaxed problem where a tenth of the weights has left its anchor a little."""
    truth = network(task)
    noisy = truth.corrupt(NOISE, task.seed + 1)
    seen = gather(
        check_responses(noisy, *perturbed(truth, task.k), None, None, "all"), noisy.regulator_index
    )
    anchor = torch.from_numpy(np.stack([noisy.r_pos.toarray(), noisy.r_neg.toarray()])).to(dtype)
    reg = torch.from_numpy(noisy.regulator_index)
    draw = torch.Generator().manual_seed(task.seed)
    away = torch.rand(anchor.shape, generator=draw) < 0.1
    by = away * torch.rand(anchor.shape, generator=draw) * (5 / task.r)  # so that eps has a slope
    by[:, torch.arange(task.r), reg] = 0.0
    mean = (seen.up - seen.down) * np.float32(1 - np.exp(-STEEPNESS))
    return Relaxed(
        weight=(anchor - by).abs().to(device),
        anchor=anchor.to(device),
        reg=reg.to(device),
        target=torch.from_numpy(mean).to(device, dtype),
        mass=torch.from_numpy(seen.up + seen.zero + seen.down).to(device, dtype),
    )


# -------------------------------------------------------------------------------- the jobs


def our_closure(task: Task, device: str) -> Callable[[], object]:
    kb = network(task)
    return lambda: boolean_closure(kb.r_pos, kb.r_neg, kb.regulator_index, task.k)


def dense_closure(task: Task, device: str) -> Callable[[], object]:
    kb = network(task)
    rows = np.stack([kb.r_pos.toarray(), kb.r_neg.toarray()]).astype(np.float32)
    reg = torch.from_numpy(kb.regulator_index)
    pos, neg = dense.spread(torch.from_numpy(rows), reg).to(device)
    return lambda: dense.boolean_closure(pos, neg, task.k)


def our_iteration(task: Task, device: str) -> Callable[[], object]:
    here = relaxed_problem(task, device)
    start = torch.arange(task.r, device=device)
    step = torch.full_like(here.weight, STEP)

    def iterate() -> torch.Tensor:
        _, gradient = loss_and_gradient(
            here.weight[0], here.weight[1], here.reg, start, None, here.target, here.mass,
            task.k, ALPHA, STEEPNESS,
        )  # fmt: skip
        return proximal_step(here.weight, gradient, step, here.anchor, LAM, "l1")

    return iterate


def dense_iteration(task: Task, device: str) -> Callable[[], object]:
    here = relaxed_problem(task, device)
    weight, anchor = (dense.spread(rows, here.reg) for rows in (here.weight, here.anchor))

    def iterate() -> torch.Tensor:
        _, gradient = dense.loss_and_gradient(
            weight, here.reg, here.target, here.mass, task.k, ALPHA, STEEPNESS
        )
        return dense.proximal_step(weight, gradient, STEP, anchor, LAM)

    return iterate


def our_refinement(task: Task, device: str) -> Callable[[], object]:
    truth = network(task)
    x, y = perturbed(truth, task.k)
    noisy = truth.corrupt(NOISE, task.seed + 1)
    return lambda: refine(noisy, x, y, k=task.k, config=RefineConfig(device=device))


def differences(task: Task, device: str) -> dict[str, float]:
    """Largest difference between ours and the reference, relative to the largest value.

    In double precision, so that only a difference in what is computed is left.
    """
    kb = network(task)
    ours = boolean_closure(kb.r_pos, kb.r_neg, kb.regulator_index, task.k)
    reg = torch.from_numpy(kb.regulator_index)
    rows = torch.from_numpy(np.stack([kb.r_pos.toarray(), kb.r_neg.toarray()])).double()
    pos, neg = dense.spread(rows, reg)
    theirs = dense.boolean_closure(pos, neg, task.k)
    mine = torch.from_numpy(np.stack([ours.positive, ours.negative])).double()
    closure = float((mine - torch.stack(theirs)[:, reg]).abs().max())

    here = relaxed_problem(task, device, torch.float64)
    p, n = here.weight
    settings = (here.target, here.mass, task.k, ALPHA, STEEPNESS)
    start = torch.arange(task.r, device=device)
    fit, gradient = loss_and_gradient(p, n, here.reg, start, None, *settings)
    weight, anchor = (dense.spread(rows, here.reg) for rows in (here.weight, here.anchor))
    dense_fit, dense_gradient = dense.loss_and_gradient(weight, here.reg, *settings)
    step = torch.full_like(here.weight, STEP)
    moved = proximal_step(here.weight, gradient.clone(), step, here.anchor, LAM, "l1")
    dense_moved = dense.proximal_step(weight, dense_gradient, STEP, anchor, LAM)
    return {
        "closure": closure,
        "objective": abs(fit - dense_fit) / abs(dense_fit),
        "gradient": _relative(gradient, dense_gradient[:, here.reg]),
        "step": _relative(moved, dense_moved[:, here.reg]),
    }


def _relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


#: What is timed, by name and side; each prepares its data and returns what is to be run.
JOBS: dict[str, Callable[[Task, str], Callable[[], object]]] = {
    "closure": our_closure,
    "iteration": our_iteration,
    "refinement": our_refinement,
    "dense closure": dense_closure,
    "dense iteration": dense_iteration,
}
