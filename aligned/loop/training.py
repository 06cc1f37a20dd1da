"""Training the ensemble: supervised, and jointly with the adapter on fused pseudo-labels."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from aligned.alignment import (
    allowed_cells,
    fuse,
    local_gradient,
    moving_average,
    optimal_adapter,
    reinforce_gradient,
)
from aligned.config import Config
from aligned.decisions import best_threshold, class_frequencies, decide, inner_folds
from aligned.knowledge import KnowledgeBase
from aligned.loop.problem import SCORES, Problem
from aligned.neural import ResponseModel, class_weights, cross_entropy, features, graph_operator

__all__ = ["Ensemble", "Outputs", "adam"]

Int8 = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outputs:
    """What an ensemble says of b conditions: response p (b, 3, m) and adapter p (b, m)."""

    response: Float32
    adapter: Float32


@dataclass(frozen=True)
class _Pool:
    """Conditions that a model is trained on: labelled ones, or ones with pseudo-labels.

    ``call`` is the model's call at the start of the phase, ``delta`` the deduction, ``seen`` the
    observed cells. ``y`` holds the labels; None: the target is the fusion of call and deduction.
    """

    z: torch.Tensor
    call: torch.Tensor
    delta: torch.Tensor
    seen: torch.Tensor
    y: torch.Tensor | None = None
    class_weights: torch.Tensor | None = None

    def take(self, rows: torch.Tensor) -> _Pool:
        """These rows."""
        return _Pool(
            self.z[rows],
            self.call[rows],
            self.delta[rows],
            self.seen[rows],
            None if self.y is None else self.y[rows],
            self.class_weights,
        )


class Ensemble:
    """Models that share everything but their seed and the inner fold each leaves out.

    Each model never sees the labels of one inner fold of the training perturbations; its
    predictions there choose the threshold τ. Averaging several models shrinks their
    probabilities, so the ensemble's τ is the one that calls the same share of the unlabelled cells
    as τ does with single models.
    """

    def __init__(self, problem: Problem, kb: KnowledgeBase, config: Config, device: torch.device):
        self.problem, self.config, self.device = problem, config, device
        self.columns = kb.columns(problem.measured)
        self.graph = None
        if config.model == "gnn":
            self.graph = graph_operator(kb.state, kb.regulator_index, len(kb.genes))
        self.inner = self._inner_folds()
        self.models = [self._fresh(j) for j in range(config.n_networks)]
        #: threshold of the averaged models, and of a single one, per score it was tuned for
        self.tau: dict[str, float | None] = dict.fromkeys(SCORES)
        self.tau_single: dict[str, float | None] = dict.fromkeys(SCORES)
        #: share of wrong cells in the fused prediction of conditions whose labels were not seen
        self.error_rate: float | None = None
        self.w = torch.tensor(problem.w, device=device)

    # ------------------------------------------------------------------------- predicting

    def encode(self, x: object, chunk: int = 256) -> torch.Tensor:
        """Perturbations (b, n) -> features on the device.

        In chunks of rows: after two hops a row is hardly sparse any more, and all rows at once
        would need several times the memory of the result.
        """
        rows = sp.csr_array(x)
        z = np.empty(rows.shape, dtype=np.float32)
        for begin in range(0, len(z), chunk):
            part = rows[begin : begin + chunk]
            z[begin : begin + chunk] = features(part, self.graph, self.config.hops)
        return torch.from_numpy(z).to(self.device)

    @cached_property
    def _z_train(self) -> torch.Tensor:
        """Features of the training conditions: they stay what they are in every phase."""
        return self.encode(self.problem.train.x)

    @cached_property
    def _z_unlabelled(self) -> torch.Tensor:
        """Features of the unlabelled inputs."""
        return self.encode(self.problem.unlabelled)

    @cached_property
    def _yardstick(self) -> Int8:
        """What the original network deduces for the training conditions."""
        return self.problem.yardstick_of(self.problem.train)

    def fork(self) -> Ensemble:
        """A copy with weights and thresholds of its own; what never changes is shared."""
        other = copy(self)
        other.models = deepcopy(self.models)
        other.tau, other.tau_single = dict(self.tau), dict(self.tau_single)
        return other

    def outputs(self, x: object, chunk: int = 256) -> list[Outputs]:
        """What each model says of these conditions."""
        return list(self._outputs(self.encode(x), chunk))

    def _outputs(self, z: torch.Tensor, chunk: int = 256) -> Iterator[Outputs]:
        """`outputs` from features, one model after the other, so that not all need to be kept."""
        b, m = len(z), len(self.problem.measured)
        for model in self.models:
            model.eval()
            response, adapter = np.empty((b, 3, m), np.float32), np.empty((b, m), np.float32)
            with torch.no_grad():
                for begin, part in zip(range(0, b, chunk), torch.split(z, chunk), strict=True):
                    rows = slice(begin, begin + chunk)
                    logits, trust = model(part)
                    response[rows] = torch.softmax(logits, dim=1).cpu().numpy()
                    adapter[rows] = torch.sigmoid(trust).cpu().numpy()
            yield Outputs(response, adapter)

    def choices(self, y_hat: Int8, delta: Int8, adapter: Float32) -> Int8:
        """The adapter's choices ``a = [p > ½]``, or the closed-form optimum."""
        if self.config.estimator == "exact":
            return optimal_adapter(y_hat, delta, self.problem.w, self.config)
        return allowed_cells(delta, adapter > 0.5, self.config).astype(np.int8)

    # --------------------------------------------------------------------------- training

    def _fresh(self, j: int) -> ResponseModel:
        train = self.problem.train.take(self._inner_train(j))
        frequency = class_frequencies(train.y, train.observed)
        weight = class_weights(train.y, train.observed, self.config.class_weight_power)
        bias = np.log(frequency * weight[:, None])
        w = np.clip(self.problem.w, 0.02, 0.98)
        model = ResponseModel(
            self.config.model,
            len(self.problem.genes),
            self.config.hidden,
            torch.tensor(bias - bias.mean(axis=0), dtype=torch.float32),
            torch.tensor(np.log(w / (1 - w)), dtype=torch.float32),
            seed=_seed(self.config.seed, j, 0),
        )
        return model.to(self.device)

    def _inner_folds(self) -> npt.NDArray[np.intp] | None:
        """Inner fold of each training row, at least three; None where no τ is tuned."""
        train, config = self.problem.train, self.config
        if config.decision == "argmax" or len(train) == 0:
            return None
        return inner_folds(train.groups, max(config.n_networks, 3), config.seed)

    def _inner_train(self, j: int) -> npt.NDArray[np.intp]:
        """Training rows whose labels model j sees."""
        if self.inner is None:
            return np.arange(len(self.problem.train))
        return np.flatnonzero(self.inner != j)

    def supervise(self, kb: KnowledgeBase) -> None:
        """Supervised phase: f_y and f_a jointly on labelled data (stage ``network``)."""
        said = self._deduced(self.problem.train.x, kb)
        for j in range(len(self.models)):
            self._train(j, [self._labelled(j, said)], self.config.network_steps, phase=1)
        self.tune(kb)

    def align(self, kb: KnowledgeBase, phase: int) -> None:
        """Alignment phase A: predict X_u, fuse, retrain f_y and f_a together on ȳ and D_l."""
        self._align(kb, phase)
        self.tune(kb)

    def _align(self, kb: KnowledgeBase, phase: int) -> None:
        z, delta = self._z_unlabelled, self._deduced(self.problem.unlabelled, kb)
        said = self._deduced(self.problem.train.x, kb)
        seen = torch.ones_like(delta, dtype=torch.bool)
        for j, model in enumerate(self.models):
            pseudo = _Pool(z, self._calls(model, z), delta, seen)
            self._train(j, [self._labelled(j, said), pseudo], self.config.align_steps, phase)

    def _labelled(self, j: int, said: torch.Tensor) -> _Pool:
        """Training conditions of model j, ``said`` the deductions of all of them."""
        chosen = self._inner_train(j)
        rows, at = self.problem.train.take(chosen), torch.from_numpy(chosen).to(self.device)
        weight = class_weights(rows.y, rows.observed, self.config.class_weight_power)
        z = self._z_train[at]
        return _Pool(
            z,
            self._calls(self.models[j], z),
            said[at],
            torch.from_numpy(rows.observed).to(self.device),
            torch.from_numpy(rows.y).to(self.device),
            torch.tensor(weight, dtype=torch.float32, device=self.device),
        )

    def _deduced(self, x: object, kb: KnowledgeBase) -> torch.Tensor:
        delta = kb.deduce(x, self.problem.closing)[:, self.columns]
        return torch.from_numpy(delta).to(self.device)

    def _calls(self, model: ResponseModel, z: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            p = torch.softmax(model.respond(model.trunk(z)), dim=1).cpu().numpy()
        called = decide(p, self.tau_single["integrated"])
        return torch.from_numpy(called).to(self.device)

    def _train(self, j: int, pools: list[_Pool], steps: int, phase: int) -> None:
        """Optimise ``CE(f_y; D_l) + CE(f_y; ȳ) + E_a[L_a log f_a]`` by minibatch."""
        config, model = self.config, self.models[j]
        generator = torch.Generator().manual_seed(_seed(config.seed, j, phase))
        draws = torch.Generator(self.device).manual_seed(_seed(config.seed, j, phase))
        optimiser = adam(model, config)
        chooser = _Chooser(self, model, draws)
        model.train()
        for _ in range(steps):
            batches = [p.take(_batch(len(p.z), config.batch_size, generator)) for p in pools]
            joined = _joined(batches)
            h = model.trunk(joined.z)
            loss, fused = chooser(h, joined)
            sizes = [len(b.z) for b in batches]
            for batch, logits, y_bar in zip(
                batches, model.respond(h).split(sizes), fused.split(sizes), strict=True
            ):
                if batch.y is not None:
                    loss = loss + cross_entropy(logits, batch.y, batch.seen, batch.class_weights)
                else:  # pseudo-labels carry no class weights
                    loss = loss + config.pseudo_weight * cross_entropy(logits, y_bar, batch.seen)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    # ----------------------------------------------------------------------------- tuning

    def tune(self, kb: KnowledgeBase) -> None:
        """Choose τ on the inner folds for the configured objective, then carry it over."""
        if self.config.decision == "argmax" or self.inner is None:
            return
        per_model = list(self._outputs(self._z_train))
        left_out = np.flatnonzero(self.inner < len(self.models))
        rows = self.problem.train.take(left_out)
        p = np.stack([per_model[self.inner[i]].response[i] for i in left_out])
        trust = np.stack([per_model[self.inner[i]].adapter[i] for i in left_out])
        said = kb.deduce(rows.x, self.problem.closing)[:, self.columns]

        def integrated(called: Int8) -> Int8:
            return fuse(called, said, self.choices(called, said, trust))

        on_unlabelled = [o.response[:, [0, 2]] for o in self._outputs(self._z_unlabelled)]
        for score, finish in (("neural", None), ("integrated", integrated)):
            tau = best_threshold(
                p, rows.y, rows.counted, self._yardstick[left_out], self.config, finish
            )
            self.tau_single[score] = tau
            self.tau[score] = carried_threshold(on_unlabelled, tau)
        fused = integrated(decide(p, self.tau_single["integrated"]))
        self.error_rate = float((fused != rows.y)[rows.counted].mean())


class _Chooser:
    """The adapter's part of the loss, with the moving baseline that ``reinforce`` needs."""

    def __init__(self, ensemble: Ensemble, model: ResponseModel, draws: torch.Generator) -> None:
        self.ensemble, self.model, self.draws = ensemble, model, draws
        self.baseline: torch.Tensor | None = None

    def __call__(self, h: torch.Tensor, batch: _Pool) -> tuple[torch.Tensor, torch.Tensor]:
        """Surrogate loss per cell that may use symbols, and the fusion ȳ of the batch (b, m)."""
        config, w = self.ensemble.config, self.ensemble.w
        given = (batch.call, batch.delta, w)
        if config.estimator == "exact":
            a = optimal_adapter(*given, config, batch.seen)
            return h.new_zeros(()), fuse(batch.call, batch.delta, a)
        row, gene = allowed_cells(batch.delta, batch.seen, config).nonzero(as_tuple=True)
        if config.speak_only:
            cells = self.model.adapter_at(h, row, gene)
        else:  # every cell is allowed: one product is cheaper than gathering all
            cells = self.model.adapter(h)[row, gene]
        at = (cells, row, gene, *given, batch.seen, config, self.draws)
        if config.estimator == "reinforce":
            surrogate, losses = reinforce_gradient(*at, self.baseline)
            self.baseline = moving_average(self.baseline, losses)
        else:
            surrogate = local_gradient(*at)
        a = torch.zeros_like(batch.delta)
        a[row, gene] = (cells.detach() > 0).to(a.dtype)
        return surrogate / max(len(cells), 1), fuse(batch.call, batch.delta, a)


def adam(model: ResponseModel, config: Config) -> torch.optim.Optimizer:
    """The method's optimiser: Adam with decoupled weight decay (AdamW)."""
    return torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def _joined(batches: list[_Pool]) -> _Pool:
    return _Pool(
        *(torch.cat([getattr(b, f) for b in batches]) for f in ("z", "call", "delta", "seen"))
    )


def carried_threshold(per_model: list[Float32], tau: float) -> float:
    """τ of the averaged models that calls the same share of cells as ``tau`` does singly.

    Probabilities (b, 3, m) of down, unchanged and up; or (b, 2, m) of down and up alone.
    """
    if len(per_model) == 1:
        return tau
    strengths = [np.maximum(p[:, 0], p[:, -1]) for p in per_model]
    share = float(np.mean([(s > tau).mean() for s in strengths]))
    down, up = (np.mean([p[:, c] for p in per_model], axis=0) for c in (0, -1))
    return float(np.quantile(np.maximum(down, up), 1 - share))


def _batch(n: int, size: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randperm(n, generator=generator)[:size]


def _seed(seed: int, model: int, phase: int) -> int:
    """One seed per model and phase, so that a resumed run draws what a whole one would."""
    return int(np.random.SeedSequence([seed, model, phase]).generate_state(1)[0])
