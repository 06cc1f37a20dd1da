"""``aligned run`` and ``aligned book``: options, exit codes, one-sentence errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aligned.cli import main
from companion import book


def _leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return int(caught.value.code or 0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Stand in for the runner: note what it is asked."""
    noted: list[tuple[Any, ...]] = []

    def run(*given: Any) -> Path:
        noted.append(given)
        return Path("copy.ipynb")

    monkeypatch.setattr(book, "run_notebook", run)
    return noted


def test_run_passes_on_edition_and_parameters(
    calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "03_x", "--edition", "ecoli", "-p", "seeds=[0, 1]", "-p", "model=mlp"]
    assert _leave(*words, "--seed", "4", "--device", "cpu") == 0
    given = {"seeds": [0, 1], "model": "mlp", "seed": 4, "device": "cpu"}
    assert calls == [("03_x", "ecoli", given, None)]
    assert "copy.ipynb" in capsys.readouterr().out


def test_run_adds_nothing_that_was_not_asked(calls: list[tuple[Any, ...]]) -> None:
    assert _leave("run", "03_x") == 0
    assert calls == [("03_x", "demo", {}, None)]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["run", "03_x", "-p", "seed"], "-p takes key=value, not 'seed'"),
        (["run", "03_x", "-p", "a=[1"], "is not YAML"),
        (["run", "03_x", "-p", "edition=ecoli"], "of -p; name it with --edition ecoli."),
        (["run", "01_inconsistency", "-p", "n_boot=x"], "give a whole number, such as its default"),
        (["run", "99_none"], "there is no notebook '99_none'; the notebooks are:"),
        (["run", "03_x", "--device", "tpu"], "'tpu' is not one of"),
        (["run"], "Missing argument"),
        (["book", "--edition", "yeast"], "there is no edition 'yeast'; use one of"),
        (["nonsense"], "No such command 'nonsense'"),
        (["data", "fetch", "nonsense"], "no file or edition 'nonsense'"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    words: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _leave(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert answer in said.err
    assert said.err.startswith("aligned: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_a_failure_is_exit_code_1_and_debug_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: Any, **more: Any) -> Path:
        raise book.BookError("notebook '03_x' stopped")

    monkeypatch.setattr(book, "run_notebook", fail)
    assert _leave("run", "03_x") == 1
    assert capsys.readouterr().err == "aligned: notebook '03_x' stopped\n"
    with pytest.raises(book.BookError):
        main(["--debug", "run", "03_x"])
    with pytest.raises(book.BookError):
        main(["run", "03_x", "--debug"])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["book"],
        ["data"],
        ["data", "list"],
        ["data", "fetch"],
        ["data", "check"],
        ["data", "card"],
    ],
)
def test_every_help_has_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _leave(*words, "--help") == 0
    assert "Example: aligned" in capsys.readouterr().out
