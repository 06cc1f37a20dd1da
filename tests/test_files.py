"""Kills, two at once, full disks, strangers' files: nothing is lost and nothing half is left."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aligned import files
from aligned.cli import main
from aligned.records import check_replaceable, read_record, run_record, write_json, write_record
from companion.cli import check
from companion.tables import check_results, load_tables, save_tables

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 2**22 + 1  # no process has this id


@dataclass(frozen=True)
class Two:
    """Two tables."""

    scores: pd.DataFrame
    card: pd.DataFrame


def two(value: int) -> Two:
    return Two(pd.DataFrame({"value": [value]}), pd.DataFrame({"item": ["seed"]}))


def left_by(pid: int, name: str, kind: str, host: str = files._HOST) -> str:
    return f".{name}.{pid}-{host}-0123abcd.{kind}"


def child(code: str, *words: object) -> subprocess.Popen[str]:
    """A process that has `aligned.files` as ``files``, and dies with the test."""
    start = f"""
import importlib.util, os, sys, time, threading
spec = importlib.util.spec_from_file_location("files", {str(ROOT / "aligned" / "files.py")!r})
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
from pathlib import Path
out = Path(sys.argv[1])
"""
    command = [sys.executable, "-c", start + code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# ------------------------------------------------------------------------------- killed

DIE = """
real, calls, at = os.rename, [], int(sys.argv[2])
def rename(*names):
    calls.append(names)
    if len(calls) == abs(at) and at > 0:
        os._exit(9)
    real(*names)
    if len(calls) == abs(at):
        os._exit(9)
os.rename = rename
with files.new_folder(out) as part:
    (part / "a").write_text("new")
    (part / "b").write_text("new")
"""


@pytest.mark.parametrize("at", [1, -1, 2, -2, 3, -3])
def test_a_folder_is_the_old_or_the_new_one_wherever_its_writer_dies(
    at: int, tmp_path: Path
) -> None:
    """Death before (at > 0) and after each rename of a replacement."""
    out = tmp_path / "out"
    out.mkdir()
    for name in ("a", "b", "c"):
        (out / name).write_text("old")
    assert child(DIE, out, at).wait() == 9
    files.recover(out)
    found = {path.name: path.read_text() for path in out.iterdir()}
    new, old = dict.fromkeys("ab", "new"), dict.fromkeys("abc", "old")
    assert found == (new if at in (-2, 3, -3) else old)
    with files.new_folder(out) as part:
        (part / "a").write_text("newest")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.read_text() for path in out.iterdir()] == ["newest"]


def test_scratch_of_the_dead_is_cleared_and_of_the_living_is_not(tmp_path: Path) -> None:
    keeps = [left_by(os.getppid(), "a", "part"), left_by(NOBODY, "a", "part", "0" * 8), ".a.part"]
    goes = [left_by(NOBODY, "a", "part"), left_by(os.getpid(), "b", "part")]  # of an earlier life
    for name in keeps + goes + [left_by(NOBODY, "gone", "old")]:
        (tmp_path / name / "inside").mkdir(parents=True)
    assert files.is_empty(tmp_path) is False
    files.write_text("x", tmp_path / "new.txt")
    assert sorted(os.listdir(tmp_path)) == sorted([*keeps, "gone", "new.txt"])


def test_a_failed_swap_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FileNotFoundError):
        files.swap(tmp_path / "none", tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"]


# -------------------------------------------------------------------------------- two at once


def test_a_place_belongs_to_one_process_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    hold = "\nwith files.lock(out):\n    print('held', flush=True)\n    time.sleep(60)\n"
    other = child(hold, out)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    try:
        with pytest.raises(RuntimeError) as caught, files.lock(out):
            pass
    finally:
        other.kill()
        other.wait()
    assert str(caught.value) == (
        f"process {other.pid} is writing {out} just now; wait for it, or name another place."
    )
    assert (out.parent / ".run.lock").read_text() == f"{other.pid}\n"  # it could not tidy up
    with files.lock(out):
        assert (out.parent / ".run.lock").read_text() == f"{os.getpid()}\n"
    assert os.listdir(out.parent) == []
    with files.lock(tmp_path / "new" / "deep" / "run"):
        pass
    assert os.listdir(tmp_path) == ["deep"]


def test_of_many_at_once_one_gets_the_place_at_a_time(tmp_path: Path) -> None:
    code = """
for _ in range(200):
    try:
        with files.lock(out):
            os.mkdir(out)  # fails where two are in
            os.rmdir(out)
    except RuntimeError:
        pass
"""
    assert [one.wait() for one in [child(code, tmp_path / "run") for _ in range(4)]] == [0] * 4


# -------------------------------------------------------------------------- strangers' files


def test_tables_never_take_a_folder_that_is_not_theirs(tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.md").write_text("years of work")
    for spoil in (None, "{}", "[]", '{"seed": 1}', "[" * 5000):
        if spoil is not None:
            (mine / "run.json").write_text(spoil)
        with pytest.raises(FileExistsError) as caught:
            save_tables(two(1), mine, {"seconds": 1})
        assert str(caught.value) == (
            f"{mine} is not empty and holds no run of ours (no run.json that we wrote); name "
            "another folder, or empty it first."
        )
    assert (mine / "chapter.md").read_text() == "years of work"
    ours = save_tables(two(1), tmp_path / "ours", {"seconds": 1})
    for place in (ours / "notes.txt", ours / "sub" / "notes.txt"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("a thought")
        with pytest.raises(
            FileExistsError, match=r"notes\.txt was not written by us, so .* is not"
        ):
            save_tables(two(2), ours, {"seconds": 1})
        assert place.read_text() == "a thought"
        place.unlink()
    for place in (ROOT / "results", ROOT / "results" / "ecoli"):
        with pytest.raises(FileExistsError, match="holds no run of ours"):
            check_replaceable(place)
    assert sorted(os.listdir(tmp_path)) == ["ours", "thesis"]


def test_tables_of_older_versions_are_replaced_and_runs_below_stay(tmp_path: Path) -> None:
    place = tmp_path / "06_ablations"
    save_tables(two(1), place, run_record({}))
    save_tables(two(5), place / "reliability", run_record({}))
    record = json.loads((place / "run.json").read_text())
    write_json(
        {k: v for k, v in record.items() if k not in ("files", "sha256")}, place / "run.json"
    )
    save_tables(two(2), place, run_record({}))
    assert load_tables(Two, place)[0].scores["value"].tolist() == [2]
    assert load_tables(Two, place / "reliability")[0].scores["value"].tolist() == [5]
    (place / "reliability" / "mine.txt").write_text("a thought")
    with pytest.raises(FileExistsError, match=r"mine\.txt was not written by us"):
        save_tables(two(3), place, run_record({}))


# -------------------------------------------------------------------------------- checksums


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["scores.csv", "card.csv", "run.json"])
def test_changed_tables_are_not_shown(name: str, tmp_path: Path) -> None:
    folder = save_tables(two(1), tmp_path / "t", {"seconds": 1.25, "parameters": {"seed": 11}})
    load_tables(Two, folder)
    path = folder / name
    if name == "run.json":
        path.write_text(path.read_text().replace("11", "12"))
    else:
        _flip(path)
    said = "not as it was written" if name == "run.json" else "not the file that run.json speaks of"
    with pytest.raises(ValueError, match=f"is damaged.*{said}; bring it back, or make the tables"):
        load_tables(Two, folder)


def _records() -> list[Path]:
    results = ROOT / "results"
    return [*results.rglob("run.json"), *(results / "benchmarks").glob("[!r]*.json")]


def test_no_committed_result_was_changed_since_it_was_made() -> None:
    """Every table has a record that names its hash; what has none is listed here."""
    free = {"README.md", "ecoli/card.json", "human_tf/card.json"}
    known = set()
    for path in _records():
        record = read_record(path, "take it from the repository again")
        assert "sha256" in record, path
        known |= {path, *(path.parent / name for name in record["files"])}
    every = {path for path in (ROOT / "results").rglob("*") if path.is_file()}
    assert {path.relative_to(ROOT / "results").as_posix() for path in every - known} == free


@pytest.mark.parametrize("kind", ["file", "record"])
def test_the_test_of_committed_results_sees_every_change(kind: str, tmp_path: Path) -> None:
    copy = tmp_path / "t"
    shutil.copytree(ROOT / "results" / "ecoli" / "03_ecoli_iterations", copy)
    path = copy / ("counts.parquet" if kind == "file" else "run.json")
    digest = json.loads((copy / "run.json").read_text())["data_sha256"].encode()
    whole = path.read_bytes()
    middle = len(whole) // 2
    one = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes(whole.replace(digest, b"0" * 64) if kind == "record" else one)
    assert path.read_bytes() != whole
    with pytest.raises(ValueError, match="is damaged"):
        read_record(copy / "run.json", "mend it")


# -------------------------------------------------------------------------------- the disk


def _fault(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_fault(errno.ENOSPC), "is full ("),
        (_fault(errno.EDQUOT), "is full ("),
        (
            RuntimeError("Error while serializing: No space left on device (os error 28)"),
            "is full (",
        ),
        (_fault(errno.EROFS), "is read-only; name a place on another disk."),
        (_fault(errno.EACCES), "may not be changed by this user; mend its permissions"),
    ],
)
def test_a_disk_that_takes_no_more_is_named_with_the_file_and_the_remedy(
    fault: Exception, said: str, tmp_path: Path
) -> None:
    def write(part: Path) -> None:
        part.write_text("half")
        raise fault

    with pytest.raises(OSError) as caught:
        files.write_file(tmp_path / "table.csv", write)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'table.csv'} could not be written, ")
    assert said in text
    assert "the disk at /" in text or "user" in text
    assert os.listdir(tmp_path) == []


def test_other_faults_keep_their_own_words(tmp_path: Path) -> None:
    for fault in (ValueError("a bad seed"), FileNotFoundError(2, "no such file", "/nowhere/x")):
        with pytest.raises(type(fault)) as caught, files.new_folder(tmp_path / "out"):
            raise fault
        assert caught.value is fault


def test_no_room_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 3_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"out could not be written, .* is full \(3\.0 MB free\)"):
        files.check_place(tmp_path / "out")


# ------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("disguise", [False, True])
def test_a_signal_ends_a_command_in_one_sentence(
    number: signal.Signals,
    disguise: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Also where a library makes an exception of its own of it, as nbclient does."""

    def work(folder: Path) -> None:
        with files.new_folder(folder / "out"):
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            except KeyboardInterrupt:
                if disguise:
                    raise RuntimeError("Kernel died") from None
                raise

    monkeypatch.setattr("companion.book.study.write_study", work)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as left:
        main(["init", str(tmp_path / "study")])
    assert left.value.code == 128 + number
    said = capsys.readouterr().err.strip()
    assert said == "aligned: stopped; nothing half-written was kept."
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "study"])
    assert signal.getsignal(number) is before


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = """
import os, sys, time
from companion.parallel import side_by_side

def work(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(120)

list(side_by_side(work, [(sys.argv[1],)] * 2, 2))
"""
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    try:
        _until(lambda: len(os.listdir(tmp_path)) == 2, 60)
    finally:
        parent.kill()
        parent.wait()
    pids = [int(name) for name in os.listdir(tmp_path)]
    assert len(pids) == 2
    _until(lambda: not any(map(_runs, pids)), 10)


def _runs(pid: int) -> bool:
    """A process that has ended may stay a while in the table, as a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return files.alive(pid)
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_record_speaks_for_its_files(tmp_path: Path) -> None:
    files.write_text("1", tmp_path / "a.csv")
    (tmp_path / "deep").mkdir()
    files.write_text("2", tmp_path / "deep" / "b.csv")
    path = write_record({"seed": np.int64(3), "share": np.nan}, tmp_path / "run.json")
    record = read_record(path, "mend it")
    assert (record["seed"], sorted(record["files"])) == (3, ["a.csv", "deep/b.csv"])
    (tmp_path / "deep" / "b.csv").unlink()
    assert read_record(path, "mend it") == record
    (tmp_path / "a.csv").unlink()
    with pytest.raises(ValueError, match=r"a\.csv is missing, run\.json speaks of it; mend it\."):
        read_record(path, "mend it")


def test_results_are_compared_with_their_records(tmp_path: Path) -> None:
    tables = pd.DataFrame({"score": [0.4, 0.5]})
    for name, more in (("whole", {}), ("older", {"code": "another"}), ("changed", {})):
        (tmp_path / name).mkdir()
        tables.to_csv(tmp_path / name / "scores.csv", index=False)
        write_record({"created": "today", **more}, tmp_path / name / "run.json")
    changed = tmp_path / "changed" / "scores.csv"
    changed.write_text(changed.read_text().replace("0.5", "0.55"))
    found = check_results(tmp_path).set_index("results")["state"]
    states = {Path(str(folder)).name: state for folder, state in found.items()}
    assert states == {"whole": "whole", "older": "older", "changed": "damaged"}
    with pytest.raises(OSError, match=r"1 of 3 results are damaged: .*scores\.csv is damaged"):
        check(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no run record"):
        check(str(tmp_path / "nowhere"))
