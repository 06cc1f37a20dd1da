"""Training the ensemble: supervised, and jointly with the adapter on fused pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from aligned.abduction.problem import SCORES, Problem
from aligned.alignment import adapter_gradient, fuse, optimal_adapter
from aligned.config import Config
from aligned.datasets.rows import Rows
from aligned.decisions import best_threshold, class_frequencies, decide, inner_folds
from aligned.knowledge import KnowledgeBase
from aligned.neural import (
    ResponseNetwork,
    class_weights,
    cross_entropy,
    features,
    graph_operator,
)

__all__ = ["Ensemble", "Outputs"]

Int8 = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What an ensemble says of b conditions: response p (b, 3, m) and adapter p (b, m)."""

    response: Float32
    adapter: Float32


@dataclass
class _Labelled:
    """Training tensors of one network."""

    z: torch.Tensor
    y: torch.Tensor
    observed: torch.Tensor
    delta: torch.Tensor
    class_weights: torch.Tensor


class Ensemble:
    """Networks that share everything but their seed and the inner fold each leaves out.

    Each network never sees the labels of one inner fold of the training perturbations; its
    predictions there choose the threshold τ. Averaging several networks shrinks their
    probabilities, so the ensemble's τ is the one that calls the same share of the unlabelled cells
    as τ does with single networks.
    """

    def __init__(self, problem: Problem, kb: KnowledgeBase, config: Config, device: torch.device):
        self.problem, self.config, self.device = problem, config, device
        self.columns = kb.columns(problem.measured)
        self.graph = None
        if config.model == "gnn":
            edges = kb.r_pos + kb.r_neg
            self.graph = graph_operator(edges, kb.regulator_index, len(kb.genes))
        self.inner = self._inner_folds()
        self.networks = [self._fresh(j) for j in range(config.n_networks)]
        #: threshold of the averaged networks, and of a single one, per score it was tuned for
        self.tau: dict[str, float | None] = dict.fromkeys(SCORES)
        self.tau_single: dict[str, float | None] = dict.fromkeys(SCORES)
        self.w = torch.tensor(problem.w, dtype=torch.float32, device=device)

    # ------------------------------------------------------------------------- predicting

    def encode(self, x: object) -> torch.Tensor:
        """Perturbations (b, n) -> features on the device."""
        return torch.from_numpy(features(x, self.graph, self.config.hops)).to(self.device)  # type: ignore[arg-type]

    def outputs(self, x: object, chunk: int = 256) -> list[Outputs]:
        """What each network says of these conditions."""
        z = self.encode(x)
        result = []
        for network in self.networks:
            network.eval()
            responses, adapters = [], []
            with torch.no_grad():
                for part in torch.split(z, chunk):
                    logits, adapter = network(part)
                    responses.append(torch.softmax(logits, dim=1).cpu().numpy())
                    adapters.append(torch.sigmoid(adapter).cpu().numpy())
            result.append(Outputs(np.concatenate(responses), np.concatenate(adapters)))
        return result

    def choices(self, y_hat: Int8, delta: Int8, adapter: Float32) -> Int8:
        """The adapter's choices ``a = [p > ½]``, or the closed-form optimum."""
        if self.config.estimator == "exact":
            return optimal_adapter(y_hat, delta, self.problem.w, self.config)
        allowed = (delta != 0) if self.config.speak_only else np.ones_like(delta, bool)
        return ((adapter > 0.5) & allowed).astype(np.int8)

    # --------------------------------------------------------------------------- training

    def _fresh(self, j: int) -> ResponseNetwork:
        train = self._inner_train(j)
        frequency = class_frequencies(train.y, train.observed)
        weight = class_weights(train.y, train.observed, self.config.class_weight_power)
        bias = np.log(frequency * weight[:, None])
        w = np.clip(self.problem.w, 0.02, 0.98)
        network = ResponseNetwork(
            self.config.model,
            len(self.problem.genes),
            self.config.hidden,
            torch.tensor(bias - bias.mean(axis=0), dtype=torch.float32),
            torch.tensor(np.log(w / (1 - w)), dtype=torch.float32),
            seed=_seed(self.config.seed, j, 0),
        )
        return network.to(self.device)

    def _inner_folds(self) -> npt.NDArray[np.intp] | None:
        """Inner fold of each training row, at least three; None where no τ is tuned."""
        train, config = self.problem.train, self.config
        if config.decision == "argmax" or len(train) == 0:
            return None
        return inner_folds(train.groups, max(config.n_networks, 3), config.seed)

    def _inner_train(self, j: int) -> Rows:
        train = self.problem.train
        return train if self.inner is None else train.take(np.flatnonzero(self.inner != j))

    def _labelled(self, j: int, kb: KnowledgeBase) -> _Labelled:
        rows = self._inner_train(j)
        delta = kb.deduce(rows.x, **self.problem.closing.kwargs)[:, self.columns]  # type: ignore[arg-type]
        weight = class_weights(rows.y, rows.observed, self.config.class_weight_power)
        to = self.device
        return _Labelled(
            self.encode(rows.x),
            torch.from_numpy(rows.y.astype(np.int64)).to(to),
            torch.from_numpy(rows.observed).to(to),
            torch.from_numpy(delta.astype(np.int64)).to(to),
            torch.tensor(weight, dtype=torch.float32, device=to),
        )

    def supervise(self, kb: KnowledgeBase) -> None:
        """Supervised phase: f_y and f_a jointly on labelled data (stage ``network``)."""
        for j, network in enumerate(self.networks):
            self._train(j, network, kb, None, self.config.network_steps, phase=1)
        self.tune(kb)

    def align(self, kb: KnowledgeBase, phase: int) -> None:
        """Alignment phase A: predict X_u, fuse, retrain f_y and f_a together on ȳ and D_l."""
        x_u = self.problem.unlabelled
        delta_u = kb.deduce(x_u, **self.problem.closing.kwargs)[:, self.columns]  # type: ignore[arg-type]
        tau = self.tau_single["integrated"]
        predicted = [decide(o.response, tau) for o in self.outputs(x_u)]
        for j, network in enumerate(self.networks):
            pseudo = (self.encode(x_u), predicted[j], delta_u)
            self._train(j, network, kb, pseudo, self.config.align_steps, phase)
        self.tune(kb)

    def _train(
        self,
        j: int,
        network: ResponseNetwork,
        kb: KnowledgeBase,
        pseudo: tuple[torch.Tensor, Int8, Int8] | None,
        steps: int,
        phase: int,
    ) -> None:
        config, labelled = self.config, self._labelled(j, kb)
        generator = torch.Generator().manual_seed(_seed(config.seed, j, phase))
        draws = torch.Generator(self.device).manual_seed(_seed(config.seed, j, phase))
        optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        chooser = _Chooser(self, draws)
        call_l = self._calls(network, labelled.z)
        network.train()
        for _ in range(steps):
            rows = _batch(len(labelled.y), config.batch_size, generator, self.device)
            seen = labelled.observed[rows]
            logits, adapter = network(labelled.z[rows])
            loss = cross_entropy(logits, labelled.y[rows], seen, labelled.class_weights)
            loss = loss + chooser.loss(adapter, call_l[rows], labelled.delta[rows], seen)
            if pseudo is not None:
                loss = loss + self._pseudo_loss(network, pseudo, chooser, generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def _calls(self, network: ResponseNetwork, z: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            p = torch.softmax(network(z)[0], dim=1).cpu().numpy()
        called = decide(p, self.tau_single["integrated"])
        return torch.from_numpy(called.astype(np.int64)).to(self.device)

    def _pseudo_loss(
        self,
        network: ResponseNetwork,
        pseudo: tuple[torch.Tensor, Int8, Int8],
        chooser: _Chooser,
        generator: torch.Generator,
    ) -> torch.Tensor:
        z, y_hat, delta = pseudo
        rows = _batch(len(z), self.config.batch_size, generator, self.device)
        here = rows.cpu().numpy()
        logits, adapter = network(z[rows])
        p = torch.sigmoid(adapter).detach().cpu().numpy()
        a = self.choices(y_hat[here], delta[here], p)
        call = torch.from_numpy(y_hat[here].astype(np.int64)).to(self.device)
        said = torch.from_numpy(delta[here].astype(np.int64)).to(self.device)
        y_bar = torch.where(torch.from_numpy(a == 1).to(self.device), said, call)
        seen = torch.ones_like(y_bar, dtype=torch.bool)
        fit = cross_entropy(logits, y_bar, seen)  # pseudo-labels carry no class weights
        return self.config.pseudo_weight * fit + chooser.loss(adapter, call, said, seen)

    # ----------------------------------------------------------------------------- tuning

    def tune(self, kb: KnowledgeBase) -> None:
        """Choose τ on the inner folds for the configured objective, then carry it over."""
        if self.config.decision == "argmax" or self.inner is None:
            return
        train, problem = self.problem.train, self.problem
        per_network = self.outputs(train.x)
        left_out = np.flatnonzero(self.inner < len(self.networks))
        rows = train.take(left_out)
        p = np.stack([per_network[self.inner[i]].response[i] for i in left_out])
        trust = np.stack([per_network[self.inner[i]].adapter[i] for i in left_out])
        said = kb.deduce(rows.x, **problem.closing.kwargs)[:, self.columns]  # type: ignore[arg-type]
        yardstick = problem.yardstick_of(rows)

        def integrated(called: Int8) -> Int8:
            return fuse(called, said, self.choices(called, said, trust))

        on_unlabelled = [o.response for o in self.outputs(problem.unlabelled)]
        for score, finish in (("neural", None), ("integrated", integrated)):
            tau = best_threshold(p, rows.y, rows.counted, yardstick, self.config, finish)
            self.tau_single[score] = tau
            self.tau[score] = carried_threshold(on_unlabelled, tau)


class _Chooser:
    """The adapter's part of the loss, with the moving baseline that ``reinforce`` needs."""

    def __init__(self, ensemble: Ensemble, draws: torch.Generator, momentum: float = 0.9) -> None:
        self.config, self.w, self.draws = ensemble.config, ensemble.w, draws
        self.momentum, self.baseline = momentum, None

    baseline: torch.Tensor | None

    def loss(
        self, logits: torch.Tensor, y_hat: torch.Tensor, delta: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """Surrogate loss of the adapter on one batch, per row and cell that may use symbols."""
        if self.config.estimator == "exact":
            return logits.new_zeros(())
        baseline = 0.0 if self.baseline is None else self.baseline
        surrogate, losses = adapter_gradient(
            logits, y_hat, delta, self.w, seen, self.config, self.draws, baseline
        )
        mean = losses.mean()
        self.baseline = (
            mean
            if self.baseline is None
            else self.momentum * self.baseline + (1 - self.momentum) * mean
        )
        cells = (seen & (delta != 0)).sum() if self.config.speak_only else seen.sum()
        return surrogate / cells.clamp(min=1)


def carried_threshold(per_network: list[Float32], tau: float) -> float:
    """τ of the averaged networks that calls the same share of cells as ``tau`` does singly."""
    if len(per_network) == 1:
        return tau
    strengths = [np.maximum(p[:, 0], p[:, 2]) for p in per_network]
    share = float(np.mean([(s > tau).mean() for s in strengths]))
    mean = np.mean(np.stack(per_network), axis=0)
    return float(np.quantile(np.maximum(mean[:, 0], mean[:, 2]), 1 - share))


def _batch(n: int, size: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    return torch.randperm(n, generator=generator)[:size].to(device)


def _seed(seed: int, network: int, phase: int) -> int:
    """One seed per network and phase, so that a resumed run draws what a whole one would."""
    return int(np.random.SeedSequence([seed, network, phase]).generate_state(1)[0])
