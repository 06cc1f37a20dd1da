"""``aligned init`` and ``aligned report``: from a reader's own files to a book, and every no.

`tests/book/test_hostile.py` makes one report for real.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import aligned as al
from aligned.cli import main
from companion.book import pages, report, workspace
from companion.book.notebooks import BookError, notebooks, read_source
from companion.book.study import example_tables, read_study


def _leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return int(caught.value.code or 0)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A fresh study, as `aligned init` makes it."""
    assert _leave("init", str(tmp_path / "mine")) == 0
    return tmp_path / "mine"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Stand in for papermill and Sphinx: note what runs, write the least that will do."""
    noted: list[tuple[str, str]] = []

    def run(node: Any, name: str, settings: Any, out: Path, scratch: Path) -> None:
        noted.append((name, json.dumps(dict(settings), sort_keys=True)))
        cell = {"cell_type": "markdown", "metadata": {}, "id": "a", "source": "# A question?"}
        out.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))

    def render(source: Path, out: Path, log: Path) -> None:
        for page in pages.toc_pages(source / "_toc.yml"):
            path = out / "_build" / "html" / f"{page}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<article><h1>{page}</h1>{'word ' * 50}</article>")

    monkeypatch.setattr(sys.modules["companion.book.notebooks"], "_execute", run)
    monkeypatch.setattr(pages, "_render", render)
    return noted


# ------------------------------------------------------------------------------------- init


def test_init_writes_a_study_that_can_be_read(study: Path) -> None:
    assert sorted(path.name for path in study.iterdir()) == [
        "edges.csv",
        "responses.csv",
        "study.yaml",
    ]
    plan = read_study(study)
    assert plan.data == study / "responses.csv"
    assert plan.network == study / "edges.csv"
    assert plan.threshold == 1.0
    assert plan.notebooks is not None
    assert "03_ecoli_iterations" in plan.notebooks


def test_init_leaves_a_folder_with_files_alone(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "responses.csv").write_text("mine")
    (study / "notes.txt").write_text("keep")
    assert _leave("init", str(study)) == 2
    assert "is not empty; name another folder, or add --force" in capsys.readouterr().err
    assert (study / "responses.csv").read_text() == "mine"
    assert _leave("init", str(study), "--force") == 0
    assert (study / "responses.csv").read_text() != "mine"
    assert (study / "notes.txt").read_text() == "keep"


def test_the_example_holds_what_its_text_says() -> None:
    responses, edges = example_tables()
    again, _ = example_tables()
    pd.testing.assert_frame_equal(responses, again)
    genes = set(responses.columns) - {"condition", "perturbation"}
    assert len(genes) == 42
    assert len(set(responses["perturbation"].str[:-1])) == 12
    assert set(edges["source"]) | set(edges["target"]) <= genes


# ----------------------------------------------------------------------------------- report


def test_a_report_is_made_once_and_then_only_what_changed(
    study: Path, runs: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _leave("report", str(study)) == 0
    out = study / "report"
    assert f"open {(out / 'index.html').as_uri()}" in capsys.readouterr().out
    first = list(runs)
    assert [name for name, _ in first] == list(read_study(study).notebooks or {})
    assert json.loads(first[-1][1])["edition"] == str(out)
    assert _leave("report", str(study)) == 0
    assert runs == first
    assert "the book is up to date" in capsys.readouterr().err
    text = (study / "edges.csv").read_text().replace(",1,", ",-1,", 1)
    (study / "edges.csv").write_text(text)
    assert _leave("report", str(study)) == 0
    assert [name for name, _ in runs[len(first) :]] == [name for name, _ in first]


def test_the_folder_of_a_report_is_an_edition_and_a_data_set(
    study: Path, runs: list[tuple[str, str]]
) -> None:
    assert _leave("report", str(study), "--title", "Ours") == 0
    out = study / "report"
    bundle = al.load(str(out))
    assert bundle.card["title"] == "Ours"
    assert bundle.data.shape == (16, 42)
    assert bundle.yardstick == {"k": 2, "rule": "boolean"}
    assert workspace(str(out)) == out


def test_no_page_of_the_paper_is_in_the_report(study: Path, runs: list[tuple[str, str]]) -> None:
    assert _leave("report", str(study)) == 0
    source = study / "report" / "src"
    listed = pages.toc_pages(source / "_toc.yml")
    assert listed[:2] == ["welcome", "data_card"]
    assert all(page.startswith(("notebooks/", "book/glossary")) for page in listed[2:])
    text = "".join(path.read_text() for path in source.rglob("*.md"))
    assert "| Conditions | 16 |" in text
    assert "| Measured genes | 42 |" in text


def test_data_and_network_by_option(tmp_path: Path, runs: list[tuple[str, str]]) -> None:
    responses, edges = example_tables()
    responses.to_csv(tmp_path / "r.tsv", sep="\t", index=False)
    lines = [f"{e.source} {'->' if e.sign > 0 else '-|'} {e.target}" for e in edges.itertuples()]
    (tmp_path / "net.sif").write_text("\n".join(lines))
    words = ["--data", str(tmp_path / "r.tsv"), "--kb", str(tmp_path / "net.sif")]
    out = tmp_path / "out"
    more = ["--threshold", "1", "--seed", "3"]
    assert _leave("report", *words, *more, "--out", str(out)) == 0
    assert al.load(out).kb.n_edges == len(edges)
    assert all(json.loads(settings)["seed"] == 3 for _, settings in runs)


def test_fewer_folds_where_there_are_few_perturbations(
    study: Path, runs: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(study / "responses.csv")
    table[table["perturbation"].isin(["regA-", "regB-", "regC-"])].to_csv(
        study / "responses.csv", index=False
    )
    assert _leave("report", str(study)) == 0
    assert "3 folds instead of 4, because there are 3 independent groups" in capsys.readouterr().err
    settings = dict(runs)["03_ecoli_iterations"]
    assert json.loads(settings)["folds"] == 3
    assert "3 folds instead of 4" in (study / "report" / "src" / "data_card.md").read_text()


def _edit(key: str, value: Any) -> Callable[[Path], None]:
    def change(study: Path) -> None:
        settings = yaml.safe_load((study / "study.yaml").read_text())
        settings[key] = value
        (study / "study.yaml").write_text(yaml.safe_dump(settings))

    return change


def _two_conditions(study: Path) -> None:
    table = pd.read_csv(study / "responses.csv")
    table.iloc[:2].to_csv(study / "responses.csv", index=False)


def _ensembl(study: Path) -> None:
    edges = pd.read_csv(study / "edges.csv")
    for column in ("source", "target"):
        edges[column] = [f"ENSG{i:011d}" for i in range(len(edges))]
    edges.to_csv(study / "edges.csv", index=False)


def _occupied(study: Path) -> None:
    (study / "report").mkdir()
    (study / "report" / "thesis.tex").write_text("dear")


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (_edit("treshold", 1), "has the key 'treshold', which nobody reads; did you mean 'thresh"),
        (_edit("threshold", None), "holds numbers other than -1, 0 and 1"),
        (_edit("data", None), "study.yaml: it lacks the key 'data'; add it"),
        (_edit("notebooks", {}), "chooses no notebook"),
        (_edit("notebooks", {"99_none": {}}), "there is no notebook '99_none'; the notebooks are"),
        (_edit("notebooks", {"03_ecoli_iterations": {"fold": 3}}), "has no parameter 'fold'"),
        (_edit("notebooks", {"05_kegg_enrichment": {}}), "needs gene sets; name a GMT file"),
        (_edit("yardstick", {"k": 0}), "the yardstick of"),
        (_two_conditions, "2 conditions of 2 independent perturbed genes; to learn from some"),
        (_ensembl, "share no gene: the data name them regA, regB, regC, …"),
        (_occupied, "holds something that is no report of ours"),
        (lambda study: (study / "edges.csv").write_bytes(b""), "edges.csv is empty (0 bytes)"),
        (lambda study: (study / "study.yaml").write_text("a: [1"), "study.yaml is no YAML"),
    ],
)
def test_a_faulty_study_is_one_sentence_and_leaves_nothing(
    study: Path,
    runs: list[tuple[str, str]],
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], object],
    answer: str,
) -> None:
    spoil(study)
    capsys.readouterr()
    assert _leave("report", str(study)) == 2
    said = capsys.readouterr()
    assert answer in said.err
    assert said.err.strip().splitlines()[-1].startswith("aligned: ")
    assert "Traceback" not in said.err
    assert runs == []
    assert not (study / "report" / "index.html").exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], "name a folder with study.yaml"),
        (["--data", "x.csv"], "say where the report goes, e.g. --out report"),
        (["--data", "x.csv", "--out", "o"], "there is no file"),
        (["nowhere"], "make a folder with `aligned init nowhere`"),
    ],
)
def test_wrong_usage(
    words: list[str],
    answer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _leave("report", *words) in (1, 2)
    assert answer in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["save", "execute_all", "_stage", "publish", "write_text"])
def test_a_report_that_was_killed_can_be_made_again(
    where: str, study: Path, runs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed the first time, and while a finished one is brought up to date."""
    folder = study / "report"
    for again in (False, True):
        if again:
            _edit("title", "Another")(study)
        pid = os.fork()
        if pid == 0:
            monkeypatch.setattr(report, where, lambda *_, **__: os._exit(9))
            report.build_report(read_study(study), folder)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
        assert _leave("report", str(study)) == 0
        assert sorted(path.name for path in folder.iterdir()) == [
            *("data", "data.sources", "edition.yaml", "html", "html.sources", "index.html"),
            *("notebooks", "src"),
        ]  # fmt: skip
        assert [p.name for p in study.iterdir() if p.name.startswith(".")] == []
        assert (
            yaml.safe_load((folder / "edition.yaml").read_text())["title"] == "Another"
        ) == again


def test_a_notebook_that_stops_keeps_the_older_report(
    study: Path, runs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _leave("report", str(study)) == 0

    def fail(*given: Any) -> None:
        raise BookError("notebook stopped")

    monkeypatch.setattr(sys.modules["companion.book.notebooks"], "_execute", fail)
    assert _leave("report", str(study), "--seed", "9") == 1
    assert (study / "report" / "html" / "welcome.html").is_file()


# ------------------------------------------------------------------------- claims stay out


def test_sections_about_claims_are_cut_to_the_next_heading() -> None:
    def text(source: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "source": source}

    code = {"cell_type": "code", "source": "scorecard()"}
    inside = [text("Before.\n\n## The claims\n\nVerdicts"), code, text("### finer"), code]
    node = {"cells": [text("# Title"), code, *inside, text("rest\n## Answer"), code]}
    wanted = [text("# Title"), code, text("Before."), text("## Answer"), code]
    assert report.without_claims(node)["cells"] == wanted


@pytest.mark.parametrize("name", ["01_inconsistency", "03_ecoli_iterations", "05_kegg_enrichment"])
def test_every_call_of_the_scorecard_lies_in_such_a_section(name: str) -> None:
    if name not in notebooks():
        pytest.skip(f"there is no notebook {name} here")
    kept = report.without_claims(read_source(name))["cells"]
    calls = [
        cell for cell in kept if re.search(r"^\w+ = scorecard\(", cell["source"], re.MULTILINE)
    ]
    assert calls == []
