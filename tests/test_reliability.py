"""Damaged files of every kind, a bounded number of them: data, or one sentence, and nothing else.

The whole is ``python -m benchmarks.reliability``.
"""

from __future__ import annotations

import importlib
import os
import signal
import warnings
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
INPUTS, SECONDS, SEED = 720, 25.0, 7


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.reliability")


def test_the_sound_file_of_every_kind_is_read(bench, tmp_path: Path) -> None:
    bench.sound_files(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, read in bench.KINDS.items():
            read(tmp_path / kind)


def test_no_damaged_file_gives_a_foreign_exception_a_hang_or_an_abort(bench) -> None:
    found = list(bench.run(INPUTS, SECONDS, SEED))
    assert {row[0] for row in found} == set(bench.KINDS)
    assert [row for row in found if row[2] not in ("ok", "refused")] == []
    assert {row[2] for row in found} == {"ok", "refused"}


_ECHO = """
def serve(pipe, seed):
    pipe.send("ready")
    while pipe.recv():
        pipe.send(("ok", ""))
"""


def test_deaths_and_hangs_are_counted_and_the_rest_goes_on(bench, monkeypatch, tmp_path) -> None:
    """The child is one that starts at once; it is killed, then stopped."""
    (tmp_path / "echo_child.py").write_text(_ECHO)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(bench, "serve", importlib.import_module("echo_child").serve)
    monkeypatch.setattr(bench, "LIMIT_S", 2.0)
    child = bench.Child(0)
    try:
        for blow, outcome in ((signal.SIGKILL, "abort"), (signal.SIGSTOP, "hang")):
            os.kill(child._process.pid, blow)
            assert child.ask("sets.gmt", 0)[0] == outcome
            assert child.ask("sets.gmt", 0) == ("ok", "")
    finally:
        child.stop()


def test_the_table_and_what_the_command_answers(bench, tmp_path: Path, monkeypatch) -> None:
    rows = [("sets.gmt", 0, "ok", ""), ("sets.gmt", 1, "foreign", "KeyError"), ("a", 2, "ok", "")]
    monkeypatch.setattr(bench, "run", lambda *given: iter(rows))
    monkeypatch.setattr(bench, "KINDS", {"sets.gmt": None, "a": None})
    with pytest.raises(SystemExit, match="1"):
        bench.main(inputs=3, seconds=5, seed=0, out=tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "inputs.csv")
    assert table["inputs"].tolist() == [2, 1, 3]
    assert table["foreign"].tolist() == [1, 0, 1]
    assert (tmp_path / "out" / "run.json").exists()
