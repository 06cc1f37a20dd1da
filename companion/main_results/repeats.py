"""Second runs of a study, drawn from its replicates: what the noise ceiling rests on."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from aligned.data import Bundle, fetch
from aligned.simulate import measure, simulate
from companion.editions.ecoli.expression import Contrast, Thresholds, strict_call
from companion.editions.ecoli.recipe import originals, read_recipe
from companion.main_results.ceiling import Repeats

__all__ = ["redrawn", "repeats_of", "resampled", "simulated_repeats"]

Int8 = npt.NDArray[np.int8]


def repeats_of(edition: str, bundle: Bundle, count: int = 20, seed: int = 0) -> Repeats | None:
    """Second runs of an edition's study; None where the edition has no replicates to draw from.

    ``demo`` is measured again by its simulator, with new noise; of ``ecoli`` the replicates of
    every measured condition, and of its controls, are resampled (`resampled`). Rebuilt expression
    says nothing about noise and is left out.
    """
    if edition == "demo":
        return simulated_repeats(bundle, count, seed)
    if edition == "ecoli":
        read = originals(fetch("ecoli"), read_recipe())
        genes = list(read.measured.index)
        return redrawn(bundle, read.contrasts, genes, read.thresholds, count, seed)
    return None


def simulated_repeats(bundle: Bundle, count: int, seed: int) -> Repeats | None:
    """Measure a simulated study again: the same effects and batches, new noise.

    None where the bundle is not the study that the simulator makes by default for this seed.
    """
    card, data = bundle.card, bundle.data
    again = simulate(int(card["n_genes"]), int(card["n_regulators"]), int(card["seed"]))
    if again.data.shape != data.shape or not np.array_equal(again.data.X, data.X):
        return None
    defaults = inspect.signature(simulate).parameters
    replicate_sd, control_sd = (defaults[name].default for name in ("replicate_sd", "control_sd"))
    batch = pd.factorize(data.obs["batch"], sort=True)[0].astype(np.intp)
    effects = again.effects.to_numpy()
    calls = [
        measure(effects, batch, int(card["n_replicates"]), replicate_sd, control_sd, 0.0, rng)[0]
        for rng in np.random.default_rng([seed, 21]).spawn(count)
    ]
    return Repeats(np.stack(calls), np.ones(len(batch), dtype=bool))


def redrawn(
    bundle: Bundle,
    contrasts: Sequence[Contrast],
    genes: Sequence[str],
    thresholds: Thresholds,
    count: int,
    seed: int,
) -> Repeats:
    """Call every measured condition again from resampled replicates (`resampled`).

    Controls that several conditions share are redrawn for each of them.
    """
    data = bundle.data
    place = {str(name): i for i, name in enumerate(data.obs_names)}
    columns = pd.Index(genes).get_indexer(data.var_names.astype(str))
    usable = [
        c
        for c in contrasts
        if c.measured and c.name in place and min(c.samples.shape[1], c.controls.shape[1]) > 1
    ]
    calls = np.zeros((count, data.n_obs, data.n_vars), dtype=np.int8)
    for i, rng in enumerate(np.random.default_rng([seed, 22]).spawn(count)):
        for contrast in usable:
            once_more = dataclasses.replace(
                contrast,
                samples=resampled(contrast.samples, rng),
                controls=resampled(contrast.controls, rng),
            )
            calls[i, place[contrast.name]] = strict_call(once_more, thresholds)[columns]
    there = np.zeros(data.n_obs, dtype=bool)
    there[[place[c.name] for c in usable]] = True
    return Repeats(calls, there)


def resampled(
    replicates: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """As many replicates (m, n) as there are: the mean, plus residuals drawn with replacement.

    Whole replicates are drawn, so genes keep their company. Residuals around a mean of n are too
    small by √((n-1)/n) and are widened by that.

    Examples
    --------
    >>> resampled(np.array([[1.0, 1.0, 1.0]]), np.random.default_rng(0)).tolist()
    [[1.0, 1.0, 1.0]]
    """
    n = replicates.shape[1]
    mean = replicates.mean(axis=1, keepdims=True)
    residual = (replicates - mean) * np.sqrt(n / (n - 1))
    return np.asarray(mean + residual[:, rng.integers(n, size=n)])
