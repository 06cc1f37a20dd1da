"""The adapter: its loss against a loop, its optimum against trying everything, its gradient
against the sum over all draws."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aligned.alignment import (
    adapter_loss,
    allowed_cells,
    cell_gradient,
    fuse,
    gene_weights,
    normalised_regret,
    optimal_adapter,
)
from aligned.config import Config

SOME = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Case:
    """One instance of the adapter's problem."""

    y_hat: np.ndarray
    delta: np.ndarray
    w: np.ndarray
    config: Config
    observed: np.ndarray

    @property
    def allowed(self) -> np.ndarray:
        return self.observed & (self.delta != 0) if self.config.speak_only else self.observed


@st.composite
def cases(draw: st.DrawFn, max_rows: int = 3, max_genes: int = 7) -> Case:
    b, m = draw(st.integers(1, max_rows)), draw(st.integers(1, max_genes))

    def cells(values: tuple[int, ...]) -> np.ndarray:
        row = st.lists(st.sampled_from(values), min_size=m, max_size=m)
        return np.array(draw(st.lists(row, min_size=b, max_size=b)))

    w = draw(st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=m, max_size=m))
    config = Config(
        theta=draw(st.integers(0, 20).map(lambda i: i / 20)),  # θ·m is rarely whole
        c_inc=draw(st.sampled_from((0.0, 0.1, 1.0))),
        c_len=draw(st.sampled_from((0.0, 0.3, 1.0, 5.0))),  # small ones lie below the gains
        c_weight=draw(st.sampled_from((0.0, 0.5, 2.0))),
        speak_only=draw(st.booleans()),
    )
    observed = cells((0, 1, 1, 1)).astype(bool)
    return Case(cells((-1, 0, 1)), cells((-1, 0, 1)), np.array(w), config, observed)


def loss_by_hand(case: Case, a: np.ndarray) -> list[float]:
    """The formula, cell by cell; the budget in exact fractions."""
    c = case.config
    result = []
    for i in range(len(a)):
        cells = [j for j in range(a.shape[1]) if case.observed[i, j]]
        budget = int(Fraction(str(c.theta)) * len(cells))
        total, used = 0.0, 0
        for j in cells:
            fused = case.delta[i, j] if a[i, j] else case.y_hat[i, j]
            total += c.c_inc * (fused != case.delta[i, j])
            total += c.c_weight * (1 - case.w[j] if a[i, j] else case.w[j])
            used += int(a[i, j])
        result.append(total + c.c_len * max(used - budget, 0))
    return result


def all_choices(allowed: np.ndarray) -> np.ndarray:
    """Every row of choices that is 0 outside ``allowed``, shape (2^allowed, m)."""
    free = np.flatnonzero(allowed)
    table = np.zeros((2 ** len(free), len(allowed)), dtype=int)
    table[:, free] = list(itertools.product((0, 1), repeat=len(free)))
    return table


# --------------------------------------------------------------------------------------- loss


@SOME
@given(cases(), st.data())
def test_the_loss_is_its_formula_cell_by_cell(case: Case, data: st.DataObject) -> None:
    bits = st.lists(st.integers(0, 1), min_size=case.delta.size, max_size=case.delta.size)
    a = np.array(data.draw(bits)).reshape(case.delta.shape)
    loss = adapter_loss(a, case.y_hat, case.delta, case.w, case.config, case.observed)
    assert loss.shape == (len(a),)
    assert loss.dtype == np.float64
    npt.assert_allclose(loss, loss_by_hand(case, a), atol=1e-12)


@SOME
@given(cases())
def test_what_stands_in_masked_cells_does_not_matter(case: Case) -> None:
    a = np.ones_like(case.delta)
    wild = [np.where(case.observed, v, 1 - v) for v in (a, case.y_hat, case.delta)]
    before = adapter_loss(a, case.y_hat, case.delta, case.w, case.config, case.observed)
    npt.assert_array_equal(adapter_loss(*wild, case.w, case.config, case.observed), before)
    best = optimal_adapter(case.y_hat, case.delta, case.w, case.config, case.observed)
    again = optimal_adapter(wild[1], wild[2], case.w, case.config, case.observed)
    npt.assert_array_equal(best, again)
    assert not best[~case.observed].any()


@pytest.mark.parametrize(
    ("theta", "m", "budget"),
    [(0.3, 10, 3), (0.3, 9, 2), (0.29, 100, 29), (0.57, 100, 57), (0.7, 10, 7), (1.0, 4, 4)],
)
def test_the_budget_is_a_whole_number_of_cells(theta: float, m: int, budget: int) -> None:
    """K = floor(θm + 1e-9): 0.29 · 100 is 28.999999999999996 in floating point, K is 29."""
    config = Config(theta=theta, c_inc=0.0, c_weight=0.0, c_len=1.0)
    zeros, w = np.zeros((m + 1, m), int), np.full(m, 0.5)
    a = np.tri(m + 1, m, -1, dtype=int)  # row i uses i symbols
    loss = adapter_loss(a, zeros, zeros, w, config)
    npt.assert_array_equal(loss, np.maximum(np.arange(m + 1) - budget, 0))


def test_the_budget_counts_observed_cells_only() -> None:
    config = Config(theta=0.5, c_inc=0.0, c_weight=0.0, c_len=1.0)
    seen = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    ones = np.ones((2, 4), int)
    assert adapter_loss(ones, ones, ones, np.full(4, 0.5), config, seen).tolist() == [2.0, 1.0]


def test_wrong_shapes_and_weights_are_refused() -> None:
    one, config = np.ones((1, 2), int), Config()
    with pytest.raises(ValueError, match=r"differ in shape .*\(1, 2\), \(1, 2\), \(1, 3\)"):
        adapter_loss(one, one, np.ones((1, 3), int), [0.5, 0.5], config)
    with pytest.raises(ValueError, match=r"one weight per gene, shape \(2,\)"):
        adapter_loss(one, one, one, [0.5], config)
    with pytest.raises(ValueError, match=r"w holds a value outside \[0, 1\]"):
        optimal_adapter(one, one, [0.5, 1.5], config)
    with pytest.raises(ValueError, match=r"w holds a value outside \[0, 1\]"):
        optimal_adapter(one, one, [0.5, np.nan], config)


# ------------------------------------------------------------------------------------ optimum


@settings(SOME, max_examples=150)
@given(cases(max_rows=2, max_genes=12))
def test_the_optimum_is_found_by_trying_everything(case: Case) -> None:
    best = optimal_adapter(case.y_hat, case.delta, case.w, case.config, case.observed)
    assert best.dtype == np.int8
    assert not best[~case.allowed].any()
    for i in range(len(best)):
        a = all_choices(case.allowed[i])
        tiled = [np.broadcast_to(v[i], a.shape) for v in (case.y_hat, case.delta, case.observed)]
        losses = adapter_loss(a, tiled[0], tiled[1], case.w, case.config, tiled[2])
        mine = adapter_loss(
            best[[i]], case.y_hat[[i]], case.delta[[i]], case.w, case.config, case.observed[[i]]
        )
        assert mine[0] == pytest.approx(losses.min(), abs=1e-9)


def test_beyond_the_budget_only_gains_above_its_price_are_taken() -> None:
    y_hat, delta, w = np.zeros((1, 5), int), np.ones((1, 5), int), [0.9, 0.8, 0.7, 0.6, 0.5]
    small = Config(theta=0.5, c_inc=1.0, c_weight=2.0, c_len=1.7)  # K = 2, gains 2.6, 2.2, 1.8, ..
    assert optimal_adapter(y_hat, delta, w, small).tolist() == [[1, 1, 1, 0, 0]]
    assert optimal_adapter(y_hat, delta, w, small.replace(c_len=5.0)).tolist() == [[1, 1, 0, 0, 0]]
    assert optimal_adapter(y_hat, delta, w, small.replace(c_len=0.0)).tolist() == [[1, 1, 1, 1, 1]]


@SOME
@given(cases())
def test_the_paper_form_copies_the_deduction_silence_included(case: Case) -> None:
    """With C_w <= 1 every disagreement gains; only ``speak_only`` keeps the network's calls."""
    free = {"c_inc": 1.0, "c_weight": 0.5, "theta": 1.0}
    paper = case.config.replace(**free, speak_only=False)
    a = optimal_adapter(case.y_hat, case.delta, case.w, paper)
    npt.assert_array_equal(fuse(case.y_hat, case.delta, a), case.delta)
    ours = case.config.replace(**free, speak_only=True)
    a = optimal_adapter(case.y_hat, case.delta, case.w, ours)
    expected = np.where(case.delta != 0, case.delta, case.y_hat)
    npt.assert_array_equal(fuse(case.y_hat, case.delta, a), expected)


@SOME
@given(cases())
def test_with_a_heavier_weight_term_a_badly_known_gene_stays_with_the_network(case: Case) -> None:
    config = case.config.replace(c_inc=1.0, c_weight=2.0, theta=1.0, speak_only=False)
    unknown = np.zeros(case.delta.shape[1])
    assert not optimal_adapter(case.y_hat, case.delta, unknown, config).any()


@SOME
@given(cases())
def test_regret_is_zero_at_the_optimum_and_one_without_symbols(case: Case) -> None:
    args = (case.y_hat, case.delta, case.w, case.config, case.observed)
    best = optimal_adapter(*args)
    at_best, without = normalised_regret(best, *args), normalised_regret(np.zeros_like(best), *args)
    if best.any():
        assert at_best == pytest.approx(0.0, abs=1e-9)
        assert without == pytest.approx(1.0)
    else:  # nothing to gain: regret has no unit
        assert np.isnan(at_best)
        assert np.isnan(without)


# ----------------------------------------------------------------------------------- gradient


@dataclass
class Setting:
    """Tensors of a small gradient problem: a silent cell, a masked one, ties and conflicts."""

    logits: torch.Tensor
    y_hat: torch.Tensor
    delta: torch.Tensor
    w: torch.Tensor
    observed: torch.Tensor
    config: Config

    @property
    def allowed(self) -> torch.Tensor:
        return self.observed & (self.delta != 0) if self.config.speak_only else self.observed

    def losses(self, a: np.ndarray) -> np.ndarray:
        return adapter_loss(
            a,
            self.y_hat.numpy(),
            self.delta.numpy(),
            self.w.numpy(),
            self.config,
            self.observed.numpy(),
        )

    def draws(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every draw of the allowed cells, as full choices (b, m) with its log-probability."""
        p = torch.sigmoid(self.logits)[self.allowed]
        for bits in itertools.product((0, 1), repeat=len(p)):
            flat = torch.tensor(bits, dtype=p.dtype)
            a = torch.zeros_like(self.logits)
            a[self.allowed] = flat
            yield a, (flat * p.log() + (1 - flat) * (1 - p).log()).sum()


def setting(**changes: object) -> Setting:
    config = Config(theta=0.4, c_len=1.5, c_weight=0.8).replace(**changes)
    return Setting(
        logits=torch.tensor([[0.3, -0.7, 1.1, 0.2], [0.0, 0.9, -0.4, 0.6]], dtype=torch.float64),
        y_hat=torch.tensor([[0, 1, -1, 0], [1, 0, 0, -1]]),
        delta=torch.tensor([[1, 1, 1, 0], [1, -1, 0, 1]]),
        w=torch.tensor([0.9, 0.3, 0.6, 0.5], dtype=torch.float64),
        observed=torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]], dtype=torch.bool),
        config=config,
    )


def adapter_gradient(
    logits: torch.Tensor,
    y_hat: torch.Tensor,
    delta: torch.Tensor,
    w: torch.Tensor,
    observed: torch.Tensor,
    config: Config,
    *more: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`cell_gradient` from the logits of all cells, shape (b, m)."""
    row, gene = allowed_cells(delta, observed, config)
    return cell_gradient(logits[row, gene], row, gene, y_hat, delta, w, observed, config, *more)


def gradients(
    s: Setting, monkeypatch: pytest.MonkeyPatch, baseline: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[np.ndarray]]:
    """Of every draw: the estimate, its probability, and the losses that came with it.

    ``torch.rand`` is replaced: 0 makes a cell choose symbols whatever its p, 1 never does.
    """
    estimates, weights, returned, choices = [], [], [], []
    for a, log_p in s.draws():
        uniform = 1 - a[s.allowed]
        monkeypatch.setattr(torch, "rand", lambda *_, uniform=uniform, **__: uniform)
        logits = s.logits.clone().requires_grad_()
        surrogate, losses = adapter_gradient(
            logits, s.y_hat, s.delta, s.w, s.observed, s.config, torch.Generator(), baseline
        )
        monkeypatch.undo()
        (gradient,) = torch.autograd.grad(surrogate, logits)
        estimates.append(gradient)
        weights.append(log_p.exp())
        returned.append(losses)
        choices.append(a.numpy().astype(int))
    return torch.stack(estimates), torch.stack(weights), torch.stack(returned), choices


def exact_gradient(s: Setting) -> torch.Tensor:
    """Gradient of ``E_a[L_a]``, summed over rows, by summing over every draw."""
    s = replace(s, logits=s.logits.clone().requires_grad_())
    expected = sum(
        log_p.exp() * float(s.losses(a.detach().numpy().astype(int)).sum())
        for a, log_p in s.draws()
    )
    (gradient,) = torch.autograd.grad(expected, s.logits)
    return gradient


@pytest.mark.parametrize("speak_only", [True, False])
@pytest.mark.parametrize("estimator", ["local", "reinforce"])
def test_the_gradient_is_unbiased(
    estimator: str, speak_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = setting(estimator=estimator, speak_only=speak_only)
    estimates, weights, _, _ = gradients(s, monkeypatch, baseline=0.7)
    mean = (weights[:, None, None] * estimates).sum(dim=0)
    assert weights.sum().item() == pytest.approx(1.0)
    torch.testing.assert_close(mean, exact_gradient(s), atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("speak_only", [True, False])
@pytest.mark.parametrize("estimator", ["local", "reinforce"])
def test_the_losses_returned_are_those_of_the_draws(
    estimator: str, speak_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = setting(estimator=estimator, speak_only=speak_only)
    _, _, returned, choices = gradients(s, monkeypatch)
    for losses, a in zip(returned, choices, strict=True):
        assert not losses.requires_grad
        npt.assert_allclose(losses.numpy(), s.losses(a), atol=1e-12)


@pytest.mark.parametrize("estimator", ["local", "reinforce"])
def test_silent_and_masked_cells_get_no_gradient(
    estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = setting(estimator=estimator, speak_only=True)
    estimates, _, _, _ = gradients(s, monkeypatch)
    assert (estimates[:, ~s.allowed] == 0).all()
    assert (estimates[:, s.allowed] != 0).any(dim=0).all()
    s = setting(estimator=estimator, speak_only=False)
    estimates, _, _, _ = gradients(s, monkeypatch)
    assert (estimates[:, ~s.observed] == 0).all()
    assert (estimates[:, s.delta == 0][:, :2] != 0).any()


def total_variance(s: Setting, monkeypatch: pytest.MonkeyPatch, baseline: float) -> float:
    estimates, weights, _, _ = gradients(s, monkeypatch, baseline)
    weights = weights[:, None, None]
    mean = (weights * estimates).sum(dim=0)
    return float((weights * (estimates - mean) ** 2).sum())


def test_local_has_far_less_variance_than_reinforce(monkeypatch: pytest.MonkeyPatch) -> None:
    s = setting(estimator="local", speak_only=False)
    _, weights, returned, _ = gradients(s, monkeypatch)
    expected = float((weights[:, None] * returned).sum(dim=0).mean())  # a good baseline
    theirs = total_variance(setting(estimator="reinforce", speak_only=False), monkeypatch, expected)
    assert total_variance(s, monkeypatch, 0.0) < theirs / 5
    free = setting(estimator="local", speak_only=False, theta=1.0)  # the budget never binds
    assert total_variance(free, monkeypatch, 0.0) == pytest.approx(0.0, abs=1e-20)


def test_the_budget_while_learning_is_that_of_the_loss() -> None:
    """0.009 · 3000 = 27 falls to 26 where it is computed in single precision."""
    m = 3000
    config = Config(theta=0.009, c_inc=0.0, c_weight=0.0, c_len=1.0, speak_only=False)
    cells = torch.zeros(1, m, dtype=torch.int64)
    _, losses = adapter_gradient(
        torch.full((1, m), 50.0),
        cells,
        cells,
        torch.full((m,), 0.5),
        torch.ones(1, m, dtype=torch.bool),
        config,
        torch.Generator().manual_seed(0),
    )
    ones = np.ones((1, m), int)
    assert losses.tolist() == adapter_loss(ones, ones, ones, np.full(m, 0.5), config).tolist()


def regret_after(estimator: str, steps: int, seed: int) -> float:
    """Regret of ``[p > ½]`` after learning one logit per gene, on four draws a step."""
    rng = np.random.default_rng(seed)
    m, b = 400, 4
    y_hat = np.tile(rng.integers(-1, 2, m), (b, 1))
    delta = np.tile(rng.integers(-1, 2, m), (b, 1))
    w, config = rng.random(m), Config(estimator=estimator, speak_only=True)
    logits = torch.logit(torch.tensor(w, dtype=torch.float32).clip(0.02, 0.98)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    generator, baseline = torch.Generator().manual_seed(seed), 0.0
    for step in range(steps):
        surrogate, losses = adapter_gradient(
            logits.expand(b, m),
            torch.from_numpy(y_hat),
            torch.from_numpy(delta),
            torch.tensor(w, dtype=torch.float32),
            torch.ones(b, m, dtype=torch.bool),
            config,
            generator,
            baseline,
        )
        mean = float(losses.mean())
        baseline = mean if step == 0 else 0.9 * baseline + 0.1 * mean
        optimiser.zero_grad()
        (surrogate / b).backward()
        optimiser.step()
    a = (logits.detach().numpy() > 0)[None, :] & (delta[:1] != 0)
    return normalised_regret(a.astype(int), y_hat[:1], delta[:1], w, config)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_local_learns_the_optimum_where_reinforce_is_still_on_its_way(seed: int) -> None:
    start, local = regret_after("local", 0, seed), regret_after("local", 150, seed)
    assert local < 0.03 < start
    assert regret_after("reinforce", 150, seed) > 3 * local


# ------------------------------------------------------------------------------ fusion, weights


def test_fusion_takes_the_deduction_where_a_is_one() -> None:
    y_hat, delta = np.array([[1, 0, -1, 0]]), np.array([[0, 1, 1, 0]])
    fused = fuse(y_hat, delta, [[0, 1, 1, 0]])
    assert fused.dtype == np.int8
    assert fused.tolist() == [[1, 1, 1, 0]]
    npt.assert_array_equal(fuse(y_hat, delta, np.zeros((1, 4))), y_hat)
    npt.assert_array_equal(fuse(y_hat, delta, np.ones((1, 4), bool)), delta)


#: 4 conditions, 3 genes: gene 0 agrees twice and conflicts once (a fourth time unobserved),
#: gene 1 is never deduced, gene 2 conflicts once and is unchanged elsewhere.
Y = np.array([[1, 1, 1], [1, -1, 0], [-1, 0, 0], [1, 0, 0]])
DELTA = np.array([[1, 0, -1], [1, 0, 1], [1, 0, 0], [-1, 0, -1]])
COUNTED = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 1, 1]], bool)
IN_DEGREE, GO = [3, 0, 1], [7.0, 1.0, np.nan]
PARTS = {
    "conflicts": np.array([2.5 / 4, 0.5 / 1, 0.5 / 2]),
    "go": np.array([1.0, np.log(2) / np.log(8), np.nan]),
    "grn": np.array([1.0, 0.0, np.log(2) / np.log(4)]),
}


def weights(go: object = GO, **changes: object) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    made = gene_weights(Y, DELTA, COUNTED, IN_DEGREE, go, Config().replace(**changes))
    return made.w, made.parts


def test_weights_are_the_mean_of_their_parts() -> None:
    w, parts = weights()
    assert list(parts) == ["conflicts", "go", "grn"]
    for name, part in PARTS.items():
        npt.assert_allclose(parts[name], part)
    npt.assert_allclose(w, np.nanmean(np.stack(list(PARTS.values())), axis=0))
    assert ((w >= 0) & (w <= 1)).all()


@pytest.mark.parametrize("off", PARTS)
def test_each_part_can_be_switched_off(off: str) -> None:
    w, parts = weights(**{f"use_{off}": False})
    left = {name: part for name, part in PARTS.items() if name != off}
    assert set(parts) == set(left)
    npt.assert_allclose(w, np.nanmean(np.stack(list(left.values())), axis=0))


@pytest.mark.parametrize("only", PARTS)
def test_each_part_can_stand_alone(only: str) -> None:
    w, _ = weights(**{f"use_{name}": name == only for name in PARTS})
    npt.assert_allclose(w, np.nan_to_num(PARTS[only], nan=0.5))  # nothing known: no preference


def test_without_go_counts_the_part_is_left_out() -> None:
    npt.assert_array_equal(weights(go=None)[0], weights(use_go=False)[0])
    nothing_known = weights(go=[np.nan] * 3)[0]
    npt.assert_array_equal(nothing_known, weights(use_go=False)[0])


def test_no_part_left_is_refused() -> None:
    off = {"use_conflicts": False, "use_grn": False}
    with pytest.raises(ValueError, match=r"no part of the weights w is left; switch on"):
        weights(**off, use_go=False)
    with pytest.raises(ValueError, match="needs GO counts"):
        weights(go=None, **off)


def test_constant_and_random_weights_look_at_nothing() -> None:
    npt.assert_array_equal(weights(weights="constant")[0], np.full(3, 0.5))
    one, again = weights(weights="random", seed=1)[0], weights(weights="random", seed=1)[0]
    npt.assert_array_equal(one, again)
    assert (one != weights(weights="random", seed=2)[0]).all()
    assert ((one >= 0) & (one <= 1)).all()
    other = gene_weights(-Y, DELTA, ~COUNTED, [9, 9, 9], None, Config(weights="random", seed=1))
    npt.assert_array_equal(other.w, one)


def test_weights_ignore_cells_that_do_not_count() -> None:
    wild = np.where(COUNTED, Y, -Y)
    made = gene_weights(wild, DELTA, COUNTED, IN_DEGREE, GO, Config())
    npt.assert_array_equal(made.w, weights()[0])


def test_a_network_without_edges_gives_weights_of_zero_not_nan() -> None:
    made = gene_weights(Y, 0 * DELTA, COUNTED, [0, 0, 0], [0, 0, 0], Config())
    npt.assert_allclose(made.w, np.full(3, 0.5 / 3))
