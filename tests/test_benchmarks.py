"""The benchmarks race the same thing: equal results first, then a table. Never a time."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from typer.testing import CliRunner

from aligned._assets import asset
from companion import plot
from companion.noise import report as noise_report

ROOT = Path(__file__).resolve().parents[1]
RUN = CliRunner()


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def bench(name):
    return importlib.import_module(f"benchmarks.{name}")


@pytest.fixture
def app(monkeypatch):
    """The command, with every job in this process instead of one of its own."""
    import typer

    command, measure = bench("__main__"), bench("measure")
    monkeypatch.setattr(measure, "SECONDS", 0.0)
    threads = torch.get_num_threads()
    monkeypatch.setattr(command, "in_own_process", measure.here)
    app = typer.Typer()
    app.command()(command.main)
    yield app
    torch.set_num_threads(threads)


# --------------------------------------------------------------------------- the same result


@pytest.mark.parametrize(("k", "seed"), [(1, 0), (2, 1), (3, 2), (5, 3)])
def test_ours_and_the_dense_reference_compute_the_same(k, seed):
    tasks = bench("tasks")
    found = tasks.differences(tasks.Task(n=60, r=12, edges=150, k=k, seed=seed), "cpu")
    assert set(found) == {"closure", "objective", "gradient", "step"}
    assert bench("cases").check_same(found) == found


def test_what_is_not_the_same_is_not_raced():
    with pytest.raises(ValueError, match=r"differ by more than .*'gradient': 0.5"):
        bench("cases").check_same({"objective": 1e-9, "gradient": 0.5})
    with pytest.raises(ValueError, match="nan"):
        bench("cases").check_same({"objective": float("nan")})


def test_the_dense_gradient_is_the_slope_of_its_loss():
    dense, tasks = bench("dense"), bench("tasks")
    here = tasks.relaxed_problem(tasks.Task(n=20, r=5, edges=30, k=3), "cpu", torch.float64)
    weight = dense.spread(here.weight, here.reg)
    settings = (here.reg, here.target, here.mass, 3, tasks.ALPHA, tasks.STEEPNESS)
    _, gradient = dense.loss_and_gradient(weight, *settings)
    for entry in [(0, 0, 7), (1, 2, 1), (0, 4, 3)]:
        ends = []
        for by in (1e-6, -1e-6):
            moved = weight.clone()
            moved[entry] += by
            ends.append(dense.loss_and_gradient(moved, *settings)[0])
        npt.assert_allclose(
            (ends[0] - ends[1]) / 2e-6, float(gradient[entry]), rtol=1e-5, atol=1e-7
        )


# --------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("shape", ["ecocyc", "collectri"])
def test_a_network_has_the_size_asked_for(shape):
    tasks = bench("tasks")
    task = tasks.Task(n=1000, r=80, edges=2000, shape=shape)
    kb = tasks.network(task)
    assert (len(kb.genes), len(kb.regulators), kb.n_edges, kb.n_pairs) == (1000, 80, 2000, 2000)
    assert tasks.network(task) == kb
    assert (kb.r_pos.diagonal().sum(), kb.r_neg.diagonal().sum()) == (0, 0)
    among = (kb.r_pos + kb.r_neg)[:, kb.regulator_index].sum() / 2000
    assert among == pytest.approx(tasks.SHAPES[shape].among, abs=0.05)
    degree = np.sort(np.asarray((kb.r_pos + kb.r_neg).sum(axis=1)))
    assert degree[-1] > 5 * np.median(degree)  # heavy tail


def test_a_network_cannot_be_overfull():
    tasks = bench("tasks")
    with pytest.raises(ValueError, match="99 edges fill more than half"):
        tasks.network(tasks.Task(n=10, r=5, edges=99))


# ---------------------------------------------------------------------------------- the table


def test_small_mode_fills_the_table(app, tmp_path):
    cases = bench("cases")
    for _ in range(2):  # a second run replaces its rows
        result = RUN.invoke(app, ["--small", "--threads", "1", "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
        table = pd.read_csv(tmp_path / "refinement.csv")
        assert list(table) == cases.COLUMNS
        assert table.groupby("case").size().to_dict() == {
            "ratio": 2, "growth in n": 10, "growth in r": 10, "human": 2, "whole": 1,
        }  # fmt: skip
    assert (table["seconds"] > 0).all()
    raced = table["case"] == "ratio"
    assert table.loc[~raced, ["reference_seconds", "ratio", "reference_peak_mb"]].isna().all(None)
    npt.assert_allclose(
        table.loc[raced, "ratio"],
        table.loc[raced, "reference_seconds"] / table.loc[raced, "seconds"],
        rtol=2e-3,
    )
    growth = pd.read_csv(tmp_path / "growth.csv")
    assert growth[["what", "along"]].values.tolist() == [
        ["closure", "n"], ["iteration", "n"], ["closure", "r"], ["iteration", "r"],
    ]  # fmt: skip
    assert ((growth["low"] < growth["exponent"]) & (growth["exponent"] < growth["high"])).all()
    records = json.loads((tmp_path / "run.json").read_text())
    assert list(records) == [*(f"{case} on cpu" for case in cases.CASES), "files", "sha256"]
    assert set(records["files"]) == {"refinement.csv", "growth.csv"}
    assert records["whole on cpu"]["parameters"]["differences"]["gradient"] < 1e-5


def test_a_job_runs_in_a_process_of_its_own():
    task = bench("tasks").Task(n=40, r=6, edges=60, k=2)
    found = bench("measure").in_own_process("closure", task, "cpu", 1)
    assert found["seconds"] > 0
    assert found["peak_mb"] > 0


def test_exponents_are_the_slopes_of_straight_lines():
    cases = bench("cases")
    n = np.array([100.0, 200, 400, 800])
    curve = {"case": "growth in n", "device": "cpu", "threads": 1, "what": "closure", "n": n}
    found = cases.exponents(pd.DataFrame(curve | {"r": 10, "seconds": 3e-6 * n**1.5}))
    assert len(found) == 1
    npt.assert_allclose(found.loc[0, ["exponent", "low", "high"]].astype(float), 1.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "case 'speed' is unknown"),
        (["--device", "abacus"], "device 'abacus' is unknown; choose cpu or cuda"),
        (["--sizes", "many"], "sizes are 'many'; give numbers"),
        pytest.param(
            ["--device", "cuda"],
            "this machine shows torch no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_the_command_says_what_is_wrong(app, tmp_path, arguments, message):
    result = RUN.invoke(app, [*arguments, "--out", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert message in re.sub(r"[\s│]+", " ", result.output)
    assert not (tmp_path / "none").exists()


def test_the_committed_tables_read_well() -> None:
    """What the book shows: sentence, table and figures come from ``results/benchmarks``."""
    table = pd.read_csv(asset("results/benchmarks/refinement.csv"))
    growth = pd.read_csv(asset("results/benchmarks/growth.csv"))
    whole = table[table["case"] == "whole"].iloc[-1]
    text = noise_report.speed_sentence(table)
    assert f"{whole['seconds']:.0f} s" in text
    assert "times for one closure" in text
    assert "nan" not in text + noise_report.speed_table(table).to_string()
    assert set(noise_report.speed_table(table)["what"]) == {"closure", "iteration", "refinement"}
    rows = noise_report.growth_rows(table, growth)
    assert rows.groupby("label").size().eq(growth["points"].iloc[0]).all()
    figure = Figure()
    left, right = figure.subplots(1, 2)
    plot.plot_growth(table.query("case == 'ratio'"), left)
    plot.plot_exponents(rows, right)
    assert len(left.get_lines()) == len(right.get_lines()) == 4
