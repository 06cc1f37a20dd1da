"""The study: which genes are perturbed, what truly happens, and what is measured of it."""

from __future__ import annotations

from itertools import combinations

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from aligned.simulate.world import World

__all__ = ["as_anndata", "deal_split", "draw_cells", "draw_conditions", "measure", "true_effects"]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.intp]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]

#: Effects run along at most this many steps, each further one damped by ``PATH_ALPHA``.
PATH_STEPS, PATH_ALPHA = 3, 0.5
#: log2 fold change of a perturbed gene's own transcript.
OWN_EFFECT = {-1: -4.0, 1: 3.0}


def draw_conditions(world: World, rng: np.random.Generator) -> tuple[Int8, Int]:
    """Perturbations, int8 (b, n), and the batch of each: a gene and its partners stay in one."""
    r, n = world.n_regulators, len(world.genes)
    regulators = np.sort(rng.permutation(r)[max(1, round(0.1 * r)) :])  # the others: never touched
    bystanders = np.sort(rng.choice(np.arange(r, n), size=round(r / 4), replace=False))
    touched = np.concatenate([regulators, bystanders])
    n_batches = int(np.clip(round(r / 7.5), 5, 12))
    batch_of = dict(
        zip(rng.permutation(touched).tolist(), np.arange(len(touched)) % n_batches, strict=True)
    )
    over = np.sort(rng.choice(regulators, size=round(r / 3), replace=False))
    partners = [p for p in combinations(regulators.tolist(), 2) if batch_of[p[0]] == batch_of[p[1]]]
    picked = rng.permutation(len(partners))[: round(0.4 * r)]
    kinds = ((-1, -1), (-1, 1), (-1, -1), (1, 1), (-1, -1), (1, -1), (-1, -1), (1, 1))
    conditions: list[dict[int, int]] = [{int(g): -1} for g in touched]
    conditions += [{int(g): 1} for g in over]
    for i, pair in enumerate(sorted(partners[p] for p in picked)):
        conditions.append(dict(zip(pair, kinds[i % len(kinds)], strict=True)))
    x = np.zeros((len(conditions), n), dtype=np.int8)
    for row, condition in zip(x, conditions, strict=True):
        row[list(condition)] = list(condition.values())
    batch = np.array([batch_of[next(iter(c))] for c in conditions], dtype=np.intp)
    return x, batch


def true_effects(world: World, x: Int8, rng: np.random.Generator) -> Float:
    """True log2 fold changes: damped signed path sums, an indirect stress response, own effects."""
    r, n = world.n_regulators, len(world.genes)
    direct = np.zeros((r, n))
    direct[world.source, world.target] = world.activates - world.inhibits
    along = direct
    for _ in range(PATH_STEPS - 1):
        along = direct + PATH_ALPHA * direct[:, :r] @ along
    effects = x[:, :r] @ along
    # two stress programs that some perturbations of either sign set off; their breadth follows
    # the network's density, so that they stay a minor part of the changes
    breadth = min(0.3, 1.2 * len(world.source) / (r * n))
    for _ in range(2):
        program = rng.normal(0, 1.5, n) * (rng.random(n) < breadth)
        sensitive = rng.lognormal(0, 0.3, n) * (rng.random(n) < 0.12)
        effects += np.minimum(np.abs(x) @ sensitive, 2.0)[:, None] * program
    row, col = np.nonzero(x)
    effects[row, col] = [OWN_EFFECT[int(sign)] for sign in x[row, col]]
    return np.clip(effects, -6, 6)


def measure(
    effects: Float,
    batch: Int,
    n_replicates: int,
    replicate_sd: float,
    control_sd: float,
    missing: float,
    rng: np.random.Generator,
) -> tuple[Int8, npt.NDArray[np.float32], Bool]:
    """Ternary call, mean log2 fold change (NaN = not measured) and what was measured."""
    b, n = effects.shape
    fickle = rng.lognormal(0, 0.25, n)  # some genes vary more from sample to sample
    # heavy-tailed: a gene that is off in the controls is called in all conditions that share them
    controls = control_sd * rng.standard_t(4, (int(batch.max()) + 1, n)) / np.sqrt(2)
    noise = rng.normal(0, replicate_sd, (n_replicates, b, n)) - controls[batch]
    replicates = effects + fickle * noise
    mean = replicates.mean(axis=0)
    agree = (np.sign(mean) * replicates > 0.5).all(axis=0)
    observed = rng.random((b, n)) >= missing
    call = np.where(observed & agree & (np.abs(mean) > 1), np.sign(mean), 0).astype(np.int8)
    return call, np.where(observed, mean, np.nan).astype(np.float32), observed


def as_anndata(
    world: World,
    x: Int8,
    batch: Int,
    n_replicates: int,
    measured: tuple[Int8, npt.NDArray[np.float32], Bool],
    go_counts: pd.Series,
) -> ad.AnnData:
    """The study in the form that every data set here has; ``split`` is still to be added."""
    call, logfc, observed = measured
    genes = np.array(world.genes)
    name = np.array([world.names[g] for g in world.genes])
    hit = [np.flatnonzero(row) for row in x]
    obs = pd.DataFrame(
        {
            "perturbation": [
                ",".join(f"{name[j]}{'+' if row[j] > 0 else '-'}" for j in js)
                for row, js in zip(x, hit, strict=True)
            ],
            "n_replicates": n_replicates,
            "controls": [f"batch{i + 1:02d}_c1;batch{i + 1:02d}_c2" for i in batch],
            "batch": [f"batch{i + 1:02d}" for i in batch],
            "expression_kind": "simulated",
        },
        index=[
            "_".join(f"{'oe' if row[j] > 0 else 'ko'}_{genes[j]}" for j in js)
            for row, js in zip(x, hit, strict=True)
        ],
    )
    start = 1000 * np.arange(len(genes)) + 1  # a transcription unit's genes are neighbours
    var = pd.DataFrame(
        {"name": name, "go_count": go_counts.to_numpy(), "start": start}, index=genes
    )
    data = ad.AnnData(call, obs=obs, var=var)
    data.layers["logfc"], data.layers["observed"] = logfc, observed
    data.obsm["perturbation"] = sp.csr_matrix(x)
    data.uns["genes"] = genes
    return data


def deal_split(x: Int8, rng: np.random.Generator, n_folds: int = 5) -> list[str]:
    """One fifth of the perturbed genes is held out; a double goes with its first gene."""
    genes = np.flatnonzero(x.any(axis=0))
    held_out = set(rng.permutation(genes)[::n_folds].tolist())
    labels = []
    for row in x:
        first, *others = np.flatnonzero(row).tolist()
        beyond = not held_out.isdisjoint(others)
        labels.append("test" if first in held_out else "excluded" if beyond else "train")
    return labels


def draw_cells(mean: Float, repeats: list[int], rng: np.random.Generator) -> sp.csr_matrix:
    """Negative-binomial counts, ``repeats[i]`` cells around row i of ``mean``."""
    shape, depth_sd = 3.0, 0.25
    blocks = []
    for row, count in zip(mean, repeats, strict=True):
        depth = rng.lognormal(0.0, depth_sd, size=(count, 1))
        rate = rng.gamma(shape, 1 / shape, size=(count, len(row))) * depth * row
        blocks.append(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    return sp.csr_matrix(sp.vstack(blocks))
