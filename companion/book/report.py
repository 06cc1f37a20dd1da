"""A small book about a reader's own data and network: the same notebooks, the same figures."""

from __future__ import annotations

import hashlib
import html
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from aligned._assets import asset
from aligned.data import Bundle, Rows, linked_conditions, save
from aligned.files import check_place, is_empty, lock, recover, scratch_beside, swap, write_text
from companion.book.editions import is_report, load_edition
from companion.book.notebooks import digest_files, need_book_extra, parameters_of, sources
from companion.book.pages import execute_all, publish
from companion.book.report_pages import card_page, welcome_page
from companion.book.study import Study, default_notebooks, read_bundle

__all__ = ["build_report", "without_claims"]

#: Sections of the notebooks that judge the paper; a report is about the reader's own data.
CLAIMS = ("## The claim", "## The claims")
_INDEX = (
    '<!doctype html><meta charset="utf-8"><title>{title}</title>'
    '<meta http-equiv="refresh" content="0; url=html/index.html">'
    '<p><a href="html/index.html">{title}</a></p>\n'
)


def build_report(
    study: Study,
    out: str | Path,
    changes: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make the report of a study, or bring it up to date: what did not change is not done again.

    Parameters
    ----------
    study : Study
        Data, network and settings.
    out : path
        Folder of the report: a new or empty one, or that of an earlier report.
    changes : dict, optional
        Parameters such as ``seed`` for every notebook that has them.
    say : callable
        Receives one line of progress per step.

    Returns
    -------
    Path
        ``out/index.html``.

    Raises
    ------
    ValueError, FileNotFoundError
        The study cannot be read, is too small, or `out` holds something else.
    BookError
        A notebook failed, or a page gave a warning.
    """
    need_book_extra()
    folder = Path(out).expanduser().resolve()
    _check_place(folder)
    with lock(folder):
        return _build(study, folder, changes or {}, say)


def _build(
    study: Study, folder: Path, changes: Mapping[str, Any], say: Callable[[str], None]
) -> Path:
    bundle, notes = read_bundle(study)
    chosen, more = _parameters(study, bundle, changes)
    for line in (*notes, *more):
        say(f"note: {line}")
    _write_inputs(study, bundle, chosen, folder)
    pages = [f"notebooks/{name}" for name in chosen]
    executed = execute_all(load_edition(str(folder)), folder, say, pages)
    source = _stage(folder, executed, study, bundle, [*notes, *more])
    publish(source, folder, say)
    index = folder / "index.html"
    return write_text(_INDEX.format(title=html.escape(study.title)), index)


def _check_place(folder: Path) -> None:
    is_new = not folder.exists() or is_empty(folder)
    if not is_new and not is_report(str(folder)):
        raise ValueError(
            f"{folder} holds something that is no report of ours; name another folder with --out."
        )
    check_place(folder / "index.html")


# ---------------------------------------------------------------------- settings that fit


def _parameters(
    study: Study, bundle: Bundle, changes: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Notebooks with parameters that fit the size of the study, and what had to be changed."""
    wanted = study.notebooks
    if wanted is None:
        wanted = default_notebooks(gene_sets=bool(bundle.gene_sets))
    if not wanted:
        raise ValueError("the study chooses no notebook; name one under notebooks: in study.yaml.")
    if "05_kegg_enrichment" in wanted and not bundle.gene_sets:
        raise ValueError(
            "05_kegg_enrichment needs gene sets; name a GMT file (gene_sets: pathways.gmt), or "
            "take the notebook out of study.yaml."
        )
    groups = _groups(bundle)
    if groups < 3:
        raise ValueError(
            f"the data hold {bundle.data.n_obs} conditions of {groups} independent perturbed "
            "genes; to learn from some and be tested on others a report needs at least 3."
        )
    chosen, notes = {}, []
    for name, given in wanted.items():
        known = parameters_of(name)
        parameters = {**given, **{key: value for key, value in changes.items() if key in known}}
        folds = parameters.get("folds", known.get("folds"))
        if isinstance(folds, int) and folds > groups:
            parameters["folds"] = groups
            notes.append(
                f"{name}: {groups} folds instead of {folds}, because there are {groups} "
                "independent groups of conditions."
            )
        chosen[name] = parameters
    if groups < 10:
        notes.append(
            f"only {groups} independent groups of conditions: intervals will be wide, and small "
            "differences mean nothing."
        )
    return chosen, notes


def _groups(bundle: Bundle) -> int:
    """Groups of conditions that share neither a gene nor a control, nor a named group."""
    linked = len(set(linked_conditions(bundle.data)))
    return min(linked, len(set(Rows.of(bundle.data, bundle.kb).groups)))


# ------------------------------------------------------------------------ files of a report


def _write_inputs(
    study: Study, bundle: Bundle, chosen: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Write ``data/`` and ``edition.yaml``; the data only where their files have changed."""
    folder.mkdir(parents=True, exist_ok=True)
    edition = {
        "edition": folder.name,
        "title": study.title,
        "data": str(folder),
        "yardstick": dict(study.yardstick),
        "notebooks": {name: dict(parameters) for name, parameters in chosen.items()},
        "pages": [],
    }
    text = yaml.safe_dump(edition, sort_keys=False, allow_unicode=True)
    write_text(text, folder / "edition.yaml")  # first: by it the next run knows its place
    digest = hashlib.sha256()
    settings = replace(study, notebooks=None)
    digest.update(repr(settings).encode())
    for path in study.files():
        digest_files(digest, [path], path.parent)
    root = sources()[1]
    digest_files(digest, sorted((root / "aligned" / "data").rglob("*.py")), root)
    stamp, data = folder / "data.sources", folder / "data"
    recover(data)
    if not (stamp.exists() and stamp.read_text() == digest.hexdigest() and data.is_dir()):
        stamp.unlink(missing_ok=True)
        with scratch_beside(data) as scratch:
            swap(save(bundle, scratch / "data"), data)
        stamp.write_text(digest.hexdigest())


def _stage(
    folder: Path, executed: list[Path], study: Study, bundle: Bundle, notes: list[str]
) -> Path:
    """Lay out the report's sources in ``src``: its own pages, the notebooks, the glossary."""
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    (source / "notebooks").mkdir(parents=True)
    (source / "book").mkdir()
    for name in ("_ext", "_css"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(asset(f"book/{name}"), source / "book" / name, ignore=ignore)
    shutil.copy2(asset("book/glossary.md"), source / "book" / "glossary.md")
    read = []
    for path in executed:
        text = path.read_text(encoding="utf-8").replace(str(folder), folder.name)
        node = without_claims(json.loads(text))
        (source / "notebooks" / path.name).write_text(json.dumps(node), encoding="utf-8")
        read.append((path.stem, node))
    written = {
        "welcome.md": welcome_page(study.title, bundle, read),
        "data_card.md": card_page(study, bundle, notes),
        "_config.yml": yaml.safe_dump(_config(study.title), sort_keys=False, allow_unicode=True),
        "_toc.yml": yaml.safe_dump(_contents([path.stem for path in executed]), sort_keys=False),
    }
    for name, text in written.items():
        (source / name).write_text(text, encoding="utf-8")
    return source


def _config(title: str) -> dict[str, Any]:
    """The book's own settings, without what only the book has: references, API, data cards."""
    config = yaml.safe_load(asset("_config.yml").read_text(encoding="utf-8"))
    config.update({"title": " ".join(title.split()), "author": "", "copyright": ""})
    config.pop("bibtex_bibfiles", None)
    sphinx = config["sphinx"]
    sphinx["local_extensions"] = dict.fromkeys(("offline_book", "literal_titles"), "book/_ext")
    own = ("autodoc", "napoleon", "bibtex")
    kept = [name for name in sphinx["extra_extensions"] if not name.endswith(own)]
    sphinx["extra_extensions"] = kept
    settings = sphinx["config"].items()
    sphinx["config"] = {key: value for key, value in settings if not key.startswith(own)}
    sphinx["config"]["smartquotes"] = False  # names keep their quotes and dashes
    return config


def _contents(names: list[str]) -> dict[str, Any]:
    analyses = [{"file": f"notebooks/{name}"} for name in names]
    return {
        "format": "jb-book",
        "root": "welcome",
        "chapters": [{"file": "data_card"}, *analyses, {"file": "book/glossary"}],
    }


def without_claims(node: dict[str, Any]) -> dict[str, Any]:
    """An executed notebook without the sections that judge the paper's claims.

    A section starts at its heading and ends at the next one of the same level.
    """
    return {**node, "cells": list(_kept(node["cells"]))}


def _kept(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    inside = False
    for cell in cells:
        if cell["cell_type"] != "markdown":
            if not inside:
                yield cell
            continue
        lines = []
        for line in "".join(cell["source"]).splitlines(keepends=True):
            if line.startswith(("# ", "## ")):
                inside = line.strip() in CLAIMS
            if not inside:
                lines.append(line)
        if "".join(lines).strip():
            yield {**cell, "source": "".join(lines).rstrip("\n")}
