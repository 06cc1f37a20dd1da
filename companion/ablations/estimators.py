"""How well does the adapter learn? Each estimator of its gradient against the closed-form optimum.

The network's calls are frozen, so the best choices are known (`aligned.alignment.optimal_adapter`);
what is left between an estimator and them is its *regret*. Sub-samples of the genes show how that
changes with their number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from aligned.alignment import (
    allowed_cells,
    local_gradient,
    moving_average,
    normalised_regret,
    reinforce_gradient,
)
from aligned.config import Config
from aligned.data import Bundle, folds, with_split
from aligned.loop import Aligned, adam
from companion.engine import Settings

__all__ = ["CLOSE", "EstimatorSettings", "EstimatorTables", "run_estimators"]

#: Regret below which an estimator counts as having arrived.
CLOSE = 0.05

#: Draws that the gradient's noise is measured with.
DRAWS = 32


@dataclass(frozen=True)
class EstimatorSettings(Settings):
    """What to run. ``genes``: sizes of the sub-samples, 0 for all measured genes."""

    config: Config = field(default_factory=lambda: Config(n_networks=1))
    estimators: tuple[str, ...] = ("local", "reinforce")
    genes: tuple[int, ...] = (100, 300, 1000, 0)
    speak_only: tuple[bool, ...] = (True, False)
    seeds: tuple[int, ...] = (0, 1, 2)
    n_rows: int = 64
    steps: int = 300
    every: int = 10

    def __post_init__(self) -> None:
        wrong = [e for e in self.estimators if e not in ("local", "reinforce")]
        if wrong:
            raise ValueError(f"{wrong[0]!r} learns nothing; use 'local' or 'reinforce'.")
        if not self.seeds or self.n_rows < 1 or self.steps < 1 or self.every < 1:
            raise ValueError("give at least one seed, row and step.")


@dataclass(frozen=True)
class EstimatorTables:
    """Tables of the comparison.

    Attributes
    ----------
    curves : DataFrame
        ``estimator, speak_only, n_genes, seed, step, regret``: normalised regret of ``[p > ½]``
        (0: optimal, 1: no better than never using symbols).
    finals : DataFrame
        One row per run: ``regret`` at the end, at the ``start`` (the head starts at w), ``steps``
        and ``seconds`` to a regret of `CLOSE` (nan: never), and ``noise``: variance of the gradient
        with respect to the logits over the square of its mean, each summed over cells (nan: the
        mean is lost in the noise of `DRAWS` draws).
    """

    curves: pd.DataFrame
    finals: pd.DataFrame


def run_estimators(
    bundle: Bundle, settings: EstimatorSettings, progress: bool = True
) -> EstimatorTables:
    """Train the adapter alone, per estimator, number of genes and seed; see `EstimatorTables`.

    Seconds are measured here and differ from run to run; all else is the same for the same seed.
    """
    curves, finals = [], []
    bar = tqdm(settings.seeds, desc="seeds", disable=None if progress else True)
    for seed in bar:
        table = folds(bundle.data, "perturbation", 3, seed)
        config = settings.config.replace(seed=seed)
        model = Aligned(config).fit(
            with_split(bundle.data, table["0"]), bundle.kb, "network", yardstick=bundle.yardstick
        )
        rng = np.random.default_rng(seed)
        order = rng.permutation(bundle.data.n_vars)
        rows = rng.permutation(model.problem.unlabelled.shape[0])[: settings.n_rows]
        sizes = dict.fromkeys(min(n or len(order), len(order)) for n in settings.genes)
        for speak_only in settings.speak_only:
            for n_genes in sizes:
                task = _Task(model, rows, np.sort(order[:n_genes]), speak_only)
                for estimator in settings.estimators:
                    curve, final = task.train(estimator, settings, seed)
                    what = {
                        "estimator": estimator,
                        "speak_only": speak_only,
                        "n_genes": n_genes,
                        "seed": seed,
                    }
                    curves += [{**what, **point} for point in curve]
                    finals.append({**what, **final})
    return EstimatorTables(pd.DataFrame(curves), pd.DataFrame(finals))


class _Task:
    """Some conditions and genes with the frozen calls of a network, and its adapter to train."""

    def __init__(self, model: Aligned, rows: np.ndarray, genes: np.ndarray, speak_only: bool):
        self.model, self.speak_only = model, speak_only
        ensemble, problem = model.ensemble, model.problem
        x = problem.unlabelled[rows]
        said = model.predict(x)
        self.z = ensemble.encode(x)
        self.genes = torch.from_numpy(genes)
        self.y_hat = torch.from_numpy(said.neural[:, genes])
        self.delta = torch.from_numpy(said.symbolic[:, genes])
        self.w = torch.tensor(problem.w[genes])
        self.seen = torch.ones_like(self.delta, dtype=torch.bool)
        self.start = {k: v.clone() for k, v in ensemble.models[0].state_dict().items()}

    def train(
        self, estimator: str, settings: EstimatorSettings, seed: int
    ) -> tuple[list[dict[str, float]], dict[str, float]]:
        """The curve of one run, and what it came to."""
        config = settings.config.replace(estimator=estimator, speak_only=self.speak_only)
        network = self.model.ensemble.models[0]
        network.load_state_dict(self.start)
        draws = torch.Generator().manual_seed(seed)
        row, gene = allowed_cells(self.delta, self.seen, config).nonzero(as_tuple=True)
        noise = self._noise(network, row, gene, config, draws)
        optimiser = adam(network, config)
        baseline: torch.Tensor | None = None
        curve: list[dict[str, float]] = []
        seconds, arrived = 0.0, (float("nan"), float("nan"))
        for step in range(settings.steps + 1):
            if step % settings.every == 0:
                regret = self._regret(network, row, gene, config)
                curve.append({"step": step, "regret": regret})
                if regret <= CLOSE and np.isnan(arrived[0]):
                    arrived = (float(step), seconds)
            begun = time.perf_counter()
            cells = self._logits(network, row, gene)
            loss, losses = self._surrogate(cells, row, gene, config, draws, baseline)
            if losses is not None:
                baseline = moving_average(baseline, losses)
            optimiser.zero_grad()
            (loss / max(len(cells), 1)).backward()
            optimiser.step()
            seconds += time.perf_counter() - begun
        return curve, {
            "start": curve[0]["regret"],
            "regret": curve[-1]["regret"],
            "steps": arrived[0],
            "seconds": arrived[1],
            "noise": noise,
        }

    def _logits(self, network: Any, row: torch.Tensor, gene: torch.Tensor) -> torch.Tensor:
        return network.adapter_at(network.trunk(self.z), row, self.genes[gene])

    def _surrogate(
        self,
        cells: torch.Tensor,
        row: torch.Tensor,
        gene: torch.Tensor,
        config: Config,
        draws: torch.Generator,
        baseline: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The estimator's surrogate, and the losses that a baseline rests on, where it has one."""
        at = (cells, row, gene, self.y_hat, self.delta, self.w, self.seen, config, draws)
        if config.estimator == "local":
            return local_gradient(*at), None
        return reinforce_gradient(*at, baseline)

    def _regret(self, network: Any, row: torch.Tensor, gene: torch.Tensor, config: Config) -> float:
        with torch.no_grad():
            chosen = torch.zeros_like(self.delta)
            chosen[row, gene] = (self._logits(network, row, gene) > 0).to(chosen.dtype)
        return normalised_regret(
            chosen.numpy(), self.y_hat.numpy(), self.delta.numpy(), self.w.numpy(), config
        )

    def _noise(
        self,
        network: Any,
        row: torch.Tensor,
        gene: torch.Tensor,
        config: Config,
        draws: torch.Generator,
    ) -> float:
        """Variance of single draws' gradients over the squared mean, each summed over cells.

        The baseline is the mean loss of the first draws: what a moving average comes to.
        """
        logits = self._logits(network, row, gene).detach().requires_grad_(True)
        with torch.no_grad():
            first = [self._surrogate(logits, row, gene, config, draws, None)[1] for _ in range(4)]
        known = [losses for losses in first if losses is not None]
        baseline = torch.stack(known).mean() if known else None
        gradients = []
        for _ in range(DRAWS):
            loss, _ = self._surrogate(logits, row, gene, config, draws, baseline)
            gradients.append(torch.autograd.grad(loss, logits)[0].double())
        table = torch.stack(gradients)
        variance = table.var(dim=0).sum()
        # the squared mean of n draws exceeds the true one by variance / n
        signal = (table.mean(dim=0) ** 2).sum() - variance / DRAWS
        return float(variance / signal) if signal > 0 else float("nan")
