"""Original files: where they are, what they hash to, and how they reach this machine.

The registry (``data/registry.yaml``) is the only list of files. `fetch` looks in the folder named
by ``ALIGNED_DATA_MIRROR`` first, then in the cache (``ALIGNED_DATA_CACHE``, or the system's cache
folder), then downloads. Whatever the way, a file is used only if its sha256 is the registered one.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pooch
import requests
from pydantic import BaseModel

from aligned._assets import asset
from aligned.reading import SCHEMA, read_yaml

__all__ = ["DataError", "DataFile", "cache_folder", "check", "fetch", "files", "mirror_folder"]

CACHE_VARIABLE = "ALIGNED_DATA_CACHE"
MIRROR_VARIABLE = "ALIGNED_DATA_MIRROR"
_TIMEOUT_S = 60
_LARGEST_GB = 20
#: A name stays inside cache and mirror; a way without TLS is for this machine only.
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}", re.ASCII)
_URL = re.compile(r"(https://|http://(127\.0\.0\.1|localhost)[:/])[!-~]+")
_HTML_STARTS = (b"<!doctype html", b"<html")


class DataError(RuntimeError):
    """A data file could not be had, or is not what the registry says; nothing was left behind."""


@dataclass(frozen=True)
class DataFile:
    """One line of the registry.

    Attributes
    ----------
    name, url : str
        Name in cache and mirror; where the original is.
    sha256 : str
        Hash that every copy must have.
    bytes : int
        Size; a download that sends more is broken off.
    licence, citation, content : str
        Under which licence, whom to cite, what it is.
    terms : str
        What the user should know before the download beyond the licence; often empty.
    editions : tuple of str
        Names for `aligned.load` whose recipe reads the file.

    Raises
    ------
    ValueError
        The name leads out of the folder, the address is no https, or hash or size are none.

    Examples
    --------
    >>> DataFile("../x", "https://example.org/x", 64 * "0", 1, "MIT", "me", "numbers")
    Traceback (most recent call last):
    ...
    ValueError: the name '../x' is no plain file name; use letters, digits, '.', '_', '+' and '-'.
    """

    __pydantic_config__ = SCHEMA

    name: str
    url: str
    sha256: str
    bytes: int
    licence: str
    citation: str
    content: str
    terms: str = ""
    editions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"the name {self.name[:60]!r} is no plain file name; use letters, digits, '.', "
                "'_', '+' and '-'."
            )
        if not _URL.fullmatch(self.url):
            raise ValueError(f"the url of {self.name} is {self.url[:200]!r}; give one of https.")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"the sha256 of {self.name} is not 64 hexadecimal digits; correct it.")
        if not 0 < self.bytes <= _LARGEST_GB * 10**9:
            raise ValueError(
                f"{self.name} is registered with {self.bytes} bytes; give its size, from 1 byte to "
                f"{_LARGEST_GB} GB."
            )

    def source(self) -> dict[str, str]:
        """What a data card says of the file."""
        return {key: getattr(self, key) for key in ("name", "url", "sha256", "licence", "citation")}


class _Registry(BaseModel):
    model_config = SCHEMA
    files: tuple[DataFile, ...]


def files(edition: str | None = None, *, registry: Path | None = None) -> tuple[DataFile, ...]:
    """All registered files, or those that one edition needs.

    Parameters
    ----------
    edition : str, optional
        Name of an edition, such as ``ecoli``.
    registry : Path, optional
        Another registry than the project's own.

    Raises
    ------
    ValueError
        No registered file belongs to that edition, or the registry breaks its form.

    Examples
    --------
    >>> len(files("ecoli")) <= len(files())
    True
    """
    path = asset("data/registry.yaml") if registry is None else registry
    known = read_yaml(path, _Registry).files
    named = [file.name.casefold() for file in known]
    if again := [file.name for file in known if named.count(file.name.casefold()) > 1]:
        raise ValueError(f"{path} registers {again[0]} twice; keep one entry.")
    if edition is None:
        return known
    editions = sorted({name for file in known for name in file.editions})
    if edition not in editions:
        raise ValueError(
            f"no registered file belongs to edition {edition!r}; "
            f"editions with files: {', '.join(editions)}."
        )
    return tuple(file for file in known if edition in file.editions)


def fetch(
    names: str | Iterable[str],
    *,
    progress: bool | None = None,
    announce: Callable[[str], None] | None = None,
    registry: Path | None = None,
) -> dict[str, Path]:
    """Bring files to this machine, checked, and say where they are.

    Parameters
    ----------
    names : str or iterable of str
        Names of files, or of editions (all files they need).
    progress : bool, optional
        Show a progress bar on stderr; default: only in a terminal.
    announce : callable, optional
        Gets licence, citation and terms of each file before its first download, as one line of
        text; default: print to stderr.
    registry : Path, optional
        Another registry than the project's own.

    Returns
    -------
    dict of str to Path
        File name -> path, in the mirror or in the cache; read only, please.

    Raises
    ------
    ValueError
        A name is not in the registry.
    DataError
        The file cannot be reached, or is not the registered one. Nothing is left behind.
    """
    wanted = _select([names] if isinstance(names, str) else list(names), files(registry=registry))
    if progress is None:
        progress = sys.stderr.isatty()
    mirror, cache = mirror_folder(), cache_folder()
    found = {}
    for file in wanted:
        mirrored = _from_mirror(file, mirror)
        found[file.name] = mirrored or _from_cache(file, cache, progress, announce or _to_stderr)
    return found


def check(names: Iterable[str] | None = None, *, registry: Path | None = None) -> pd.DataFrame:
    """State of files on this machine; downloads nothing.

    Parameters
    ----------
    names : iterable of str, optional
        Files or editions; default all.
    registry : Path, optional
        Another registry than the project's own.

    Returns
    -------
    DataFrame
        Columns ``name``, ``state`` (ok, missing, damaged), ``place`` (mirror, cache or empty),
        ``path``, ``bytes``, ``licence``, ``editions``.
    """
    known = files(registry=registry)
    wanted = known if names is None else _select(list(names), known)
    mirror, cache = mirror_folder(), cache_folder()
    return pd.DataFrame([_state(file, mirror, cache) for file in wanted])


def cache_folder() -> Path:
    """Folder of downloaded files: ``ALIGNED_DATA_CACHE``, or the system's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path(pooch.os_cache("aligned-companion"))


def mirror_folder() -> Path | None:
    """Folder looked up before anything is downloaded: ``ALIGNED_DATA_MIRROR``, or None.

    Raises
    ------
    DataError
        The variable names no folder.
    """
    named = os.environ.get(MIRROR_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{MIRROR_VARIABLE} names {folder}, which is not a folder; correct it or unset it."
        )
    return folder


def _select(names: list[str], known: tuple[DataFile, ...]) -> list[DataFile]:
    wanted: dict[str, DataFile] = {}
    for name in names:
        chosen = [file for file in known if name == file.name or name in file.editions]
        if not chosen:
            choices = [f.name for f in known] + sorted({e for f in known for e in f.editions})
            near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it holds {', '.join(choices)}."
            raise ValueError(f"the registry holds no file or edition {name!r}; {hint}")
        wanted.update((file.name, file) for file in chosen)
    return list(wanted.values())


def _is_intact(path: Path, file: DataFile) -> bool:
    return path.stat().st_size == file.bytes and pooch.file_hash(str(path)) == file.sha256


def _state(file: DataFile, mirror: Path | None, cache: Path) -> dict[str, object]:
    places = [("mirror", mirror / file.name)] if mirror else []
    places.append(("cache", cache / file.name))
    place, path = next(((p, f) for p, f in places if f.is_file()), ("", None))
    state = "missing" if path is None else "ok" if _is_intact(path, file) else "damaged"
    return {
        "name": file.name,
        "state": state,
        "place": place,
        "path": "" if path is None else str(path),
        "bytes": file.bytes,
        "licence": file.licence,
        "editions": ", ".join(file.editions),
    }


def _from_mirror(file: DataFile, mirror: Path | None) -> Path | None:
    if mirror is None or not (mirror / file.name).is_file():
        return None
    path = mirror / file.name
    if not _is_intact(path, file):
        raise DataError(
            f"{file.name} in the mirror {mirror} is not the registered file (its sha256 differs "
            f"from {file.sha256[:12]}…); replace it there, or unset {MIRROR_VARIABLE}."
        )
    return path


def _from_cache(
    file: DataFile, cache: Path, progress: bool, announce: Callable[[str], None]
) -> Path:
    path = cache / file.name
    if path.is_file() and _is_intact(path, file):
        return path
    if not path.is_file():
        announce(_terms_of(file))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return Path(
            pooch.retrieve(
                file.url,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=cache,
                downloader=_Download(file, progress),
            )
        )
    except DataError:
        raise
    except requests.RequestException as error:
        raise DataError(_unreachable(file, error)) from error
    except OSError as error:
        raise DataError(
            f"{file.name} cannot be kept in {cache} ({error.strerror or error}); make room or "
            f"name another folder in {CACHE_VARIABLE}."
        ) from error
    except ValueError as error:  # pooch: the hash differs; its temporary file is gone
        raise DataError(
            f"{file.name} from {_host(file)} is not the registered file (its sha256 differs from "
            f"{file.sha256[:12]}…); nothing was kept. Try again, and if it stays so, report it: "
            "the original may have changed."
        ) from error


@dataclass(frozen=True)
class _Download:
    """Downloader for pooch: recognises an error page, a transfer that broke off, and too much."""

    file: DataFile
    progress: bool

    def __call__(self, url: str, output_file: str, pooch_: object) -> None:
        download = pooch.HTTPDownloader(progressbar=self.progress, timeout=_TIMEOUT_S)
        with _Capped(output_file, self.file) as stream:
            download(url, stream, pooch_)
        path = Path(output_file)
        with path.open("rb") as stream:
            start = stream.read(64).lstrip().lower()
        if start.startswith(_HTML_STARTS):
            raise DataError(
                f"{_host(self.file)} sent a web page instead of {self.file.name}; nothing was "
                f"kept. {_other_ways()}"
            )
        size = path.stat().st_size
        if size < self.file.bytes:
            raise DataError(
                f"the download of {self.file.name} from {_host(self.file)} ended after {size:,} of "
                f"{self.file.bytes:,} bytes; nothing was kept. Try again."
            )


class _Capped(io.FileIO):
    """A file that takes no more than the registered size."""

    def __init__(self, path: str, file: DataFile) -> None:
        super().__init__(path, "wb")
        self._file = file

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._file.bytes:
            raise DataError(
                f"{_host(self._file)} sent more than the registered {self._file.bytes:,} bytes of "
                f"{self._file.name}; nothing was kept. {_other_ways()}"
            )
        return super().write(data)


def _unreachable(file: DataFile, error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return (
            f"{_host(file)} answered {error.response.status_code} to the request for {file.name}; "
            f"nothing was kept. {_other_ways()}"
        )
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or "broken" in str(error):
        return (
            f"the download of {file.name} from {_host(file)} broke off; nothing was kept. "
            "Try again."
        )
    return (
        f"{file.name} cannot be downloaded: {_host(file)} cannot be reached "
        f"({type(error).__name__}); check the network. {_other_ways()}"
    )


def _other_ways() -> str:
    return f"Try again later, or point {MIRROR_VARIABLE} at a folder that holds the file."


def _host(file: DataFile) -> str:
    return urlsplit(file.url).hostname or file.url


def _terms_of(file: DataFile) -> str:
    size = f"{file.bytes / 1e6:.1f} MB"
    parts = [
        f"Downloading {file.name} ({size}) from {_host(file)}.",
        f"Licence: {file.licence}.",
        f"Cite: {file.citation}.",
        file.terms,
    ]
    return " ".join(part for part in parts if part)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
