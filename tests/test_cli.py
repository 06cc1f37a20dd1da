"""The commands fit, predict, explain, refine and score, as a person at a terminal meets them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import aligned as al
from aligned import _assets, cli, files
from aligned import data as datasets
from aligned.data.rows import Rows
from aligned.loop import store
from companion import book
from companion.loop.run import IterationTables

TINY = ["-c", "n_networks=1", "-c", "network_steps=2", "-c", "align_steps=2", "-c", "hidden=8"]
ROOT = Path(__file__).resolve().parents[1]


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def aligned(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command line in this process."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(word) for word in words])
        said = capsys.readouterr()
        return Answer(int(left.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated study as a folder."""
    sim = al.simulate(n_genes=60, n_regulators=12, seed=1)
    bundle = al.Bundle(sim.data, sim.kb, None, sim.go_counts, sim.gene_sets, sim.card)
    return datasets.save(bundle, tmp_path_factory.mktemp("data") / "study")


@pytest.fixture(scope="module")
def bundle(study: Path) -> al.Bundle:
    return al.load(study)


@pytest.fixture(scope="module")
def run(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted model; read only."""
    out = tmp_path_factory.mktemp("runs") / "ar"
    words = ["fit", "--data", study, "--out", out, "--schedule", "A-R", "--seed", 3, *TINY]
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    assert left.value.code == 0
    return out


def files_in(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*"))}


# ------------------------------------------------------------------------------- every command


@pytest.mark.parametrize("command", ["fit", "predict", "explain", "refine", "score", "scorecard"])
def test_help_shows_an_example_seed_and_device(command: str) -> None:
    cli.command_line()  # with what the companion adds
    answer = CliRunner().invoke(cli.app, [command, "--help"])
    assert answer.exit_code == 0
    for word in (f"Example: aligned {command}", "--seed", "--device", "auto|cpu|cuda"):
        assert word in answer.output


def test_the_module_runs_as_a_program(run: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def program(*words: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "aligned", *map(str, words)]
        return subprocess.run(
            line, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )

    good = program("predict", run, "--perturb", "tf01-", "--out", "calls.csv")
    assert (good.returncode, good.stderr) == (0, "")
    assert (tmp_path / "calls.csv").is_file()
    bad = program("predict", run, "--perturb", "tf01")
    assert bad.returncode == 2
    assert bad.stderr.startswith("aligned: 'tf01' in --perturb 'tf01' has no sign")
    assert bad.stderr.count("\n") == 1


def test_debug_lets_the_error_through() -> None:
    with pytest.raises(FileNotFoundError, match="holds no model"):
        cli.main(["--debug", "predict", "nowhere", "--perturb", "tf01-"])


# ----------------------------------------------------------------------------------------- fit


def test_fit_writes_a_whole_run(run: Path, bundle: al.Bundle) -> None:
    model = al.Aligned.load(run)
    assert model.config.seed == 3
    assert model.history["stage"].unique().tolist() == ["init", "network", "A", "A-R"]
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == [
        "A",
        "A-R",
        "init",
        "network",
    ]
    said = pd.read_parquet(run / "predictions.parquet")
    held_out = bundle.data.obs_names[bundle.data.obs["split"] == "test"]
    assert said["condition"].unique().tolist() == held_out.tolist()
    assert sorted(p.name for p in run.parent.iterdir()) == ["ar"]


def test_fit_writes_a_run_record(run: Path, bundle: al.Bundle) -> None:
    record = json.loads((run / "run.json").read_text())
    asked = record["parameters"]
    assert (asked["schedule"], asked["config"]["hidden"], asked["config"]["seed"]) == ("A-R", 8, 3)
    assert asked["yardstick"] == bundle.yardstick
    assert record["versions"]["torch"] == torch.__version__
    assert record["seconds"] > 0
    assert len(record["data_sha256"]) == len(record["network_sha256"]) == 64


def test_fit_prints_a_short_table(
    aligned: Callable[..., Answer], study: Path, tmp_path: Path
) -> None:
    line = ["fit", "--data", study, "--out", tmp_path / "new/run", "--schedule", "network", *TINY]
    answer = aligned(*line)
    assert (answer.code, answer.err) == (0, "")
    table = answer.out.splitlines()
    assert table[0].split()[:4] == ["stage", "score", "f_d", "f_k"]
    assert len([row for row in table if row.startswith("network")]) == 2
    assert answer.out.endswith(f"{tmp_path}/new/run\n")


def test_fit_takes_one_file_and_a_network_of_its_own(
    aligned: Callable[..., Answer], study: Path, tmp_path: Path
) -> None:
    fewer = pd.read_csv(study / "edges.csv").iloc[:-5]
    fewer.to_csv(tmp_path / "mine.tsv", sep="\t", index=False)
    line = ["--kb", tmp_path / "mine.tsv", "--schedule", "network", *TINY]
    for name, data in (("file", study / "data.h5ad"), ("folder", study)):
        answer = aligned("fit", "--data", data, "--out", tmp_path / name, *line)
        assert answer.code == 0, answer.err
        assert al.Aligned.load(tmp_path / name).kb.n_edges == len(fewer)


def test_interrupted_fit_resumes_to_the_same_model(
    aligned: Callable[..., Answer],
    study: Path,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "ar"
    line = ["fit", "--data", study, "--out", out, "--schedule", "A-R", "--seed", 3, *TINY]
    save = store.save

    def stopped(model: al.Aligned, folder: Path) -> Path:
        if folder.name == "A-R":
            raise KeyboardInterrupt
        return save(model, folder)

    monkeypatch.setattr(store, "save", stopped)
    answer = aligned(*line)
    monkeypatch.undo()
    assert answer.code != 0
    assert "go on with the same command and --resume" in answer.err
    assert not out.exists()
    again = aligned(*line)
    assert again.code == 2
    assert "go on with --resume, or start anew with --force" in again.err
    assert aligned(*line, "--resume").code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["ar"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "predictions.parquet"), pd.read_parquet(run / "predictions.parquet")
    )


def test_resume_lengthens_a_finished_run(
    aligned: Callable[..., Answer], study: Path, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "longer"
    shutil.copytree(run, out)
    line = ["fit", "--data", study, "--out", out, "--seed", 3, "--schedule", "A-R-A", "--resume"]
    other = aligned(*line, *TINY, "-c", "hidden=9")
    assert (other.code, "hidden=8" in other.err) == (2, True)
    assert [p.name for p in tmp_path.iterdir()] == ["longer"]
    assert aligned(*line, *TINY).code == 0
    assert al.Aligned.load(out).done == ["A", "R", "A"]


def test_force_replaces_a_run_and_nothing_else(
    aligned: Callable[..., Answer], study: Path, run: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(run, old)
    line = ["fit", "--data", study, "--schedule", "network", *TINY]
    assert aligned(*line, "--out", old, "--force").code == 0
    assert al.Aligned.load(old).done == []
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter1.tex").write_text("...")
    answer = aligned(*line, "--out", precious, "--force")
    assert answer.code == 2
    assert "no run of ours" in answer.err
    assert [p.name for p in precious.iterdir()] == ["chapter1.tex"]


# ------------------------------------------------------------------------- predict and explain


def test_predict_counts_what_the_model_says(
    aligned: Callable[..., Answer], run: Path, bundle: al.Bundle, tmp_path: Path
) -> None:
    first, second = bundle.kb.regulators[:2]
    name = bundle.kb.names[second]
    out = tmp_path / "calls.csv"
    asked = ["--perturb", f"{first}-", "--perturb", f"{name}+,{first}-", "--out", out]
    answer = aligned("predict", run, *asked)
    assert (answer.code, answer.err) == (0, "")
    said = al.Aligned.load(run).predict([{first: -1}, {first: -1, second: 1}])
    table = pd.read_csv(out)
    for column in ("neural", "symbolic", "adapter", "fused"):
        assert (table[column] == getattr(said, column).ravel()).all()
    labels = table["condition"].unique().tolist()
    assert labels == [f"{bundle.kb.names[first]}-", f"{bundle.kb.names[first]}-,{name}+"]
    own = [gene in (first, second) for gene in said.genes]
    up = int((said.fused[1, ~np.array(own)] == 1).sum())
    assert answer.out.splitlines()[2].split()[:3][2] == str(up)
    record = json.loads((tmp_path / "calls.csv.run.json").read_text())
    assert record["parameters"]["perturb"] == labels


@pytest.mark.parametrize("ending", [".tsv", ".parquet", ".h5ad"])
def test_predictions_can_be_scored_in_every_form(
    aligned: Callable[..., Answer], run: Path, study: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"calls{ending}"
    data = al.load(study).data
    asked = [
        w for p in data.obs["perturbation"][data.obs["split"] == "test"] for w in ("--perturb", p)
    ]
    assert aligned("predict", run, *asked, "--out", out).code == 0
    scored = aligned("score", out, "--data", study)
    assert (scored.code, scored.err) == (0, "")
    kept = aligned("score", run / "predictions.parquet", "--data", study)
    assert scored.out == kept.out


def test_explain_names_the_paths(aligned: Callable[..., Answer], run: Path, tmp_path: Path) -> None:
    model = al.Aligned.load(run)
    edge = model.kb.to_edges().query("source != target").iloc[0]
    target = model.kb.names[edge["target"]]
    out = tmp_path / "paths.csv"
    asked = ["--perturb", f"{edge['source']}-", "--gene", target, "--out", out]
    answer = aligned("explain", run, *asked)
    assert (answer.code, answer.err) == (0, "")
    found = model.explain({edge["source"]: -1}, edge["target"])
    assert answer.out.startswith(f"{target} ({edge['target']}) under ")
    assert found.paths["path"].iloc[0] in answer.out
    assert pd.read_csv(out)["path"].tolist() == found.paths["path"].tolist()
    silent = aligned("explain", run, "--perturb", f"{model.kb.genes[-1]}-", "--gene", target)
    assert "no path within k = " in silent.out


# -------------------------------------------------------------------------------------- refine


def test_refine_writes_what_the_library_finds(
    aligned: Callable[..., Answer], study: Path, bundle: al.Bundle, tmp_path: Path
) -> None:
    out = tmp_path / "refined"
    line = ["refine", "--data", study, "--out", out, "--k", 2, "--edit-cost", 0.5]
    answer = aligned(*line, "--kb", study / "edges.csv")
    assert (answer.code, answer.err) == (0, "")
    rows = Rows.of(bundle.data, bundle.kb)
    train = np.flatnonzero(bundle.data.obs["split"] == "train")
    x, y, seen = rows.x[train], rows.y[train], rows.observed[train]
    assert list(bundle.data.var_names) == list(bundle.kb.genes)
    found = al.refine(bundle.kb, x, y, k=2, observed=seen, edit_cost=0.5)
    edges = pd.read_csv(out / "edges.csv", keep_default_na=False)
    key = ["source", "target", "sign"]
    assert set(map(tuple, edges[key].to_numpy())) == set(
        map(tuple, found.kb.to_edges()[key].to_numpy())
    )
    assert len(pd.read_csv(out / "edits.csv")) == len(found.edits) > 0
    record = json.loads((out / "run.json").read_text())
    assert record["note"] == found.note
    assert record["parameters"]["edit_cost"] == 0.5
    assert found.note in answer.out


# --------------------------------------------------------------------------------------- score


def long_table(data: anndata.AnnData, values: np.ndarray) -> pd.DataFrame:
    b, m = values.shape
    return pd.DataFrame(
        {
            "condition": np.repeat(data.obs_names.astype(str), m),
            "gene": np.tile(data.var["name"].astype(str), b),
            "prediction": values.ravel(),
        }
    )


def test_score_equals_scikit_learn(
    aligned: Callable[..., Answer], study: Path, bundle: al.Bundle, tmp_path: Path
) -> None:
    data, kb = bundle.data, bundle.kb
    drawn = np.random.default_rng(0).normal(size=data.shape)
    long_table(data, drawn).to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "scores.csv"
    line = ["score", tmp_path / "mine.csv", "--data", study, "--threshold", 1, "--out", out]
    answer = aligned(*line, "--kb", study / "edges.csv")
    assert (answer.code, answer.err) == (0, "")
    rows = Rows.of(data, kb)
    cells = rows.counted & (data.obs["split"] == "test").to_numpy()[:, None]
    called = (np.sign(drawn) * (np.abs(drawn) > 1))[cells]
    said = kb.deduce(rows.x, bundle.yardstick["k"], bundle.yardstick["rule"])
    table = pd.read_csv(out).set_index("score")
    for name, truth in (("f_d", rows.y), ("f_k", said)):
        wanted = f1_score(truth[cells], called, labels=[-1, 0, 1], average="macro", zero_division=0)
        assert table.at[name, "value"] == pytest.approx(wanted)
        assert table.at[name, "low"] < table.at[name, "value"] < table.at[name, "high"]
    fd, fk = table.at["f_d", "value"], table.at["f_k", "value"]
    assert table.at["balanced", "value"] == pytest.approx(al.balanced_consistency(fd, fk))
    assert "left out:   18 predicted conditions of other splits" in answer.out
    record = json.loads((tmp_path / "scores.csv.run.json").read_text())
    assert record["parameters"]["threshold"] == 1


def test_the_worked_example_of_predictions_scores(aligned: Callable[..., Answer]) -> None:
    path = Path(__file__).resolve().parents[1] / "data" / "example" / "predictions.csv"
    assert list(pd.read_csv(path).columns) == ["condition", "gene", "prediction"]
    answer = aligned("score", str(path), "--data", "demo", "--threshold", "0.5")
    assert answer.code == 0
    for name in ("f_d", "balanced", "overlap", "precision", "direction", "no_change"):
        assert name in answer.out


def test_score_says_what_is_missing(
    aligned: Callable[..., Answer], study: Path, bundle: al.Bundle, tmp_path: Path
) -> None:
    data = bundle.data
    table = long_table(data, data.X)
    lost_gene, lost_condition = data.var["name"].iloc[7], data.obs_names[0]
    table = table[(table["gene"] != lost_gene) & (table["condition"] != lost_condition)]
    table.to_csv(tmp_path / "part.csv", index=False)
    answer = aligned("score", tmp_path / "part.csv", "--data", study, "--split", "all")
    assert answer.code == 0
    assert f"1 conditions without a prediction: {lost_condition}" in answer.out
    assert f"1 measured genes without a prediction: {data.var_names[7]}" in answer.out
    assert answer.out.splitlines()[1].split()[:2] == ["f_d", "1.000"]


def test_score_finds_conditions_by_perturbation_in_any_order(
    aligned: Callable[..., Answer], study: Path, bundle: al.Bundle, tmp_path: Path
) -> None:
    data = bundle.data
    double = data.obs["perturbation"].str.contains(",").to_numpy()
    assert double.any()
    turned = [",".join(reversed(p.split(","))) for p in data.obs["perturbation"][double]]
    table = long_table(data[double], data.X[double])
    table["condition"] = np.repeat(turned, data.n_vars)
    table.to_parquet(tmp_path / "doubles.parquet")
    answer = aligned("score", tmp_path / "doubles.parquet", "--data", study, "--split", "all")
    assert (answer.code, answer.err) == (0, "")
    scored = Rows.of(data, bundle.kb).counted[double].sum()
    assert f"scored:     {scored} of " in answer.out
    named = long_table(data[double], data.X[double])
    both = pd.concat([table, named])
    both.to_csv(tmp_path / "both.csv", index=False)
    answer = aligned("score", tmp_path / "both.csv", "--data", study)
    assert answer.code == 2
    assert "mean the same condition" in answer.err


# ----------------------------------------------------------------------------------- scorecard


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Result tables in which alignment raises F_k, and refinement changes nothing."""
    folder = tmp_path / "03_ecoli_iterations"
    folder.mkdir()
    stages = ["network", "A", "A-R", "A-R-A", "A-R-A-R", "A-A"]
    rows = [
        {
            "split": "control_safe", "from": start, "to": end, "metric": metric, "score": score,
            "yardstick": yardstick, "difference": up, "low": up - 0.1, "high": up + 0.1,
        }
        for i, start in enumerate(stages)
        for end in stages[i + 1 :]
        for metric in ("f_d", "f_k", "balanced")
        for score in ("neural", "integrated")
        for yardstick in ("original", "refined")
        for up in [0.3 if metric == "f_k" and start == "network" else 0.0]
    ]  # fmt: skip
    for field in dataclasses.fields(IterationTables):
        pd.DataFrame({"empty": []}).to_csv(folder / f"{field.name}.csv", index=False)
    pd.DataFrame(rows).to_csv(folder / "changes.csv", index=False)
    (folder / "run.json").write_text("{}")
    return folder


def test_scorecard_judges_the_tables(aligned: Callable[..., Answer], tables: Path) -> None:
    out = tables.parent / "card.csv"
    answer = aligned("scorecard", "--edition", "ecoli", "--tables", tables, "--out", out)
    assert (answer.code, answer.err) == (0, "")
    card = pd.read_csv(out).set_index("claim")
    assert card.at["C7 neural", "verdict"] == "supported"
    assert card.at["C8 neural", "verdict"] == "not testable"
    for claim, verdict in card["verdict"].items():
        assert any(row.startswith(str(claim)) and verdict in row for row in answer.out.splitlines())


def test_scorecard_prefers_your_own_run(
    aligned: Callable[..., Answer], tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed, own = tables.parent / "results", tables.parent / "build"
    monkeypatch.setattr(_assets, "asset", lambda name: tables.parent / name)
    monkeypatch.setattr(book, "workspace", lambda name: own / name)
    nothing = aligned("scorecard", "--edition", "ecoli")
    assert (nothing.code, nothing.out) == (1, "")
    assert "aligned run 01_inconsistency --edition ecoli" in nothing.err
    shutil.copytree(tables, committed / "ecoli" / tables.name)
    assert f"tables of ecoli: {committed}" in aligned("scorecard").out
    shutil.copytree(tables, own / "ecoli" / "tables" / tables.name)
    assert f"tables of ecoli: {own}" in aligned("scorecard").out


# ------------------------------------------------------------------- nothing is lost, two at once


def test_a_fit_replaces_runs_of_ours_and_nothing_else(
    aligned: Callable[..., Answer], run: Path, study: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ours"
    shutil.copytree(run, ours)
    line = ("fit", "--data", study, "--out", ours, "--schedule", "A", *TINY)
    for place in (ours / "notes.txt", ours / "checkpoints" / "A" / "notes.txt"):
        place.write_text("a thought")
        for how in ("--force", "--resume"):
            answer = aligned(*line, how)
            assert answer.code == 2
            assert f"{place} was not written by us, so {ours} is not replaced" in answer.err
        place.unlink()
    assert files_in(ours).keys() == files_in(run).keys()
    assert aligned(*line, "--force").code == 0
    assert os.listdir(tmp_path) == ["ours"]


def test_a_fit_that_was_killed_before_its_first_phase_starts_anew(
    aligned: Callable[..., Answer], study: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.unfinished" / "checkpoints" / ".init.7-0-0.part").mkdir(parents=True)
    line = ("fit", "--data", study, "--out", tmp_path / "run", "--schedule", "A", *TINY)
    assert aligned(*line).code == 0
    assert os.listdir(tmp_path) == ["run"]
    (tmp_path / "run.unfinished").mkdir()
    (tmp_path / "run.unfinished" / "notes.txt").write_text("a thought")
    shutil.rmtree(tmp_path / "run")
    assert "go on with --resume" in aligned(*line).err
    assert (tmp_path / "run.unfinished" / "notes.txt").is_file()


@pytest.mark.parametrize("command", ["fit", "refine"])
def test_two_commands_do_not_write_one_place(
    command: str, aligned: Callable[..., Answer], study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    line = (command, "--data", study, "--out", out)
    with files.lock(out):
        answer = aligned(*line)
    said = f"aligned: process {os.getpid()} is writing {out} just now; wait for it, or name another"
    assert (answer.code, answer.err) == (1, f"{said} place.\n")
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------------- bad inputs


@pytest.fixture
def bad(study: Path, run: Path, tmp_path: Path) -> dict[str, str]:
    """Names used in the command lines below -> paths."""
    data = anndata.read_h5ad(study / "data.h5ad")
    edges = pd.read_csv(study / "edges.csv")
    table = long_table(data, data.X)
    (tmp_path / "empty.h5ad").touch()
    (tmp_path / "letter.txt").write_text("Dear reader")
    (tmp_path / "exists").mkdir()
    (tmp_path / "exists" / "results.csv").touch()
    edges.rename(columns={"sign": "effect"}).to_csv(tmp_path / "columns.csv", index=False)
    edges.assign(sign=7).to_csv(tmp_path / "signs.csv", index=False)
    edges.replace({"tf": "yt", "g": "yg"}, regex=True).to_csv(tmp_path / "yeast.csv", index=False)
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "networks.safetensors").write_bytes(b"")
    table.to_csv(tmp_path / "good.csv", index=False)
    table.drop(columns="gene").to_csv(tmp_path / "no_gene.csv", index=False)
    table.replace({"ko_tf01": "ko_tf99"}).to_csv(tmp_path / "condition.csv", index=False)
    table.replace({data.var["name"].iloc[0]: "tovoX"}).to_csv(tmp_path / "gene.csv", index=False)
    pd.concat([table, table.tail(2)]).to_csv(tmp_path / "twice.csv", index=False)
    table.assign(prediction=0.25).to_csv(tmp_path / "continuous.csv", index=False)
    table.assign(prediction="up").to_csv(tmp_path / "words.csv", index=False)
    names = {path.name: str(path) for path in tmp_path.iterdir()}
    return {**names, "STUDY": str(study), "RUN": str(run), "NEW": str(tmp_path / "new")}


FIT = "fit --data STUDY --out NEW -c n_networks=1"
PREDICT = "predict RUN --perturb tf01-"
SCORE = "score good.csv --data STUDY"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("fit --out NEW", 2, "'--data'"),
        ("fit --data ./absent.h5ad --out NEW", 2, "no file or folder './absent.h5ad'"),
        ("fit --data demos --out NEW", 2, "did you mean 'demo'"),
        ("fit --data empty.h5ad --out NEW", 2, "cannot be read as .h5ad"),
        ("fit --data letter.txt --out NEW", 2, "cannot be read as .h5ad"),
        ("fit --data exists --out NEW", 1, "holds no data.h5ad"),
        ("fit --data STUDY/data.h5ad --out NEW", 2, "add --kb EDGES.csv"),
        ("fit --data STUDY --out exists", 2, "exists already; name another folder, or add --force"),
        ("fit --data STUDY --out good.csv", 2, "exists already"),
        ("fit --data STUDY --out good.csv/run", 2, "nothing can be written in"),
        ("fit --data STUDY --out exists --resume", 2, "holds no run that could be resumed"),
        (f"{FIT} --resume --force", 2, "give one of them"),
        (f"{FIT} --kb absent.csv", 1, "there is no file absent.csv"),
        (f"{FIT} --kb columns.csv", 2, "lacks the column sign (it has source, target, effect"),
        (f"{FIT} --kb signs.csv", 2, "sign 7; use +1 (activates) or -1 (inhibits)"),
        (f"{FIT} --kb yeast.csv", 2, "the data and the network share no gene"),
        (f"{FIT} --schedule A-X", 2, "holds 'X'; join phases A (align) and R (refine)"),
        (f"{FIT} -c hiden=3", 2, "did you mean 'hidden'"),
        (f"{FIT} -c hidden", 2, "-c takes key=value"),
        (f"{FIT} -c hidden=-1", 2, "hidden=-1; give a whole number >= 1"),
        (f"{FIT} -c hidden=many", 2, "hidden='many'; give a whole number >= 1"),
        (f"{FIT} -c model=cnn", 2, "use one of 'gnn', 'mlp'"),
        (f"{FIT} -c use_go=maybe", 2, "use_go='maybe'; give true or false"),
        (f"{FIT} --preset papr", 2, "use default or paper"),
        (f"{FIT} --device tpu", 2, "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        (f"{FIT} --seed -1", 2, "'--seed'"),
        ("predict absent --perturb tf01-", 1, "absent holds no model"),
        ("predict exists --perturb tf01-", 1, "holds no model (no model.json)"),
        ("predict damaged --perturb tf01-", 2, "networks.safetensors is damaged or changed"),
        ("predict RUN", 2, "'--perturb'"),
        ("predict RUN --perturb tf01", 2, "write tf01- (knock-out or -down) or tf01+"),
        ("predict RUN --perturb tf77-", 2, "no gene 'tf77' among the 60 of the network; did you"),
        ("predict RUN --perturb tf01-,,tf02+", 2, "names no gene at one place"),
        ("predict RUN --perturb tf01-,tf01+", 2, "names the gene 'tf01' twice"),
        (f"{PREDICT} --out calls.xlsx", 2, "ends in .csv, .tsv, .parquet, .h5ad"),
        (f"{PREDICT} --out good.csv", 2, "exists already; name another file, or add --force"),
        ("explain RUN --perturb tf01- --gene tf77", 2, "there is no gene 'tf77'"),
        ("refine --data STUDY --out NEW --edit-cost dear", 2, "give a number of cells, or auto"),
        ("refine --data STUDY --out NEW --rows most", 2, "use train or all"),
        ("refine --data STUDY --out NEW --rule best", 2, "'best'"),
        ("refine --data STUDY --out NEW --penalty l0", 2, "'l0'"),
        ("score absent.csv --data STUDY", 1, "there is no file absent.csv"),
        ("score empty.h5ad --data STUDY", 2, "cannot be read as .h5ad"),
        ("score letter.txt --data STUDY", 2, "has no column 'condition'"),
        ("score no_gene.csv --data STUDY", 2, "has no column 'gene'"),
        (f"{SCORE} --column p", 2, "has no column 'p' (it has condition, gene, prediction)"),
        ("score condition.csv --data STUDY", 2, "1 predicted condition not in the data: 'ko_tf99'"),
        ("score gene.csv --data STUDY", 2, "1 predicted gene not in the data: 'tovoX'"),
        ("score twice.csv --data STUDY", 2, "twice (2 such rows)"),
        ("score continuous.csv --data STUDY", 2, "is 0.25, not -1, 0 or 1 (1380 such); add --thr"),
        ("score words.csv --data STUDY", 2, "holds 'up' in row 0; give numbers"),
        (f"{SCORE} --threshold -2", 2, "give a number from 0"),
        (f"{SCORE} --split some", 2, "use test, train or all"),
        (f"{SCORE} --k 0", 2, "'--k'"),
        ("scorecard --edition yeast", 2, "there is no edition 'yeast'"),
        ("scorecard --tables exists", 2, "--tables needs --edition"),
        (
            "scorecard --edition demo --tables exists",
            2,
            "is not named after an analysis",
        ),
    ],
)
def test_a_bad_input_gets_one_sentence(
    aligned: Callable[..., Answer],
    bad: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = files_in(tmp_path)
    for name in ("STUDY", "RUN", "NEW"):
        line = line.replace(name, bad[name])
    answer = aligned(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("aligned: ")
    assert answer.err.count("\n") == 1
    assert words in answer.err
    assert files_in(tmp_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_said_before_any_work(
    aligned: Callable[..., Answer], study: Path, run: Path, tmp_path: Path
) -> None:
    commands = [
        ["fit", "--data", study, "--out", tmp_path / "new"],
        ["refine", "--data", study, "--out", tmp_path / "new"],
        ["predict", run, "--perturb", "tf01-"],
    ]
    for line in commands:
        answer = aligned(*line, "--device", "cuda")
        assert (answer.code, answer.out) == (2, "")
        assert "sees no GPU" in answer.err
    assert list(tmp_path.iterdir()) == []
