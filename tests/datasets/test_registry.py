"""Originals arrive whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from aligned.data import registry
from aligned.data.registry import DataError

BODY = b"gene,value\nb0001,1\n" * 50
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def registered(server, make_registry: Callable[..., Path]) -> Path:
    return make_registry(server.url, SHA, len(BODY))


def _nothing_kept(cache: Path) -> bool:
    return not cache.exists() or not list(cache.iterdir())


def test_download_is_announced_checked_and_kept(server, registered: Path, cache: Path) -> None:
    server.pages["/table.csv"] = (200, "text/csv", BODY, None)
    said: list[str] = []
    paths = registry.fetch("table.csv", announce=said.append, registry=registered)
    assert paths == {"table.csv": cache / "table.csv"}
    assert paths["table.csv"].read_bytes() == BODY
    assert [p.name for p in cache.iterdir()] == ["table.csv"]
    assert len(said) == 1
    for part in ("CC BY 4.0", "doi:10.1000/toy", "Academic use.", "127.0.0.1"):
        assert part in said[0]


def test_second_fetch_asks_nobody(server, registered: Path, cache: Path) -> None:
    server.pages["/table.csv"] = (200, "text/csv", BODY, None)
    said: list[str] = []
    registry.fetch("toy", announce=said.append, registry=registered)
    registry.fetch("toy", announce=said.append, registry=registered)
    assert server.asked == ["/table.csv"]
    assert len(said) == 1


def test_damaged_cache_is_replaced(server, registered: Path, cache: Path) -> None:
    server.pages["/table.csv"] = (200, "text/csv", BODY, None)
    cache.mkdir()
    (cache / "table.csv").write_bytes(b"half")
    assert registry.check(registry=registered)["state"].tolist() == ["damaged"]
    registry.fetch("table.csv", registry=registered)
    assert registry.check(registry=registered)["state"].tolist() == ["ok"]


def test_default_announcement_goes_to_stderr(
    server, registered: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/table.csv"] = (200, "text/csv", BODY, None)
    registry.fetch("table.csv", registry=registered)
    captured = capsys.readouterr()
    assert "CC BY 4.0" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ((200, "text/csv", BODY[:-2] + b"9\n", None), r"not the registered file .*sha256"),
        ((200, "text/csv", BODY + b"more", None), r"sent more than the registered 950 bytes of"),
        ((200, "text/csv", BODY * 9_000, None), r"sent more than the registered 950 bytes of"),
        ((200, "text/csv", BODY * 9_000, -1), r"sent more than the registered 950 bytes of"),
        ((200, "text/html", b"\n<!DOCTYPE html><html>Sign in</html>", None), r"sent a web page"),
        ((200, "text/csv", BODY[:100], len(BODY)), r"broke off|ended after 100 of"),
        ((200, "text/csv", BODY[:100], -1), r"ended after 100 of 950 bytes"),
        ((404, "text/plain", b"404: Not Found", None), r"answered 404"),
        ((503, "text/html", b"<html>busy</html>", None), r"answered 503"),
    ],
    ids=[
        "wrong hash",
        "too long",
        "far too long",
        "endless",
        "web page",
        "interrupted",
        "cut short",
        "404",
        "503",
    ],
)
def test_a_bad_answer_is_one_sentence_and_leaves_nothing(
    server, registered: Path, cache: Path, page: tuple, message: str
) -> None:
    server.pages["/table.csv"] = page
    with pytest.raises(DataError, match=message) as caught:
        registry.fetch("table.csv", announce=lambda text: None, registry=registered)
    assert "table.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _nothing_kept(cache)


def test_no_network(cache: Path, make_registry: Callable[..., Path], monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    unreachable = make_registry(f"http://127.0.0.1:{port}", SHA, len(BODY))
    with pytest.raises(DataError, match=r"table\.csv cannot be downloaded.*check the network"):
        registry.fetch("table.csv", announce=lambda text: None, registry=unreachable)
    assert _nothing_kept(cache)


def test_cache_that_cannot_be_made(registered: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a_file").write_text("no folder")
    monkeypatch.delenv(registry.MIRROR_VARIABLE, raising=False)
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "a_file" / "cache"))
    with pytest.raises(DataError, match="ALIGNED_DATA_CACHE"):
        registry.fetch("table.csv", announce=lambda text: None, registry=registered)


def test_mirror_comes_first(
    server, registered: Path, cache: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "table.csv").write_bytes(BODY)
    monkeypatch.setenv(registry.MIRROR_VARIABLE, str(folder))
    found = registry.fetch("table.csv", registry=registered)
    assert found["table.csv"] == folder / "table.csv"
    assert server.asked == []
    assert registry.check(registry=registered)["place"].tolist() == ["mirror"]


def test_mirror_without_the_file_falls_back(
    server, registered: Path, cache: Path, tmp_path: Path, monkeypatch
) -> None:
    server.pages["/table.csv"] = (200, "text/csv", BODY, None)
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv(registry.MIRROR_VARIABLE, str(folder))
    found = registry.fetch("table.csv", announce=lambda text: None, registry=registered)
    assert found["table.csv"] == cache / "table.csv"


def test_wrong_hash_in_the_mirror_names_file_and_folder(
    registered: Path, cache: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "table.csv").write_bytes(BODY[:-1] + b"x")
    monkeypatch.setenv(registry.MIRROR_VARIABLE, str(folder))
    with pytest.raises(DataError, match=rf"table\.csv in the mirror {folder} is not the"):
        registry.fetch("table.csv", registry=registered)
    assert registry.check(registry=registered)["state"].tolist() == ["damaged"]


def test_mirror_that_is_no_folder(registered: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.setenv(registry.MIRROR_VARIABLE, "/no/such/folder")
    with pytest.raises(DataError, match="ALIGNED_DATA_MIRROR names /no/such/folder"):
        registry.fetch("table.csv", registry=registered)


def test_check_says_missing(registered: Path, cache: Path) -> None:
    table = registry.check(registry=registered)
    assert table.loc[0, ["name", "state", "place"]].tolist() == ["table.csv", "missing", ""]


def test_unknown_name_suggests_the_near_one(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"'precise\.json'; did you mean 'precise\.json\.gz'"):
        registry.fetch("precise.json")
    with pytest.raises(ValueError, match="editions with files: ecoli"):
        registry.files("yeast")


def test_every_line_of_the_registry_is_complete() -> None:
    known = registry.files()
    assert len({file.name for file in known}) == len(known) == 41
    for file in known:
        assert file.url.startswith("https://")
        assert len(file.sha256) == 64
        assert file.bytes > 0
        assert file.licence
        assert file.citation
        assert file.content


def test_terms_of_ecocyc_and_kegg_are_told() -> None:
    terms = {file.name: file.terms for file in registry.files()}
    assert "academic" in terms["ecocyc_28.5_regulatory_network.txt"]
    assert all("KEGG" in text for name, text in terms.items() if "kegg" in name)


def test_registry_describes_the_originals(mirror: Path, monkeypatch) -> None:
    monkeypatch.setenv(registry.MIRROR_VARIABLE, str(mirror))
    table = registry.check(["ecoli", "human_tf", "yeast_tf"])
    assert table["state"].eq("ok").all()
