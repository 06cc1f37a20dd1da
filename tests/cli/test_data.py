"""``aligned data``: what it prints, and when it fails."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from aligned import data as datasets
from aligned._assets import asset
from aligned.cli import main
from aligned.cli.data import card_of
from aligned.data import registry


def _leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return int(caught.value.code or 0)


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one file, and a mirror that holds it."""
    content = b"gene,count\nb0001,3\n"
    (tmp_path / "counts.csv").write_bytes(content)
    file = registry.DataFile(
        name="counts.csv",
        url="https://example.org/counts.csv",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        licence="CC0",
        citation="doi:10.1000/none",
        content="counts",
        editions=("tiny",),
    )
    monkeypatch.setattr(registry, "files", lambda *given, **more: (file,))
    monkeypatch.setenv("ALIGNED_DATA_MIRROR", str(tmp_path))
    monkeypatch.setenv("ALIGNED_DATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "counts.csv"


def test_list_shows_licence_and_citation(
    one_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _leave("data", "list") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "MB", "editions", "licence", "cite"]
    assert row.split() == ["counts.csv", "0.0", "tiny", "CC0", "doi:10.1000/none"]


def test_fetch_says_where_the_file_is(one_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _leave("data", "fetch", "counts.csv") == 0
    assert str(one_file) in capsys.readouterr().out


def test_check_fails_on_a_damaged_file_only(
    one_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _leave("data", "check") == 0
    assert "ok" in capsys.readouterr().out
    one_file.write_text("something else")
    assert _leave("data", "check") == 1
    said = capsys.readouterr()
    assert "damaged" in said.out
    assert "1 file(s) are not the registered ones" in said.err
    one_file.unlink()
    assert _leave("data", "check") == 0
    assert "missing" in capsys.readouterr().out


def test_card_says_what_a_data_set_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _leave("data", "card", "demo") == 0
    shown = json.loads(capsys.readouterr().out)
    bundle = datasets.load("demo")
    assert shown["n_conditions"] == bundle.data.n_obs
    assert shown["network"]["pairs"] == bundle.kb.n_pairs
    assert _leave("data", "card", "demo", "--out", str(tmp_path / "card.json")) == 0
    assert json.loads((tmp_path / "card.json").read_text()) == shown


@pytest.mark.skipif(
    not os.environ.get("ALIGNED_DATA_MIRROR"), reason="the originals are not here: no mirror"
)
def test_the_committed_card_is_the_one_of_the_data() -> None:
    committed = json.loads(asset("results/ecoli/card.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(card_of(datasets.load("ecoli"))))
    network = committed["network"]
    assert network == {"regulators": 315, "targets": 3003, "pairs": 9754, "dual": 395}
