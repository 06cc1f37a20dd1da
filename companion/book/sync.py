"""Write the committed pairs: executed notebooks without anything that changes by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aligned.files import write_text
from companion.book.editions import DEFAULT, checkout, load_edition, workspace
from companion.book.notebooks import (
    BookError,
    assignments,
    notebooks,
    page_source,
    parameter_cell,
    run_notebook,
)

__all__ = ["committed", "committed_pages", "sync_notebooks"]


def committed_pages() -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    """Every committed ``.ipynb``: page name → notebook, edition, extra parameters."""
    demo = load_edition(DEFAULT)
    pages: dict[str, tuple[str, str, Mapping[str, Any]]]
    pages = {name: (name, DEFAULT, {}) for name in notebooks()}
    extra = {page.page: (page.notebook, page.edition, page.parameters) for page in demo.pages}
    return {**pages, **extra}


def sync_notebooks(say: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Execute the demo edition and its extra pages and write ``notebooks/<page>.ipynb``.

    Papermill's traces, times, machine paths and random cell ids are dropped, so a rerun that
    finds the same results writes the same file.

    Parameters
    ----------
    say : callable
        Receives one line of progress per page.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    BookError
        This is no checkout, or a notebook failed.
    """
    root = checkout()
    if root is None:
        raise BookError("notebooks can be synced only in a checkout; clone the repository first.")
    import nbformat

    written = []
    for page, (name, edition, parameters) in committed_pages().items():
        say(f"{page} ({edition})")
        out = workspace(DEFAULT) / "notebooks" / f"{page}.ipynb"
        run_notebook(name, edition, parameters, out=out, skip_unchanged=True)
        node = committed(nbformat.read(out, as_version=4), name, edition, parameters, root)
        target = root / "notebooks" / f"{page}.ipynb"
        write_text(nbformat.writes(node) + "\n", target)
        written.append(target)
    return written


def committed(
    executed: Any, name: str, edition: str, parameters: Mapping[str, Any], root: Path
) -> Any:
    """An executed notebook as it is committed: parameters written into their own cell."""
    node, settings = page_source(name, edition, parameters)
    set_parameters(parameter_cell(node), settings)
    runs = [c for c in executed.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    count = 0
    for cell, run in zip(node.cells, runs, strict=True):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        count += 1
        cell.execution_count = count
        outputs = enumerate(_merged(run.outputs))
        cell.outputs = [_stable(o, root, count, f"{count:03d}-{i}") for i, o in outputs]
    return node


def set_parameters(cell: Any, settings: Mapping[str, Any]) -> None:
    """Replace the values in a parameters cell, leaving names, comments and layout alone."""
    lines = cell.source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    source = cell.source.encode()
    for name, value in reversed(list(assignments(cell.source))):
        if name in settings:
            begin = starts[value.lineno - 1] + value.col_offset
            end = starts[(value.end_lineno or 1) - 1] + (value.end_col_offset or 0)
            if source[begin:end].decode() not in (repr(settings[name]), _double(settings[name])):
                source = source[:begin] + _double(settings[name]).encode() + source[end:]
    cell.source = source.decode()


def _double(value: Any) -> str:
    """``repr`` with the double quotes that the formatter wants."""
    if isinstance(value, str) and '"' not in repr(value):
        return f'"{repr(value)[1:-1]}"'
    return repr(value)


def _merged(outputs: list[Any]) -> list[Any]:
    """Join neighbouring pieces of one stream: where they were cut depends on timing."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last is not None and _stream(output) and _stream(output) == _stream(last):
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _stream(output: Any) -> str:
    """Name of the stream an output belongs to; empty for figures and values."""
    return str(output.name) if output.output_type == "stream" else ""


def _stable(output: Any, root: Path, count: int, place: str) -> Any:
    output.pop("execution_count", None)
    if output.output_type == "execute_result":
        output.execution_count = count
    if output.output_type == "stream":
        output.text = _without_paths(output.text, root)
    for kind, content in (output.get("data") or {}).items():
        if isinstance(content, str) and (kind.startswith("text/") or kind == "image/svg+xml"):
            output.data[kind] = _with_plain_ids(_without_paths(content, root), place)
    return output


def _with_plain_ids(markup: str, place: str) -> str:
    """Number the ids that pandas and Matplotlib draw at random, and drop the drawing's date."""
    markup = re.sub(r"<dc:date>.*?</dc:date>", "<dc:date/>", markup)
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"{found[0][0]}{place}-{len(numbers)}")

    return re.sub(r"\b(T_[0-9a-f]{5}|[mp][0-9a-f]{10})(?![0-9a-f])", number, markup)


def _without_paths(text: str, root: Path) -> str:
    text = text.replace(f"{root}/", "").replace(str(root), ".").replace(str(Path.home()), "~")
    return re.sub(r" at 0x[0-9a-f]{6,}", " at 0x…", text)
