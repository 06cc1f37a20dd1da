"""The loop as a whole: what it writes down, what it may not look at, and that it can be repeated,
interrupted, stored and read again without a difference in any bit."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from pandas.testing import assert_frame_equal
from sklearn.metrics import f1_score

import aligned as al
from aligned import files
from aligned.data import with_split
from aligned.data.rows import Rows
from aligned.decisions import best_threshold, decide
from aligned.knowledge import Rule
from aligned.loop import SCORES, model, parse_schedule, stage_name, store, training
from aligned.loop.problem import CLOSURES, choose_closure
from aligned.loop.training import Ensemble, carried_threshold
from aligned.neural import class_weights, cross_entropy
from aligned.scores import confusion

TINY = al.Config(
    n_networks=2, network_steps=3, align_steps=3, hidden=8, k=2, rule="boolean", device="cpu"
)
YARDSTICK = {"k": 1, "rule": "boolean"}
STAGES = ["init", "network", "A", "A-R", "A-R-A", "A-R-A-R"]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def sim() -> al.Simulation:
    return al.simulate(n_genes=60, n_regulators=12, seed=1)


@pytest.fixture(scope="module")
def data(sim: al.Simulation) -> AnnData:
    """Fifty of the sixty genes were measured, and not in the network's order."""
    order = np.random.default_rng(0).permutation(sim.data.n_vars)[:50]
    return sim.data[:, order].copy()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(data: AnnData, sim: al.Simulation, checkpoints: Path) -> al.Aligned:
    """An uninterrupted run that the tests below only read."""
    return fit(data, sim.kb, checkpoint=checkpoints)


def fit(
    data: AnnData, kb: al.KnowledgeBase, config: al.Config = TINY, **options: Any
) -> al.Aligned:
    return al.Aligned(config).fit(data, kb, **{"yardstick": YARDSTICK, **options})


def weights_of(m: al.Aligned) -> dict[str, torch.Tensor]:
    networks = enumerate(m.ensemble.models)
    return {f"{j}.{k}": v for j, network in networks for k, v in network.state_dict().items()}


def predictions(m: al.Aligned, x: Any) -> list[np.ndarray]:
    p = m.predict(x)
    alone = m.predict(x, tuned_for="neural").neural
    return [p.neural, p.symbolic, p.adapter, p.fused, p.probabilities, alone]


def assert_same_fit(one: al.Aligned, other: al.Aligned, x: Any) -> None:
    """Everything fitted is equal, to the last bit."""
    assert one.kb == other.kb
    assert_frame_equal(one.kb.to_edges(), other.kb.to_edges())
    assert_frame_equal(one.edits, other.edits, check_dtype=False)
    assert (one.n_edits, one.done) == (other.n_edits, other.done)
    assert one.problem.closing == other.problem.closing
    npt.assert_array_equal(one.problem.w, other.problem.w)
    assert one.ensemble.tau == other.ensemble.tau
    assert one.ensemble.tau_single == other.ensemble.tau_single
    mine, theirs = weights_of(one), weights_of(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    for a, b in zip(predictions(one, x), predictions(other, x), strict=True):
        npt.assert_array_equal(a, b)


def assert_same_scores(one: al.Aligned, other: al.Aligned) -> None:
    assert_frame_equal(one.history, other.history, check_exact=True)
    assert [p.stage for p in one.phases] == [p.stage for p in other.phases]
    for a, b in zip(one.phases, other.phases, strict=True):
        assert a.n_edits == b.n_edits
        assert a.predictions.keys() == b.predictions.keys()
        assert a.confusions.keys() == b.confusions.keys()
        assert all((a.predictions[k] == b.predictions[k]).all() for k in a.predictions)
        assert all((a.confusions[k] == b.confusions[k]).all() for k in a.confusions)


# ---------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("schedule", "stages"),
    [
        ("network", ["init", "network"]),
        ("A", ["init", "network", "A"]),
        ("R", ["init", "network", "R"]),
        ("A-A", ["init", "network", "A", "A-A"]),
        ("R-A", ["init", "network", "R", "R-A"]),
        ("A-R-A", STAGES[:-1]),
        ("A-R-A-R", STAGES),
    ],
)
def test_every_schedule_runs_and_names_its_stages(
    schedule: str, stages: list[str], data: AnnData, sim: al.Simulation
) -> None:
    config = TINY.replace(network_steps=1, align_steps=1, n_networks=1)
    m = fit(data, sim.kb, config, schedule=schedule)
    assert m.history["stage"].unique().tolist() == stages
    assert [p.stage for p in m.phases] == stages
    assert stage_name(m.done) == stages[-1]


@pytest.mark.parametrize("wrong", ["", "a-r", "A-R-", "A R", "A-B", "AR", None, 3])
def test_a_wrong_schedule_is_shown_what_one_looks_like(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"join phases A \(align\) and R \(refine\).*'A-R-A-R'"):
        parse_schedule(wrong)


def refinements(
    monkeypatch: pytest.MonkeyPatch, kb: al.KnowledgeBase, edits_of_each: list[int]
) -> list[int]:
    """Replace refinement by one that makes so many edits each time; the list fills with calls."""
    calls: list[int] = []
    frame = pd.DataFrame(
        {"source": "s", "target": "t", "before": "0", "after": "+", "gain": 1.0}, index=range(99)
    )

    def fake(current: al.KnowledgeBase, *_: object, **__: object) -> al.Refinement:
        count = edits_of_each[len(calls)]
        calls.append(count)
        edits = frame.head(count).reset_index(drop=True)
        return al.Refinement(current, edits, frame, current, frame, 0.0, 0.0, 0.5, 0.0, "made up")

    monkeypatch.setattr(model, "refine", fake)
    return calls


def test_auto_stops_when_no_edge_changes(
    data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = refinements(monkeypatch, sim.kb, [3, 1, 0, 5])
    m = fit(data, sim.kb, TINY.replace(n_networks=1, align_steps=1), schedule="auto")
    assert calls == [3, 1, 0]
    assert m.done == ["A", "R"] * 3
    assert len(m.edits) == 4
    assert m.edits["stage"].tolist() == ["A-R"] * 3 + ["A-R-A-R"]


def test_auto_stops_at_the_limit(
    data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    refinements(monkeypatch, sim.kb, [3, 3, 3])
    config = TINY.replace(n_networks=1, align_steps=1)
    m = fit(data, sim.kb, config, schedule="auto", max_rounds=2)
    assert m.done == ["A", "R"] * 2


def test_an_auto_run_that_has_stopped_stays_stopped_when_resumed(
    data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = TINY.replace(n_networks=1, align_steps=1)
    refinements(monkeypatch, sim.kb, [2, 0])
    first = fit(data, sim.kb, config, schedule="auto", checkpoint=tmp_path)
    calls = refinements(monkeypatch, sim.kb, [])
    again = fit(data, sim.kb, config, schedule="auto", checkpoint=tmp_path, resume=True)
    assert calls == []
    assert again.done == first.done == ["A", "R"] * 2


# ------------------------------------------------------------------------------------ history


COLUMNS = [
    "stage",
    "score",
    "yardstick",
    "f_d",
    "f_k",
    "balanced",
    "n_edits",
    "n_cells",
    "rows",
]


def test_the_history_has_a_row_per_stage_score_and_yardstick(whole: al.Aligned) -> None:
    history = whole.history
    assert history.columns.tolist() == COLUMNS
    yardsticks = ["original", "original, reached", "refined"]
    expected = [(s, c, y) for s in STAGES for c in SCORES for y in yardsticks]
    assert list(history[COLUMNS[:3]].itertuples(index=False, name=None)) == expected
    assert (history["rows"] == "test").all()
    assert history[["f_d", "f_k", "balanced"]].apply(lambda c: c.between(0, 1)).all().all()
    net = whole.yardsticks.original.changes_to(whole.kb)
    assert history["n_edits"].iloc[-1] == whole.n_edits == len(net) > 0
    assert (history.loc[history["stage"].isin(["init", "network", "A"]), "n_edits"] == 0).all()


def test_edits_say_in_which_stage_they_were_made(
    whole: al.Aligned, sim: al.Simulation, checkpoints: Path
) -> None:
    assert set(whole.edits["stage"]) <= {"A-R", "A-R-A-R"}
    kb = sim.kb
    for stage, edits in whole.edits.groupby("stage", sort=False):
        refined = al.Aligned.load(checkpoints / str(stage)).kb
        for column, network in (("before", kb), ("after", refined)):
            states = [state(network, s, t) for s, t in zip(edits.source, edits.target, strict=True)]
            assert edits[column].tolist() == states
        kb = refined
    assert kb == whole.kb != sim.kb


def state(kb: al.KnowledgeBase, source: str, target: str) -> str:
    edges = kb.to_edges()
    signs = edges[(edges["source"] == source) & (edges["target"] == target)]["sign"]
    return {(): "0", (1,): "+", (-1,): "-", (-1, 1): "+-"}[tuple(sorted(signs))]


def test_all_scores_can_be_recomputed_from_the_predictions(
    whole: al.Aligned, data: AnnData, sim: al.Simulation, checkpoints: Path
) -> None:
    test = data[data.obs["split"] == "test"]
    x, genes = test.obsm["perturbation"], list(test.var_names)
    counted = sim.kb.scored_cells(x, genes, test.layers["observed"])
    said = sim.kb.deduction(x, **YARDSTICK)
    reached = counted & said.reached[:, sim.kb.columns(genes)]
    table = whole.history.set_index(["stage", "score", "yardstick"])
    for phase in whole.phases:
        refined = al.Aligned.load(checkpoints / phase.stage).kb
        for score, prediction in phase.predictions.items():
            f_d = al.data_consistency(prediction, test.X, counted)
            for name, kb, cells in (
                ("original", sim.kb, counted),
                ("original, reached", sim.kb, reached),
                ("refined", refined, counted),
            ):
                row = table.loc[(phase.stage, score, name)]
                f_k = al.knowledge_consistency(
                    prediction, kb, x, genes, **YARDSTICK, observed=cells
                )
                assert row["f_d"] == pytest.approx(f_d)
                assert row["f_k"] == pytest.approx(f_k)
                assert row["balanced"] == pytest.approx(al.balanced_consistency(f_d, f_k))
                assert row["n_cells"] == cells.sum()
                assert row["n_edits"] == phase.n_edits
                counts = phase.confusions[score, name]
                delta = kb.deduce(x, **YARDSTICK)[:, kb.columns(genes)]
                npt.assert_array_equal(counts, confusion(delta, prediction, cells))


def test_the_last_phase_holds_what_the_model_predicts(whole: al.Aligned, data: AnnData) -> None:
    x = data[data.obs["split"] == "test"].obsm["perturbation"]
    last = whole.phases[-1].predictions
    npt.assert_array_equal(last["integrated"], whole.predict(x).fused)
    npt.assert_array_equal(last["neural"], whole.predict(x, tuned_for="neural").neural)


def test_the_heldout_yardstick_scores_what_the_hidden_edges_would_say(
    data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    visible, hidden = sim.kb.hold_out(0.4, seed=0)
    assert len(hidden)
    m = fit(data, visible, schedule="A-R", complete_kb=sim.kb, checkpoint=tmp_path)
    assert set(m.history["yardstick"]) == {"original", "original, reached", "refined", "heldout"}
    test = data[data.obs["split"] == "test"]
    x, columns = test.obsm["perturbation"], sim.kb.columns(data.var_names)
    complete, seen = (kb.deduce(x, **YARDSTICK)[:, columns] for kb in (sim.kb, visible))
    cells = sim.kb.scored_cells(x, list(data.var_names), test.layers["observed"])
    cells &= complete != seen
    assert cells.any()
    rows = m.history[m.history["yardstick"] == "heldout"].set_index(["stage", "score"])
    assert (rows["n_cells"] == cells.sum()).all()
    for phase in m.phases:
        for score, prediction in phase.predictions.items():
            f_k = f1_score(
                complete[cells],
                prediction[cells],
                labels=[-1, 0, 1],
                average="macro",
                zero_division=0,
            )
            assert rows.loc[(phase.stage, score), "f_k"] == pytest.approx(f_k)
    # the complete network only measures: nothing that is fitted depends on it
    assert_same_fit(m, fit(data, visible, schedule="A-R"), x)


def test_without_test_rows_the_training_rows_are_scored_and_named(
    data: AnnData, sim: al.Simulation
) -> None:
    only = data[data.obs["split"] == "train"].copy()
    m = fit(only, sim.kb, schedule="A")
    assert (m.history["rows"] == "train").all()
    assert m.phases[0].predictions["neural"].shape == only.shape


# -------------------------------------------------------------------------------- predictions


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "mlp"},
        {"estimator": "exact"},
        {"estimator": "reinforce"},
        {"estimator": "exact", "speak_only": False, "c_weight": 0.5},
        {"speak_only": False, "decision": "argmax", "n_networks": 1},
        {"k": "auto", "rule": "auto", "objective": "f_d"},
        {"k": 3, "rule": "majority", "margin": 0.2, "unlabelled": "regulators+heldout"},
        {"refine_rows": "all", "refine_candidates": "perturbed", "refine_penalty": "frobenius"},
        {"weights": "random"},
        {"weights": "constant"},
    ],
    ids=lambda c: ",".join(map(str, c.values())) or "default",
)
def test_predictions_keep_their_promises(
    changes: dict[str, Any], data: AnnData, sim: al.Simulation
) -> None:
    config = TINY.replace(**changes)
    m = fit(data, sim.kb, config, schedule="A-R")
    x = data.obsm["perturbation"]
    p = m.predict(x)
    shape = (data.n_obs, data.n_vars)
    for name in ("neural", "symbolic", "adapter", "fused"):
        array = getattr(p, name)
        assert array.shape == shape
        assert array.dtype == np.int8
        assert set(np.unique(array)) <= ({0, 1} if name == "adapter" else {-1, 0, 1})
    assert p.genes == tuple(data.var_names)
    assert p.probabilities.shape == (*shape, 3)
    assert p.probabilities.dtype == np.float32
    assert (p.probabilities >= 0).all()
    npt.assert_allclose(p.probabilities.sum(axis=2), 1, atol=1e-5)
    npt.assert_array_equal(p.fused, np.where(p.adapter == 1, p.symbolic, p.neural))
    deduced = m.kb.deduce(x, m.problem.closing)
    npt.assert_array_equal(p.symbolic, deduced[:, m.kb.columns(data.var_names)])
    tau = m.ensemble.tau["integrated"]
    if config.decision == "argmax":
        assert tau is None
        npt.assert_array_equal(p.neural, p.probabilities.argmax(axis=2) - 1)
    else:
        changed = np.maximum(p.probabilities[:, :, 0], p.probabilities[:, :, 2]) > tau
        npt.assert_array_equal(p.neural != 0, changed)
    if config.speak_only:
        assert not p.adapter[p.symbolic == 0].any()
    if config.estimator == "exact":
        best = al.optimal_adapter(p.neural, p.symbolic, m.problem.w, config)
        npt.assert_array_equal(p.adapter, best)
    for other in (np.asarray(x.todense()), sp.csc_matrix(x), x.astype(float)):
        npt.assert_array_equal(m.predict(other).fused, p.fused)


def test_symbols_are_used_at_all(whole: al.Aligned, data: AnnData) -> None:
    p = whole.predict(data.obsm["perturbation"])
    assert p.adapter.any()
    assert (p.fused != p.neural).any()
    assert (p.fused != p.symbolic).any()


def test_perturbations_may_be_given_by_name(whole: al.Aligned, sim: al.Simulation) -> None:
    first, second = sim.kb.regulators[:2]
    x = np.zeros((2, len(sim.kb.genes)), np.int8)
    x[0, sim.kb.genes.index(first)] = -1
    x[1, [sim.kb.genes.index(first), sim.kb.genes.index(second)]] = [-1, 1]
    by_array = predictions(whole, x)
    by_id = predictions(whole, [{first: -1}, {first: -1, second: 1}])
    names = sim.kb.names
    by_name = predictions(whole, [{names[first]: -1}, {names[first]: -1, names[second]: 1}])
    for a, b, c in zip(by_array, by_id, by_name, strict=True):
        npt.assert_array_equal(a, b)
        npt.assert_array_equal(a, c)
    npt.assert_array_equal(whole.predict({first: -1}).fused, by_array[3][:1])


def test_a_condition_is_predicted_alone_as_among_others(whole: al.Aligned, data: AnnData) -> None:
    x = sp.csr_array(data.obsm["perturbation"])
    together = whole.predict(x)
    alone = [whole.predict(x[[i]]) for i in range(4)]
    npt.assert_allclose(
        np.concatenate([p.probabilities for p in alone]), together.probabilities[:4], atol=1e-6
    )
    npt.assert_array_equal(np.concatenate([p.symbolic for p in alone]), together.symbolic[:4])


def test_the_prediction_as_a_table(whole: al.Aligned, data: AnnData) -> None:
    p = whole.predict(data.obsm["perturbation"])
    frame = p.to_frame(list(data.obs_names))
    assert len(frame) == data.n_obs * data.n_vars
    i, j = 3, 7
    row = frame[(frame.condition == data.obs_names[i]) & (frame.gene == data.var_names[j])].iloc[0]
    assert row["fused"] == p.fused[i, j]
    assert row["p_up"] == p.probabilities[i, j, 2]


def test_an_explanation_says_what_the_prediction_says(
    whole: al.Aligned, data: AnnData, sim: al.Simulation
) -> None:
    x = data.obsm["perturbation"]
    p = whole.predict(x)
    own = x[:, sim.kb.columns(data.var_names)].toarray() != 0
    i, j = np.argwhere((p.adapter == 1) & ~own)[0]
    gene = str(data.var_names[j])
    perturbation = {sim.kb.genes[c]: int(x[i, c]) for c in x[i].indices}
    said = whole.explain(perturbation, gene)
    assert (said.gene, said.neural, said.symbolic, said.fused) == (
        gene,
        p.neural[i, j],
        p.symbolic[i, j],
        p.fused[i, j],
    )
    assert said.trusts_kb
    assert said.p_down == pytest.approx(p.probabilities[i, j, 0])
    assert said.p_up == pytest.approx(p.probabilities[i, j, 2])
    assert said.weight == whole.problem.w[j]
    paths = whole.kb.explain(perturbation, gene, k=whole.problem.closing.k, limit=10)
    assert_frame_equal(said.paths, paths)
    assert len(paths)
    assert p.symbolic[i, j] in set(paths["sign"])
    by_name = whole.explain(
        {sim.kb.names[g]: s for g, s in perturbation.items()}, sim.kb.names[gene], limit=1
    )
    assert by_name.gene == gene
    assert len(by_name.paths) == 1


# ------------------------------------------------------------------------------------ leakage


def with_labels(data: AnnData, rows: np.ndarray, labels: np.ndarray, **layers: Any) -> AnnData:
    """The data with other responses in some rows; unmeasured cells stay 0, as they must."""
    copy = data.copy()
    response = copy.X.copy()
    response[rows] = np.where(copy.layers["observed"][rows], labels, 0)
    copy.X = response
    for name, layer in layers.items():
        copy.layers[name] = layer
    al.validate(copy)
    return copy


def _shuffled(data: AnnData, rows: np.ndarray) -> AnnData:
    """Test labels dealt anew, with their masks and fold changes."""
    rng = np.random.default_rng(5)
    order = np.arange(data.n_obs)
    order[rows] = rng.permutation(np.flatnonzero(rows))
    copy = data.copy()
    copy.X = copy.X[order]
    for layer in ("observed", "logfc"):
        copy.layers[layer] = copy.layers[layer][order]
    al.validate(copy)
    return copy


def _replaced(data: AnnData, rows: np.ndarray) -> AnnData:
    labels = np.random.default_rng(6).integers(-1, 2, (rows.sum(), data.n_vars))
    noise = np.random.default_rng(7).normal(size=data.shape).astype(np.float32)
    return with_labels(data, rows, labels, logfc=noise)


def _flipped(data: AnnData, rows: np.ndarray) -> AnnData:
    return with_labels(data, rows, -data.X[rows])


LEAKY = TINY.replace(k="auto", rule="auto", unlabelled="regulators+heldout")


@pytest.fixture(scope="module")
def honest(data: AnnData, sim: al.Simulation) -> al.Aligned:
    return fit(data, sim.kb, LEAKY)


@pytest.mark.parametrize("change", [_shuffled, _replaced, _flipped])
def test_test_labels_change_nothing_that_is_fitted(
    change: Callable[[AnnData, np.ndarray], AnnData],
    data: AnnData,
    sim: al.Simulation,
    honest: al.Aligned,
) -> None:
    assert honest.n_edits > 0
    hidden = (data.obs["split"] != "train").to_numpy()
    other = change(data, hidden)
    assert (other.X[hidden] != data.X[hidden]).any()
    m = fit(other, sim.kb, LEAKY)
    assert_same_fit(m, honest, data.obsm["perturbation"])
    assert_frame_equal(m.problem.tried, honest.problem.tried, check_exact=True)
    for a, b in zip(m.phases, honest.phases, strict=True):
        assert all((a.predictions[s] == b.predictions[s]).all() for s in SCORES)
    # while the scores do notice, so the labels were really other ones
    assert (m.history["f_d"] != honest.history["f_d"]).any()
    if (other.layers["observed"] == data.layers["observed"]).all():
        npt.assert_array_equal(m.history["f_k"], honest.history["f_k"])


def test_training_labels_do_change_what_is_fitted(
    data: AnnData, sim: al.Simulation, honest: al.Aligned
) -> None:
    """The test above could fail."""
    m = fit(_replaced(data, (data.obs["split"] == "train").to_numpy()), sim.kb, LEAKY)
    assert (m.problem.w != honest.problem.w).any()
    with pytest.raises(AssertionError):
        assert_same_fit(m, honest, data.obsm["perturbation"])


def test_test_rows_may_as_well_be_absent(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    only = data[data.obs["split"] == "train"].copy()
    assert_same_fit(fit(only, sim.kb), whole, data.obsm["perturbation"])


def test_each_network_never_sees_the_labels_of_one_inner_fold(
    data: AnnData, sim: al.Simulation
) -> None:
    config = TINY.replace(weights="constant")  # otherwise w carries all training labels
    m = fit(data, sim.kb, config, schedule="network")
    train = np.flatnonzero(data.obs["split"] == "train")
    assert set(m.ensemble.inner) == {0, 1, 2}
    for j in range(config.n_networks):
        left_out = np.zeros(data.n_obs, bool)
        left_out[train[m.ensemble.inner == j]] = True
        assert set(m.problem.train.groups[m.ensemble.inner == j]).isdisjoint(
            m.problem.train.groups[m.ensemble.inner != j]
        )
        before, after = (
            weights_of(fit(d, sim.kb, config, schedule="network"))
            for d in (data, _replaced(data, left_out))
        )
        same = {name: torch.equal(before[name], after[name]) for name in before}
        assert all(same[name] for name in same if name.startswith(f"{j}."))
        assert not all(same[name] for name in same if name.startswith(f"{1 - j}."))


def test_thresholds_are_the_best_on_what_each_network_has_not_seen(
    data: AnnData, sim: al.Simulation
) -> None:
    m = fit(data, sim.kb, schedule="A")
    train, ensemble = m.problem.train, m.ensemble
    own = np.flatnonzero(ensemble.inner < len(ensemble.models))
    said = ensemble.outputs(train.x)
    p = np.stack([said[ensemble.inner[i]].response[i] for i in own])
    trust = np.stack([said[ensemble.inner[i]].adapter[i] for i in own])
    rows = train.take(own)
    delta = m.kb.deduce(rows.x, m.problem.closing)[:, ensemble.columns]
    yardstick = sim.kb.deduce(rows.x, **YARDSTICK)[:, ensemble.columns]

    def integrated(called: np.ndarray) -> np.ndarray:
        return np.where((trust > 0.5) & (delta != 0), delta, called).astype(np.int8)

    for score, finish in (("neural", None), ("integrated", integrated)):
        tau = best_threshold(p, rows.y, rows.counted, yardstick, TINY, finish)
        assert ensemble.tau_single[score] == tau
        on_unlabelled = [o.response for o in ensemble.outputs(m.problem.unlabelled)]
        assert ensemble.tau[score] == carried_threshold(on_unlabelled, tau)
    fused = integrated(decide(p, ensemble.tau_single["integrated"]))
    wrong = sum(
        fused[i, j] != rows.y[i, j] for i, j in np.ndindex(fused.shape) if rows.counted[i, j]
    )
    assert ensemble.error_rate == pytest.approx(wrong / rows.counted.sum())


# -------------------------------------------------------------------------------------- masks


def test_unmeasured_cells_influence_nothing(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in ``y`` where it was not measured: the contract says 0, nobody reads it."""
    assert not data.layers["observed"].all()
    honest_rows = Rows.of

    def scrambled(*args: Any) -> Rows:
        rows = honest_rows(*args)
        noise = np.random.default_rng(8).integers(-1, 2, rows.y.shape).astype(np.int8)
        return replace(rows, y=np.where(rows.observed, rows.y, noise))

    monkeypatch.setattr(Rows, "of", scrambled)
    m = fit(data, sim.kb)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)


def test_fold_changes_are_not_read(data: AnnData, sim: al.Simulation, whole: al.Aligned) -> None:
    without = data.copy()
    del without.layers["logfc"]
    m = fit(without, sim.kb)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)


def test_explicit_zeros_are_no_perturbations(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    x = sp.csr_matrix(data.obsm["perturbation"])
    padded = sp.csr_matrix(
        (np.r_[x.data, np.zeros(x.shape[0], np.int8)],
         (np.r_[x.nonzero()[0], np.arange(x.shape[0])],
          np.r_[x.nonzero()[1], np.full(x.shape[0], len(sim.kb.genes) - 1)])),
        shape=x.shape,
    )  # fmt: skip
    assert padded.nnz > x.nnz
    other = data.copy()
    other.obsm["perturbation"] = padded
    assert_same_fit(fit(other, sim.kb), whole, x)


def test_fitting_leaves_data_and_network_as_they_were(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    copy, edges = data.copy(), sim.kb.to_edges()
    fit(data, sim.kb, schedule="A-R")
    npt.assert_array_equal(data.X, copy.X)
    npt.assert_array_equal(data.layers["observed"], copy.layers["observed"])
    assert (data.obsm["perturbation"] != copy.obsm["perturbation"]).nnz == 0
    assert_frame_equal(data.obs, copy.obs)
    assert_frame_equal(sim.kb.to_edges(), edges)


# --------------------------------------------------------------------------------- repeatable


def test_the_same_seed_gives_the_same_tables(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    m = fit(data, sim.kb)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)
    again = m.fit(data, sim.kb, yardstick=YARDSTICK)  # fitting twice starts afresh
    assert_same_fit(again, whole, data.obsm["perturbation"])
    assert_same_scores(again, whole)


def test_another_seed_gives_another_network(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    m = fit(data, sim.kb, TINY.replace(seed=1))
    assert not torch.equal(weights_of(m)["0.trunk.0.weight"], weights_of(whole)["0.trunk.0.weight"])
    x = data.obsm["perturbation"]
    assert (m.predict(x).probabilities != whole.predict(x).probabilities).any()


def test_networks_of_an_ensemble_start_apart(data: AnnData, sim: al.Simulation) -> None:
    weights = weights_of(fit(data, sim.kb, TINY.replace(network_steps=0), schedule="network"))
    for layer in ("trunk.0", "response"):
        assert not torch.equal(weights[f"0.{layer}.weight"], weights[f"1.{layer}.weight"])


def test_global_chance_is_neither_used_nor_moved(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002
    random.seed(123)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    m = fit(data, sim.kb)
    assert torch.equal(before[0], torch.get_rng_state())
    npt.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert before[2] == random.getstate()
    assert_same_fit(m, whole, data.obsm["perturbation"])


# -------------------------------------------------------------------------------- interrupted


class Killed(BaseException):
    """Stands for a signal, a full disk, a closed laptop."""


def test_a_forked_model_goes_its_own_way(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    x = data.obsm["perturbation"]
    once = fit(data, sim.kb, schedule="A")
    fork = once.fork()
    before = [predictions(once, x), weights_of(once)]
    fork.extend("A-A")
    assert fork.history["stage"].unique().tolist() == ["init", "network", "A", "A-A"]
    assert once.done == ["A"]
    for mine, theirs in zip(predictions(once, x), before[0], strict=True):
        npt.assert_array_equal(mine, theirs)
    assert all(torch.equal(v, before[1][k]) for k, v in weights_of(once).items())
    assert_same_fit(once.extend("A-R-A-R"), whole, x)
    assert_same_fit(fork, fit(data, sim.kb, schedule="A-A"), x)


def test_only_a_longer_schedule_extends_a_model_that_has_data(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"'A-A' does not begin with the phases done, 'A-R-A-R'"):
        whole.extend("A-A")
    with pytest.raises(ValueError, match="was read from a folder and holds no data; fit again"):
        al.Aligned.load(whole.save(tmp_path / "model")).extend("A-R-A-R-A")
    for asked in (al.Aligned(TINY).fork, lambda: al.Aligned(TINY).extend("A")):
        with pytest.raises(ValueError, match="not fitted yet"):
            asked()


@pytest.mark.parametrize(
    ("owner", "name", "call", "left"),
    [
        (Ensemble, "supervise", 1, ["init"]),
        (Ensemble, "align", 1, ["init", "network"]),
        (model, "refine", 1, ["init", "network", "A"]),
        (Ensemble, "align", 2, ["init", "network", "A", "A-R"]),
        (store, "save_file", 4, ["init", "network", "A"]),
        (store, "save_arrays", 5, ["init", "network", "A", "A-R"]),
    ],
)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    owner: Any,
    name: str,
    call: int,
    left: list[str],
    data: AnnData,
    sim: al.Simulation,
    whole: al.Aligned,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    real, calls = getattr(owner, name), []

    def deadly(*args: Any, **options: Any) -> Any:
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return real(*args, **options)

    monkeypatch.setattr(owner, name, deadly)
    with pytest.raises(Killed):
        fit(data, sim.kb, checkpoint=tmp_path)
    monkeypatch.undo()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(left)  # no partial folder
    m = fit(data, sim.kb, checkpoint=tmp_path, resume=True)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)
    assert m.notes == whole.notes
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(STAGES)


def test_a_leftover_of_a_hard_kill_is_no_checkpoint(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, tmp_path: Path
) -> None:
    fit(data, sim.kb, schedule="A", checkpoint=tmp_path)
    left = tmp_path / f".A-R.{2**22 + 1}-{files._HOST}-0123abcd.part"  # no process has this id
    left.mkdir()
    (left / "model.json").write_text("{")
    m = fit(data, sim.kb, checkpoint=tmp_path, resume=True)
    assert_same_scores(m, whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(STAGES)


def test_a_longer_schedule_goes_on_from_a_shorter_run(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, tmp_path: Path
) -> None:
    fit(data, sim.kb, schedule="A", checkpoint=tmp_path)
    m = fit(data, sim.kb, checkpoint=tmp_path, resume=True)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)


def test_a_control_shares_the_phases_before_the_fork(
    data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    fit(data, sim.kb, schedule="A-R", checkpoint=tmp_path)
    forked = fit(data, sim.kb, schedule="A-A", checkpoint=tmp_path, resume=True)
    alone = fit(data, sim.kb, schedule="A-A")
    assert_same_fit(forked, alone, data.obsm["perturbation"])
    assert_same_scores(forked, alone)


def test_a_finished_run_is_not_run_again(
    data: AnnData,
    sim: al.Simulation,
    whole: al.Aligned,
    checkpoints: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(Ensemble, "align", never)
    m = fit(data, sim.kb, checkpoint=checkpoints, resume=True)
    assert_same_fit(m, whole, data.obsm["perturbation"])
    assert_same_scores(m, whole)


def test_resuming_an_empty_folder_starts_at_the_beginning(
    data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    m = fit(data, sim.kb, schedule="A", checkpoint=tmp_path / "new", resume=True)
    assert [p.stage for p in m.phases] == ["init", "network", "A"]


def _other_labels(data: AnnData) -> AnnData:
    return _replaced(data, (data.obs["split"] == "train").to_numpy())


def _other_test_rows(data: AnnData) -> AnnData:
    split = data.obs["split"].replace({"test": "excluded", "excluded": "test"})
    return with_split(data, split)


def _other_go_counts(data: AnnData) -> AnnData:
    copy = data.copy()
    copy.var["go_count"] = copy.var["go_count"].to_numpy()[::-1].copy()
    return copy


def _other_groups(data: AnnData) -> AnnData:
    copy = data.copy()
    copy.obs["group"] = ["a", "b", "c", "d"] * (data.n_obs // 4) + ["a"] * (data.n_obs % 4)
    return copy


@pytest.mark.parametrize(
    "change", [_other_labels, _other_test_rows, _other_go_counts, _other_groups]
)
def test_a_checkpoint_of_other_data_is_refused(
    change: Callable[[AnnData], AnnData],
    data: AnnData,
    sim: al.Simulation,
    whole: al.Aligned,
    checkpoints: Path,
) -> None:
    with pytest.raises(ValueError, match="written for other data") as caught:
        fit(change(data), sim.kb, checkpoint=checkpoints, resume=True)
    assert_one_sentence(caught.value, "use another checkpoint folder")


def test_a_checkpoint_of_another_network_or_yardstick_is_refused(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, checkpoints: Path
) -> None:
    fewer = sim.kb.hold_out(0.1, seed=0)[0]
    for kb, options in (
        (fewer, {}),
        (sim.kb, {"yardstick": {"k": 2, "rule": "boolean"}}),
        (sim.kb, {"complete_kb": sim.kb}),
    ):
        with pytest.raises(ValueError, match=r"another network or another yardstick") as caught:
            fit(data, kb, checkpoint=checkpoints, resume=True, **options)
        assert_one_sentence(caught.value, "use another checkpoint folder")


def test_a_checkpoint_of_other_settings_is_refused(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, checkpoints: Path
) -> None:
    with pytest.raises(ValueError, match=r"written with theta=0.3, this run has 0.5") as caught:
        fit(data, sim.kb, TINY.replace(theta=0.5), checkpoint=checkpoints, resume=True)
    assert_one_sentence(caught.value, "use the same settings, or another checkpoint folder")


def assert_one_sentence(error: BaseException, remedy: str) -> None:
    message = str(error)
    assert "\n" not in message
    assert len(message) < 400
    assert remedy in message


# -------------------------------------------------------------------------------------- stored


def test_a_saved_model_says_the_same(
    whole: al.Aligned, data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    folder = whole.save(tmp_path / "deep" / "model")
    m = al.Aligned.load(folder)
    x = data.obsm["perturbation"]
    for a, b in zip(predictions(m, x), predictions(whole, x), strict=True):
        npt.assert_array_equal(a, b)
    assert m.config == whole.config
    assert m.kb == whole.kb
    assert m.kb.names == whole.kb.names
    assert m.notes == whole.notes
    assert_same_scores(m, whole)
    assert_frame_equal(m.edits, whole.edits, check_dtype=False)
    regulator = sim.kb.names[sim.kb.regulators[0]]
    gene = str(data.var_names[0])
    assert_frame_equal(
        m.explain({regulator: -1}, gene).paths, whole.explain({regulator: -1}, gene).paths
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "mlp", "decision": "argmax"},
        {"estimator": "exact", "speak_only": False},
        {"refine_candidates": "perturbed", "refine_rows": "all"},
    ],
    ids=lambda c: ",".join(map(str, c.values())),
)
def test_models_of_every_kind_come_back(
    changes: dict[str, Any], data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    m = fit(data, sim.kb, TINY.replace(**changes), schedule="A-R")
    back = al.Aligned.load(m.save(tmp_path / "m"))
    x = data.obsm["perturbation"]
    for a, b in zip(predictions(back, x), predictions(m, x), strict=True):
        npt.assert_array_equal(a, b)
    assert back.kb.regulators == m.kb.regulators


def test_regulators_that_refinement_brought_come_back(
    data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    m = fit(data, sim.kb, schedule="network")
    new = next(g for g in sim.kb.genes if g not in sim.kb.regulators)
    m.kb = al.KnowledgeBase.from_edges(
        sim.kb.to_edges(), sim.kb.genes, names=sim.kb.names, regulators=[new]
    )
    back = al.Aligned.load(m.save(tmp_path / "m"))
    assert new in back.kb.regulators
    assert new not in back.problem.kb.regulators
    assert back.kb == m.kb


def test_ids_and_evidence_that_look_like_numbers_survive(data: AnnData, tmp_path: Path) -> None:
    """Gene ids such as 0012 or NA, evidence such as a PubMed number."""
    genes = ["0012", "NA", *map(str, range(100, 104))]
    rng = np.random.default_rng(0)
    x = sp.csr_matrix(np.array([[-1, 0], [0, -1], [1, 0], [0, 1]] * 2, np.int8))
    x = sp.csr_matrix(sp.hstack([x, sp.csr_matrix((8, 4), dtype=np.int8)]))
    toy = AnnData(
        rng.integers(-1, 2, (8, 6)).astype(np.int8),
        obs=pd.DataFrame(
            {
                "perturbation": ["0012-", "NA-", "0012+", "NA+"] * 2,
                "n_replicates": 1,
                "split": ["train"] * 6 + ["test"] * 2,
            },
            index=[f"c{i}" for i in range(8)],
        ),
        var=pd.DataFrame(index=genes),
        uns={"genes": np.array(genes)},
        obsm={"perturbation": x},
        layers={"observed": np.ones((8, 6), bool)},
    )
    edges = pd.DataFrame(
        {"source": ["0012", "NA"], "target": ["100", "0012"], "sign": [1, -1]}
    ).assign(evidence=["007", "1.50"])
    kb = al.KnowledgeBase.from_edges(edges, genes)
    m = fit(toy, kb, schedule="A")
    back = al.Aligned.load(m.save(tmp_path / "m"))
    assert_frame_equal(back.kb.to_edges(), kb.to_edges())
    assert back.kb.genes == kb.genes
    npt.assert_array_equal(back.predict(x).fused, m.predict(x).fused)


def test_a_model_on_disk_holds_no_pickle(whole: al.Aligned, tmp_path: Path) -> None:
    folder = whole.save(tmp_path / "m")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    assert {p.suffix for p in files} == {".json", ".csv", ".safetensors"}
    for path in files:
        start = path.read_bytes()[:4]
        assert start[:1] != b"\x80"  # a pickle
        assert start != b"PK\x03\x04"  # a zip with pickles, as torch.save makes
    meta = json.loads((folder / "model.json").read_text())
    assert al.Config(**meta["config"]) == whole.config


def test_a_checkpoint_is_a_model_too(whole: al.Aligned, data: AnnData, checkpoints: Path) -> None:
    for stage, phase in zip(STAGES, whole.phases, strict=True):
        m = al.Aligned.load(checkpoints / stage)
        x = data[data.obs["split"] == "test"].obsm["perturbation"]
        npt.assert_array_equal(m.predict(x).fused, phase.predictions["integrated"])
        assert m.history["stage"].iloc[-1] == stage


def test_saving_twice_replaces_and_saving_elsewhere_destroys_nothing(
    whole: al.Aligned, tmp_path: Path
) -> None:
    folder = whole.save(tmp_path / "m")
    whole.save(folder)
    (folder / "note.txt").write_text("years of thought")
    with pytest.raises(
        FileExistsError, match=r"note\.txt was not written by us, so .* not replaced"
    ):
        whole.save(folder)
    assert (folder / "note.txt").read_text() == "years of thought"
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.md").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no model; name another folder") as caught:
        whole.save(mine)
    assert_one_sentence(caught.value, "or empty it first")
    assert (mine / "chapter.md").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="holds no model"):
        whole.save(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert (whole.save(tmp_path / "empty") / "model.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "m", "thesis"]


@pytest.mark.parametrize("fails", ["save_file", "save_arrays", "fingerprint"])
def test_failing_to_write_leaves_the_old_model_and_nothing_else(
    fails: str, whole: al.Aligned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    folder = whole.save(tmp_path / "old")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(store, fails, full)
    for target in (folder, tmp_path / "new"):
        with pytest.raises(OSError, match="no space left"):
            whole.save(target)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="holds no model") as caught:
            al.Aligned.load(folder)
        assert_one_sentence(caught.value, "give the folder that `save`")


def test_a_damaged_model_is_refused(whole: al.Aligned, tmp_path: Path) -> None:
    folder = whole.save(tmp_path / "m")
    meta = (folder / "model.json").read_text()
    (folder / "model.json").write_text(meta[: len(meta) // 2])
    with pytest.raises(ValueError, match=r"model\.json is damaged") as caught:
        al.Aligned.load(folder)
    assert_one_sentence(caught.value, "fit the model again")
    older = {k: v for k, v in json.loads(meta).items() if k not in ("files", "sha256")}
    for number, said in ((1, "an older version (format 1"), (99, "another version (format 99")):
        (folder / "model.json").write_text(json.dumps({**older, "format": number}))
        with pytest.raises(ValueError, match=re.escape(said)) as caught:
            al.Aligned.load(folder)
        assert_one_sentence(caught.value, "fit the model again")
    (folder / "model.json").write_text(json.dumps({**older, "format": store.FORMAT}))
    with pytest.raises(ValueError, match="names no checksums; fit the model again"):
        al.Aligned.load(folder)


def loaded_or_refusal(folder: Path) -> al.Aligned | Exception:
    try:
        return al.Aligned.load(folder)
    except Exception as error:
        return error


def test_no_damage_of_a_model_predicts_without_a_word(whole: al.Aligned, tmp_path: Path) -> None:
    """A byte flipped, cut off, put in; a file emptied, missing, of another model; JSON of no sense.

    Whatever is loaded all the same (blanks between words of the JSON) is the model as it was.
    """
    folder, rng = whole.save(tmp_path / "m"), np.random.default_rng(0)
    x = sp.csr_array(np.eye(1, len(whole.kb.genes), dtype=np.int8))
    said = whole.predict(x)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(kept) == {*store.FILES, "model.json"}
    loaded = 0
    for name, content in kept.items():
        at = rng.integers(len(content), size=12)
        damaged = [
            content[:i] + bytes([content[i] ^ (1 << rng.integers(8))]) + content[i + 1 :]
            for i in at
        ]
        damaged += [
            content[: at[0]],
            content[: at[1]] + b"7" + content[at[1] :],
            b"",
            b"[" * 5000,
            b"\xff",
        ]
        damaged += [b"[]", b"1" * 5000, b'{"format": 2, "files": 3, "sha256": []}', None]
        for bad in damaged:
            path = folder / name
            path.unlink() if bad is None else path.write_bytes(bad)
            m = loaded_or_refusal(folder)
            if isinstance(m, Exception):
                assert type(m) in (ValueError, FileNotFoundError)
                assert_one_sentence(m, "fit the model again" if path.exists() else str(folder))
            else:
                loaded += 1
                assert json.loads(path.read_bytes()) == json.loads(kept["model.json"])
                npt.assert_array_equal(m.predict(x).probabilities, said.probabilities)
            path.write_bytes(content)
    assert loaded <= 4
    assert_same_fit(al.Aligned.load(folder), whole, x)


def test_two_fits_into_one_checkpoint_folder_are_refused(
    data: AnnData, sim: al.Simulation, tmp_path: Path
) -> None:
    with files.lock(tmp_path / "c"), pytest.raises(RuntimeError) as caught:
        fit(data, sim.kb, schedule="network", checkpoint=tmp_path / "c")
    assert str(caught.value) == (
        f"process {os.getpid()} is writing {tmp_path / 'c'} just now; wait for it, or name another "
        "place."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.predict([{"a": 1}]),
        lambda m: m.explain({"a": 1}, "b"),
        lambda m: m.history,
        lambda m: m.save("anywhere"),
    ],
    ids=["predict", "explain", "history", "save"],
)
def test_a_model_must_be_fitted_first(use: Callable[[al.Aligned], Any]) -> None:
    with pytest.raises(ValueError, match="not fitted yet") as caught:
        use(al.Aligned())
    assert_one_sentence(caught.value, "call .fit(data, kb) or Aligned.load(folder)")
    assert not Path("anywhere").exists()


# -------------------------------------------------------------------- what A and R are given


def test_alignment_learns_from_what_each_network_and_the_network_of_knowledge_say(
    data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[int, Any] = {}
    m = fit(data, sim.kb, schedule="network")
    x_u, train = m.problem.unlabelled, m.problem.train
    tau = m.ensemble.tau_single["integrated"]

    def check(pool: Any, x: Any, j: int) -> None:
        """Features, the network's own call, and the deduction."""
        torch.testing.assert_close(pool.z, m.ensemble.encode(x))
        npt.assert_array_equal(pool.call, decide(m.ensemble.outputs(x)[j].response, tau))
        delta = sim.kb.deduce(x, m.problem.closing)[:, m.ensemble.columns]
        npt.assert_array_equal(pool.delta, delta)

    def spy(_: Ensemble, j: int, pools: Any, *__: Any, **___: Any) -> None:
        given[j] = pools

    monkeypatch.setattr(Ensemble, "_train", spy)
    m.ensemble.align(m.kb, phase=2)
    assert list(given) == [0, 1]
    for j, (labelled, pseudo) in given.items():
        own = train.take(np.flatnonzero(m.ensemble.inner != j))
        check(labelled, own.x, j)
        npt.assert_array_equal(labelled.y, own.y)
        npt.assert_array_equal(labelled.seen, own.observed)
        weights = class_weights(own.y, own.observed, TINY.class_weight_power)
        npt.assert_allclose(labelled.class_weights, weights, rtol=1e-6)
        check(pseudo, x_u, j)
        assert pseudo.seen.all()
        assert pseudo.y is None
        assert pseudo.class_weights is None


@pytest.mark.parametrize(
    "changes",
    [{}, {"estimator": "reinforce"}, {"estimator": "exact"}, {"speak_only": False}],
    ids=lambda c: ",".join(map(str, c.values())) or "local",
)
def test_a_step_fits_labels_with_class_weights_and_fusions_without(
    changes: dict[str, Any], data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step on everything at once; the rows come in any order."""
    config = TINY.replace(n_networks=1, align_steps=1, batch_size=1000, **changes)
    m = fit(data, sim.kb, config, schedule="network")
    x_u, columns = m.problem.unlabelled, m.ensemble.columns
    own = m.problem.train.take(np.flatnonzero(m.ensemble.inner != 0))
    call = decide(m.ensemble.outputs(x_u)[0].response, m.ensemble.tau_single["integrated"])
    delta = sim.kb.deduce(x_u, m.problem.closing)[:, columns]
    if config.estimator == "exact":
        a = al.optimal_adapter(call, delta, m.problem.w, config)
    else:
        a = m.ensemble.outputs(x_u)[0].adapter > 0.5
        a &= (delta != 0) | (not config.speak_only)
    fused = np.where(a, delta, call)
    assert (fused != call).any()
    assert (fused != delta).any()
    fitted: list[tuple[Any, ...]] = []

    def spy(logits: Any, y: Any, seen: Any, weights: Any = None) -> torch.Tensor:
        fitted.append((y.numpy(), seen.numpy(), weights))
        return cross_entropy(logits, y, seen, weights)

    monkeypatch.setattr(training, "cross_entropy", spy)
    m.ensemble.align(m.kb, phase=2)
    assert len(fitted) == 2
    for (y, seen, weights), expected, cells in (
        (fitted[0], own.y, own.observed),
        (fitted[1], fused, np.ones(fused.shape, bool)),
    ):
        assert sorted(map(tuple, y)) == sorted(map(tuple, expected))
        assert sorted(map(tuple, seen)) == sorted(map(tuple, cells))
        assert (weights is None) == (expected is fused)
    expected_weights = class_weights(own.y, own.observed, config.class_weight_power)
    npt.assert_allclose(fitted[0][2], expected_weights, rtol=1e-6)


@pytest.mark.parametrize("rows", ["evidence", "all"])
def test_refinement_is_given_the_fused_predictions(
    rows: str, data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def spy(kb: al.KnowledgeBase, x: Any, y: Any, **options: Any) -> al.Refinement:
        given.update(options, kb=kb, x=x, y=y)
        return al.refine(kb, x, y, **options)

    monkeypatch.setattr(model, "refine", spy)
    m = fit(data, sim.kb, TINY.replace(refine_rows=rows, refine_edit_cost=0.7), schedule="A")
    problem, columns = m.problem, m.ensemble.columns
    train = problem.train
    x = train.x if rows == "evidence" else problem.unlabelled
    fused = m.predict(x).fused
    m._refine()
    assert given["kb"] is sim.kb
    assert (given["x"] != x).nnz == 0
    npt.assert_array_equal(given["y"][:, columns], fused)
    measured = train.observed if rows == "evidence" else np.ones(fused.shape, bool)
    npt.assert_array_equal(given["observed"][:, columns], measured)
    others = np.setdiff1d(np.arange(len(sim.kb.genes)), columns)
    assert len(others)
    assert not given["observed"][:, others].any()
    assert given["config"].error_rate == m.ensemble.error_rate
    assert (given["edit_cost"], given["k"]) == (0.7, al.Rule(2, "boolean"))


# ------------------------------------------------------------------------------------- choices


def rows_of(data: AnnData, kb: al.KnowledgeBase) -> Rows:
    return Rows.of(data, kb).take(np.flatnonzero(data.obs["split"] == "train"))


@pytest.mark.parametrize("goal", ["balance", "f_d"])
def test_the_closure_is_the_best_on_training_conditions(
    goal: str, data: AnnData, sim: al.Simulation
) -> None:
    config = TINY.replace(k="auto", rule="auto", objective=goal)
    train, genes = rows_of(data, sim.kb), tuple(data.var_names)
    tried = choose_closure(train, sim.kb, genes, config, al.Rule(1))
    assert list(tried[["k", "rule"]].itertuples(index=False, name=None)) == list(CLOSURES)
    columns = sim.kb.columns(genes)
    said = sim.kb.deduce(train.x, **YARDSTICK)[:, columns]
    for row in tried.itertuples():
        delta = sim.kb.deduce(train.x, k=row.k, rule=row.rule)[:, columns]
        f_d = al.data_consistency(delta, train.y, train.counted)
        f_k = al.data_consistency(delta, said, train.counted)
        assert row.f_d == pytest.approx(f_d)
        assert row.objective == pytest.approx(
            f_d if goal == "f_d" else al.balanced_consistency(f_d, f_k)
        )
    m = fit(data, sim.kb, config, schedule="network")
    best = tried.loc[tried["objective"].idxmax()]
    assert (m.problem.closing.k, m.problem.closing.rule) == (best["k"], best["rule"])


def test_what_does_not_change_is_deduced_and_predicted_once(
    data: AnnData, sim: al.Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Rule] = []
    deduction = al.KnowledgeBase.deduction

    def counting(kb: al.KnowledgeBase, x: Any, k: Any = 5, rule: str = "boolean") -> Any:
        asked.append(Rule.of(k, rule))
        return deduction(kb, x, k, rule)

    monkeypatch.setattr(al.KnowledgeBase, "deduction", counting)
    yardstick = {"k": 7, "rule": "boolean"}
    config = al.Config(n_networks=1, network_steps=0, decision="argmax")
    model = al.Aligned(config).fit(data, sim.kb, "network", yardstick=yardstick)
    stages = len(model.phases)
    # for the choice of the closure, and to score each stage
    assert asked.count(Rule(7)) == 1 + stages
    runs: list[object] = []
    outputs = Ensemble.outputs
    monkeypatch.setattr(Ensemble, "outputs", lambda *a, **k: runs.append(a) or outputs(*a, **k))
    model._record("again")
    assert len(runs) == 1
    assert_frame_equal(
        model.phases[-1].history.drop(columns="stage"),
        model.phases[-2].history.drop(columns="stage"),
    )


@pytest.mark.parametrize(
    ("k", "rule", "expected"),
    [
        (3, "boolean", {(3, "boolean")}),
        (4, "auto", {(4, "boolean"), (4, "majority")}),
        ("auto", "majority", {(2, "majority"), (3, "majority"), (5, "majority")}),
        (1, "auto", {(1, "boolean")}),
        (1, "majority", {(1, "majority")}),
    ],
)
def test_what_is_named_is_not_chosen(
    k: Any, rule: str, expected: set[tuple[int, str]], data: AnnData, sim: al.Simulation
) -> None:
    config = TINY.replace(k=k, rule=rule)
    tried = choose_closure(rows_of(data, sim.kb), sim.kb, tuple(data.var_names), config, None)
    assert set(tried[["k", "rule"]].itertuples(index=False, name=None)) == expected


def test_unlabelled_inputs_are_single_perturbations_of_all_regulators(
    data: AnnData, sim: al.Simulation, whole: al.Aligned, honest: al.Aligned
) -> None:
    x = whole.problem.unlabelled.toarray()
    signs = np.unique(whole.problem.train.x.data)
    assert (np.abs(x).sum(axis=1) == 1).all()
    expected = {(c, s) for c in sim.kb.regulator_index for s in signs}
    assert {(int(np.abs(row).argmax()), int(row.sum())) for row in x} == expected
    assert len(x) == len(expected)
    test = data[data.obs["split"] == "test"].obsm["perturbation"].toarray()
    both = honest.problem.unlabelled.toarray()
    npt.assert_array_equal(both, np.vstack([x, test]))


def test_weights_come_from_the_parts_that_the_data_offer(
    data: AnnData, sim: al.Simulation, whole: al.Aligned
) -> None:
    train, columns = rows_of(data, sim.kb), sim.kb.columns(data.var_names)
    delta = sim.kb.deduce(train.x, whole.problem.closing)[:, columns]
    degree = (sim.kb.r_pos.toarray() | sim.kb.r_neg.toarray()).sum(axis=0)[columns]  # regulators
    go = data.var["go_count"].to_numpy(float)
    made = al.alignment.gene_weights(train.y, delta, train.counted, degree, go, TINY)
    npt.assert_allclose(whole.problem.w, made.w)
    assert set(made.parts) == {"conflicts", "go", "grn"}
    nameless = data.copy()
    del nameless.var["go_count"]
    without = fit(nameless, sim.kb, schedule="network").problem.w
    npt.assert_allclose(without, (made.parts["conflicts"] + made.parts["grn"]) / 2)


def test_the_ensembles_threshold_calls_as_many_cells_as_single_networks() -> None:
    rng = np.random.default_rng(0)
    single = [rng.dirichlet((1, 3, 1), (20, 40)).astype(np.float32) for _ in range(4)]
    per_network = [np.moveaxis(p, 2, 1) for p in single]
    assert carried_threshold(per_network[:1], 0.4) == 0.4
    tau = carried_threshold(per_network, 0.4)
    strength = [np.maximum(p[:, 0], p[:, 2]) for p in per_network]
    mean = np.maximum(*(sum(per_network) / 4)[:, [0, 2]].transpose(1, 0, 2))
    assert tau < 0.4  # averaging shrinks probabilities
    assert (mean > tau).mean() == pytest.approx(np.mean([(s > 0.4).mean() for s in strength]), 0.02)


@pytest.mark.parametrize("estimator", ["local", "reinforce"])
def test_the_adapter_learns_and_exact_does_not(
    estimator: str, data: AnnData, sim: al.Simulation
) -> None:
    def adapter_bias(config: al.Config) -> torch.Tensor:
        start = fit(data, sim.kb, config.replace(network_steps=0), schedule="network")
        end = fit(data, sim.kb, config, schedule="network")
        return (weights_of(end)["0.adapter.bias"] - weights_of(start)["0.adapter.bias"]).abs()

    config = TINY.replace(n_networks=1, weight_decay=0.0)
    assert (adapter_bias(config.replace(estimator=estimator)) > 0).any()
    assert (adapter_bias(config.replace(estimator="exact")) == 0).all()
