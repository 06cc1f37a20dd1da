"""Files and folders that appear whole or not at all, and places that one process has at a time.

What is being written carries the name ``.NAME.PID-HOST-RANDOM.part`` beside its place; what is
being replaced is called ``….old`` for the moment between two renames. `tidy` and `recover` clear
up after a process that died.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: places are not locked there
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "alive",
    "check_place",
    "contents",
    "disk_fault",
    "is_empty",
    "lock",
    "new_folder",
    "recover",
    "scratch_beside",
    "sealed",
    "sha256_of",
    "sha256_of_folder",
    "swap",
    "tidy",
    "write_file",
    "write_text",
]

_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_LEFTOVER = re.compile(r"\.(.+)\.(\d+)-([0-9a-f]{8})-[0-9a-f]{8}\.(part|old)")
_OPEN: set[Path] = set()  # scratch of this process: another one may have had its id before

#: Less free space than this is a full disk (bytes).
ROOM = 4 * 2**20


# ------------------------------------------------------------------------------ whole or not at all


def write_file(out: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a scratch file with the same ending, then give it its name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_file(Path(folder) / "a.txt", lambda part: part.write_text("whole"))
    ...     path.read_text(), len(list(Path(folder).iterdir()))
    ('whole', 1)
    """
    with scratch_beside(out) as scratch:
        part = scratch / out.name
        write(part)
        os.replace(part, out)
    return out


def write_text(text: str, out: Path) -> Path:
    """Write a text in UTF-8."""
    return write_file(out, lambda part: part.write_text(text, encoding="utf-8"))


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A scratch folder that becomes ``out`` when the block ends well, and vanishes otherwise.

    Whether an earlier ``out`` may be replaced is for the caller to check, before any work.
    """
    out = Path(os.path.realpath(out))
    with scratch_beside(out) as scratch:
        part = scratch / "part"
        part.mkdir()
        yield part
        swap(part, out)


def swap(part: Path, out: Path) -> None:
    """Rename ``part`` to ``out``; what was there steps aside, and goes only then."""
    if not os.path.lexists(out):
        os.rename(part, out)
        return
    old = out.with_name(_name(out.name, "old"))
    os.rename(out, old)
    try:
        os.rename(part, out)
    except BaseException:
        os.rename(old, out)
        raise
    doomed = old.with_suffix(".part")  # half of it must not be taken for the whole
    os.rename(old, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def recover(out: Path) -> None:
    """Give ``out`` its name back where a process died between the two renames of `swap`."""
    out = Path(os.path.realpath(out))
    if not out.name or os.path.lexists(out) or not out.parent.is_dir():
        return
    for path, pid in _leftovers(out.parent, "old", out.name):
        for _ in range(20 * alive(pid)):  # it may be about to finish
            time.sleep(0.05)
            if os.path.lexists(out):
                return
        with contextlib.suppress(OSError):
            os.rename(path, out)
            return


def tidy(place: Path) -> None:
    """Clear a folder of what dead processes left in it: scratch goes, replaced folders return."""
    for path, pid in _leftovers(place, "old"):
        if not alive(pid):
            name = _LEFTOVER.fullmatch(path.name)
            recover(path.with_name(name[1] if name else path.name))
            if path.exists():
                shutil.rmtree(path, ignore_errors=True)
    for path, pid in _leftovers(place, "part"):
        if path not in _OPEN and (pid == os.getpid() or not alive(pid)):
            shutil.rmtree(path, ignore_errors=True)


def is_empty(folder: Path) -> bool:
    """Whether it is a folder with nothing in it, but for what a dead process left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     is_empty(Path(folder)), is_empty(Path(folder) / "none")
    (True, False)
    """
    if not folder.is_dir():
        return False
    return not contents(folder)


def contents(folder: Path) -> list[Path]:
    """What lies in a folder, in order, but for what is being written or was left by the dead."""
    return [path for path in sorted(folder.iterdir()) if not _LEFTOVER.fullmatch(path.name)]


def _name(name: str, kind: str) -> str:
    return f".{name[:150]}.{os.getpid()}-{_HOST}-{secrets.token_hex(4)}.{kind}"


def _leftovers(place: Path, kind: str, of: str | None = None) -> list[tuple[Path, int]]:
    """Scratch of this machine in a folder with the process it belongs to, latest first."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            parts = _LEFTOVER.fullmatch(entry.name)
            if parts is None or parts[4] != kind or of not in (None, parts[1]):
                continue
            if parts[3] == _HOST or kind == "old":
                here = parts[3] == _HOST
                found.append((entry.stat().st_mtime, Path(entry.path), int(parts[2]) * here))
    return [(path, pid) for _, path, pid in sorted(found, reverse=True)]


@contextmanager
def scratch_beside(out: Path) -> Iterator[Path]:
    """A scratch folder on the same disk, which vanishes when the block ends."""
    with disk_fault(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        tidy(out.parent)
        scratch = out.with_name(_name(out.name, "part"))
        scratch.mkdir(mode=0o700)
        _OPEN.add(scratch)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            _OPEN.discard(scratch)


# ------------------------------------------------------------------------------------ checksums


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path, record: str = "run.json") -> dict[str, str]:
    """Hash of every file below a folder by its path there, but for its record.

    A folder in it that has a record of its own speaks for itself and is left out.
    """
    found: dict[str, str] = {}
    for path in contents(folder):
        if path.is_dir():
            if not (path / record).is_file():
                inner = sha256_of_folder(path, record).items()
                found |= {f"{path.name}/{name}": digest for name, digest in inner}
        elif path.name != record:
            found[path.name] = sha256_of(path)
    return found


def sealed(record: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """A record with the hashes of the files it speaks for, and of itself.

    Examples
    --------
    >>> record = sealed({"seed": 3}, {})
    >>> record == sealed(record, {}), record["sha256"] == sealed({"seed": 4}, {})["sha256"]
    (True, False)
    """
    whole = {key: value for key, value in record.items() if key != "sha256"} | {"files": files}
    text = json.dumps(whole, sort_keys=True)
    return {**whole, "sha256": hashlib.sha256(text.encode()).hexdigest()}


# ---------------------------------------------------------------------- one process at a time


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """Hold a place for this process, by a file ``.NAME.lock`` beside it with the process's id.

    The system lets go of it when the process ends, however it ends.

    Raises
    ------
    RuntimeError
        Another process works there.
    """
    out = Path(os.path.realpath(out))
    path = out.with_name(f".{out.name}.lock")
    made = [above for above in out.parents if not above.exists()]
    with disk_fault(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        file = _hold(path, out)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)
        with contextlib.suppress(OSError):  # what came of it lies there
            for above in made:
                above.rmdir()


def _hold(path: Path, out: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _flock(file)
            if os.stat(path).st_ino == os.fstat(file).st_ino:
                os.ftruncate(file, 0)
                os.write(file, f"{os.getpid()}\n".encode())
                return file
        except BlockingIOError:
            holder = os.read(file, 20).decode("ascii", "replace").strip() or "?"
            os.close(file)
            raise RuntimeError(
                f"process {holder} is writing {out} just now; wait for it, or name another place."
            ) from None
        except FileNotFoundError:  # its holder has just gone
            pass
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _flock(file: int) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # some disks of clusters know no locks
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def alive(pid: int) -> bool:
    """Whether a process of this machine runs.

    Examples
    --------
    >>> alive(os.getpid()), alive(0)
    (True, False)
    """
    if pid <= 0:
        return False
    if os.name == "nt":  # a signal would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# ------------------------------------------------------------------------------------- the disk


def check_place(out: Path) -> None:
    """Make sure, before any work, that something can be written at a place.

    Raises
    ------
    ValueError
        The folder above it is none, must not be written, or its disk is full.
    """
    above = next(parent for parent in Path(os.path.abspath(out)).parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"nothing can be written in {above}; name another place for {out.name}.")
    free = shutil.disk_usage(above).free
    if free < ROOM:
        raise ValueError(_full(out, free))


@contextmanager
def disk_fault(out: Path) -> Iterator[None]:
    """Say in one sentence where what is written at ``out`` finds no room, or must not be there.

    Raises
    ------
    OSError
        The disk is full or read-only, or the place is somebody else's.
    """
    try:
        yield
    except Exception as error:
        sentence = _sentence(error, out)
        if sentence is None:
            raise
        raise OSError(sentence) from error


def _sentence(error: Exception, out: Path) -> str | None:
    code = error.errno if isinstance(error, OSError) else None
    text = str(error)  # HDF5, safetensors and Arrow have exceptions of their own
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in text:
        return _full(out, shutil.disk_usage(_existing(out)).free)
    if code == errno.EROFS or "Read-only file system" in text:
        return (
            f"{out} could not be written, the disk at {_mount(out)} is read-only; name a place on "
            "another disk."
        )
    if code in (errno.EACCES, errno.EPERM):
        assert isinstance(error, OSError)
        there = Path(os.fsdecode(error.filename)) if error.filename else out
        if out.parent in (there, *there.parents) or there in out.parents:
            return (
                f"{out} could not be written, {there} may not be changed by this user; mend its "
                "permissions, or name another place."
            )
    return None


def _full(out: Path, free: int) -> str:
    return (
        f"{out} could not be written, the disk at {_mount(out)} is full ({free / 1e6:.1f} MB "
        "free); make room there, or name a place on another disk."
    )


def _existing(path: Path) -> Path:
    path = Path(os.path.abspath(path))
    return next(place for place in (path, *path.parents) if place.exists())


def _mount(path: Path) -> Path:
    start = _existing(path)
    return next(place for place in (start, *start.parents) if os.path.ismount(place))
