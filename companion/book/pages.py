"""Build the book: run its notebooks, stage its pages, let Jupyter Book render them, check them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from aligned._assets import asset
from aligned.files import check_place, lock, recover, scratch_beside, swap
from companion.book.editions import DEFAULT, Edition, load_edition, workspace
from companion.book.notebooks import (
    BookError,
    digest_files,
    need_book_extra,
    run_notebook,
    sources,
)

__all__ = ["build_book", "check_pages", "execute_all", "publish", "toc_pages"]


def toc_pages(path: Path | None = None) -> list[str]:
    """Every page of the table of contents, e.g. ``book/welcome``, in reading order.

    Examples
    --------
    >>> toc_pages()[0]
    'book/welcome'
    """
    toc = yaml.safe_load((path or asset("_toc.yml")).read_text(encoding="utf-8"))
    return [re.sub(r"\.(md|ipynb)$", "", page) for page in _walk(toc)]


def _walk(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, dict):
        for key in ("root", "file"):
            if key in node:
                yield str(node[key])
        for key in ("parts", "chapters", "sections"):
            yield from _walk(node.get(key, []))


def build_book(edition: str = DEFAULT, say: Callable[[str], None] = lambda line: None) -> Path:
    """Execute what changed, build the book of one edition and check its pages.

    Parameters
    ----------
    edition : str
        An edition, e.g. ``"demo"``.
    say : callable
        Receives one line of progress per step.

    Returns
    -------
    Path
        ``build/<edition>/html/index.html``. The folder is replaced only by a book that is whole.

    Raises
    ------
    ValueError
        No such edition or notebook.
    BookError
        A notebook failed, a page gave a warning, or a page is missing or empty.
    """
    need_book_extra()
    plan = load_edition(edition)
    folder = workspace(edition)
    check_place(folder / "html")
    with lock(folder):
        executed = execute_all(plan, folder, say, toc_pages())
        return publish(_stage(folder, executed), folder, say)


def publish(source: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """Render staged sources to ``folder/html``, unless the same are there; return its index.

    Raises
    ------
    BookError
        A page gave a warning, or is missing or empty; an older book stays as it was.
    """
    pages = toc_pages(source / "_toc.yml")
    html = folder / "html"
    recover(html)
    stamp = folder / "html.sources"
    state = _fingerprint(source)
    if stamp.exists() and stamp.read_text() == state and not missing_pages(html, pages):
        say("the book is up to date")
        return html / "index.html"
    stamp.unlink(missing_ok=True)
    start = time.monotonic()
    say("pages")
    with scratch_beside(html) as scratch:
        _render(source, scratch, folder / "book.log")
        fresh = scratch / "_build" / "html"
        check_pages(fresh, pages)
        swap(fresh, html)
    stamp.write_text(state)
    say(f"pages built in {time.monotonic() - start:.0f} s")
    return html / "index.html"


def execute_all(
    plan: Edition, folder: Path, say: Callable[[str], None], pages: list[str]
) -> list[Path]:
    """Run the notebooks among `pages` that changed; the executed copies, in order."""
    executed = []
    for page in pages:
        if not page.startswith("notebooks/"):
            continue
        how = plan.page(page.removeprefix("notebooks/"))
        out = folder / "notebooks" / f"{how.page}.ipynb"
        start = time.monotonic()
        say(f"notebook {how.page} (edition {Path(how.edition).name})")
        before = out.stat().st_mtime_ns if out.exists() else None
        run_notebook(how.notebook, how.edition, how.parameters, out=out, skip_unchanged=True)
        unchanged = before == out.stat().st_mtime_ns
        say("  unchanged" if unchanged else f"  {time.monotonic() - start:.0f} s")
        executed.append(out)
    return executed


def _stage(folder: Path, executed: list[Path]) -> Path:
    """Lay out the book's sources in ``build/<edition>/src`` as in the checkout."""
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(asset(name), source / name)
    shutil.copytree(asset("book"), source / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for path in executed:
        shutil.copy2(path, source / "notebooks" / path.name)
    return source


def _fingerprint(source: Path) -> str:
    digest = hashlib.sha256()
    digest_files(digest, sorted(source.rglob("*")), source)
    digest_files(digest, *sources())  # the API pages
    root = asset("_toc.yml").parent
    digest_files(digest, sorted((root / "results").rglob("*")), root)  # the data cards
    return digest.hexdigest()


def _render(source: Path, out: Path, log: Path) -> None:
    package_root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, inherited])),
    }
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(source)]
    command += ["--path-output", str(out), "--all", "-W", "-n", "--keep-going"]
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)
    log.write_text(text, encoding="utf-8")
    if run.returncode:
        faults = [line for line in text.splitlines() if re.search(r"WARNING|ERROR", line)]
        first = (faults or text.strip().splitlines() or ["no output"])[0].strip()
        raise BookError(
            f"Jupyter Book stopped with {max(len(faults), 1)} warning(s), the first: "
            f"{first.replace(str(source) + os.sep, '')} (all in {log})"
        )


def check_pages(html: Path, pages: list[str] | None = None) -> None:
    """Raise `BookError` unless every page of the table of contents is there and says something."""
    missing = missing_pages(html, pages)
    if missing:
        raise BookError(
            f"the book lacks {len(missing)} page(s), the first: {missing[0]}.html; "
            "see the log beside it."
        )


def missing_pages(html: Path, pages: list[str] | None = None) -> list[str]:
    """Pages (default: of the table of contents) that are absent or empty under `html`."""
    listed = toc_pages() if pages is None else pages
    return [page for page in listed if not _says_something(html / f"{page}.html")]


def _says_something(path: Path) -> bool:
    if not path.exists():
        return False
    article = re.search(r"<article.*?</article>", path.read_text(encoding="utf-8"), re.DOTALL)
    if article is None or "<h1" not in article.group():
        return False
    return len(re.sub(r"<[^>]+>|\s+", "", article.group())) > 100
