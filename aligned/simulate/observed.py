"""What has been written down about the world: fame of genes, and the observed network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.knowledge import KnowledgeBase
from aligned.simulate.world import World

__all__ = ["YARDSTICK", "draw_fame", "observe"]

Float = npt.NDArray[np.float64]

#: Closure at which the observed network's inconsistency is set.
YARDSTICK: dict[str, Any] = {"k": 2, "rule": "boolean"}


def draw_fame(world: World, rng: np.random.Generator) -> tuple[Float, pd.Series]:
    """How well each gene is known (mean 0, sd 1), and the annotations that show it, noisily."""
    n = len(world.genes)
    in_degree = np.bincount(world.target, minlength=n)
    fame = rng.normal(size=n) + 0.5 * np.log1p(in_degree)
    fame[: world.n_regulators] += 0.8
    fame = (fame - fame.mean()) / fame.std()
    counts = rng.poisson(np.exp(1.5 + 0.7 * fame + rng.normal(0, 0.35, n)))
    return fame, pd.Series(counts.astype(int), index=world.genes, name="go_count")


def observe(
    world: World,
    fame: Float,
    data: ad.AnnData,
    aims: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[KnowledgeBase, dict[str, float]]:
    """Forget, misread and invent edges until the network disagrees with the data as wanted."""
    pairs = len(world.source)
    known = fame[world.target]
    forgotten = np.argsort(np.argsort(known + rng.normal(0, 0.8, pairs)))
    misread = np.argsort(np.argsort(known + rng.normal(0, 0.6, pairs)))
    invented = _invented(world, fame, round(0.15 * pairs), rng)
    proof = known + rng.normal(0, 1.2, pairs)

    def network(drop: float, flip: float) -> KnowledgeBase:
        kept, flipped = forgotten >= drop * pairs, misread < flip * pairs
        observed = replace(
            world,
            source=np.append(world.source[kept], invented.source),
            target=np.append(world.target[kept], invented.target),
            activates=np.append(
                np.where(flipped, world.inhibits, world.activates)[kept], invented.activates
            ),
            inhibits=np.append(
                np.where(flipped, world.activates, world.inhibits)[kept], invented.inhibits
            ),
            evidence=np.append(_label(proof - 0.5 * flipped)[kept], invented.evidence),
        )
        return observed.knowledge("weak")

    def shares(drop: float, flip: float) -> dict[str, float]:
        counts = network(drop, flip).inconsistency(
            data.obsm["perturbation"], data.X, data.layers["observed"], **YARDSTICK
        )
        total = counts.sum()
        parts = total[["consistent", "conflicting", "not_reached", "ambiguous"]]
        found = {str(k): float(v) for k, v in (parts / max(1, parts.sum())).items()}
        return {**found, "absent": found["not_reached"] + found["ambiguous"]}

    def share(kind: str, drop: float, flip: float) -> float:
        return shares(drop, flip)[kind]

    drop, flip = 0.4, 0.3
    for _ in range(2):
        drop = _bisect(partial(share, "absent", flip=flip), aims[0])
        flip = _bisect(partial(share, "conflicting", drop), aims[1])
    kept = forgotten >= drop * pairs
    found = shares(drop, flip)
    found["forgotten"] = 1 - float(kept.mean())
    found["misread"] = float((misread[kept] < flip * pairs).mean()) if kept.any() else 0.0
    return network(drop, flip), {k: round(v, 4) for k, v in found.items()}


def _invented(world: World, fame: Float, count: int, rng: np.random.Generator) -> World:
    """Edges that are not there: from regulators with many targets, to little-known genes."""
    n = len(world.genes)
    out_degree = np.bincount(world.source, minlength=world.n_regulators)
    chance = out_degree[:, None] * np.exp(-fame)[None, :]
    chance[world.source, world.target] = 0
    chance[np.arange(world.n_regulators), np.arange(world.n_regulators)] = 0
    place = rng.choice(chance.size, size=count, replace=False, p=(chance / chance.sum()).ravel())
    positive = rng.random(count) < 0.6
    return replace(
        world,
        source=place // n,
        target=place % n,
        activates=positive.astype(float),
        inhibits=(~positive).astype(float),
        evidence=_label(fame[place % n] + rng.normal(0, 1.2, count) - 0.5),
    )


def _label(proof: Float) -> npt.NDArray[np.object_]:
    """Evidence of each edge; wrong ones have less proof, yet some are held to be strong."""
    labels = np.where(proof > 0.3, "strong", np.where(proof > -0.7, "weak", "predicted"))
    return labels.astype(object)


def _bisect(measure: Callable[[float], float], aim: float, steps: int = 7) -> float:
    """Share in [0, 1] at which the (roughly increasing) ``measure`` comes closest to ``aim``."""
    low, high = 0.0, 1.0
    tried: list[tuple[float, float]] = []
    for _ in range(steps):
        middle = (low + high) / 2
        value = measure(middle)
        tried.append((abs(value - aim), middle))
        low, high = (middle, high) if value < aim else (low, middle)
    return min(tried)[1]
