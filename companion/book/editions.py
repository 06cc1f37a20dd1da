"""Editions: the same notebooks with the parameters of one data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aligned._assets import asset

__all__ = [
    "Edition",
    "Page",
    "checkout",
    "edition_file",
    "editions",
    "is_report",
    "load_edition",
    "workspace",
]

#: The edition that is built in, needs no download and is the default everywhere.
DEFAULT = "demo"


@dataclass(frozen=True)
class Page:
    """A page of the book that is a notebook run with parameters of its own.

    Attributes
    ----------
    page : str
        Name of the page, as in ``_toc.yml`` under ``notebooks/``.
    notebook : str
        The notebook it is made from.
    edition : str
        The edition whose parameters it starts from.
    parameters : dict
        What it changes, e.g. ``{"tables": "results/ecoli"}`` to read committed tables.
    """

    page: str
    notebook: str
    edition: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edition:
    """One edition: its data, its yardstick, and the parameters of every notebook.

    Attributes
    ----------
    name, title, data : str
        ``data`` is the name for `aligned.load`.
    yardstick : dict
        ``{"k": int, "rule": str}``, the closure that knowledge consistency is measured with.
    notebooks : dict of dict
        Parameters per notebook.
    pages : tuple of Page
        Further pages made from a notebook with other parameters.
    """

    name: str
    title: str
    data: str
    yardstick: Mapping[str, Any]
    notebooks: Mapping[str, Mapping[str, Any]]
    pages: tuple[Page, ...] = ()

    def page(self, name: str) -> Page:
        """How the page `name` is made: an extra page, or the notebook of that name as it is."""
        for page in self.pages:
            if page.page == name:
                return page
        return Page(page=name, notebook=name, edition=self.name)


def editions() -> list[str]:
    """Names of all editions.

    Examples
    --------
    >>> "demo" in editions()
    True
    """
    return sorted(path.stem for path in asset("notebooks/editions").glob("*.yaml"))


def load_edition(name: str = DEFAULT) -> Edition:
    """Read ``notebooks/editions/<name>.yaml``, or ``edition.yaml`` of a report's folder.

    Raises
    ------
    ValueError
        There is no such edition, or its file lacks a key; the message says which.

    Examples
    --------
    >>> load_edition("demo").data
    'demo'
    >>> load_edition("yeast")
    Traceback (most recent call last):
    ...
    ValueError: there is no edition 'yeast'; use one of ...
    """
    if not is_report(name) and name not in editions():
        listed = ", ".join(editions())
        raise ValueError(f"there is no edition {name!r}; use one of {listed}.")
    raw = _read(name)
    missing = [key for key in ("edition", "title", "data", "yardstick") if key not in raw]
    if missing:
        raise ValueError(f"edition {name!r} lacks the key {missing[0]!r} in its YAML; add it.")
    pages = raw.get("pages")
    if pages is None and name in editions():  # the book's own extra pages are in every edition
        pages = _read(DEFAULT).get("pages")
    return Edition(
        name=name,
        title=str(raw["title"]),
        data=str(raw["data"]),
        yardstick=dict(raw["yardstick"]),
        notebooks={key: dict(value or {}) for key, value in (raw.get("notebooks") or {}).items()},
        pages=tuple(_page(entry, name) for entry in pages or ()),
    )


def checkout() -> Path | None:
    """Root of the checkout the package is imported from, None for an installed wheel."""
    root = asset("notebooks").parent
    return root if (root / "pyproject.toml").exists() else None


def workspace(edition: str = DEFAULT) -> Path:
    """Folder for everything an edition produces: ``build/<edition>`` under the checkout's root.

    The edition of a report (`aligned report`) is the report's folder, and that is its workspace.

    Without a checkout (an installed wheel) it lies under the current folder. Notebooks write
    their tables to ``workspace(edition) / "tables"`` and figures to ``.../ "figures"``, so that
    they land in one place wherever the notebook was started from.

    Examples
    --------
    >>> workspace("demo").parts[-2:]
    ('build', 'demo')
    """
    if is_report(edition):
        return Path(edition)
    if not re.fullmatch(r"[\w.-]+", edition):
        raise ValueError(f"the edition name {edition!r} is no folder name; use letters and digits.")
    return (checkout() or Path.cwd()) / "build" / edition


def is_report(edition: str) -> bool:
    """Whether the edition is the absolute path of a folder that holds ``edition.yaml``."""
    path = Path(edition)
    return path.is_absolute() and (path / "edition.yaml").is_file()


def edition_file(name: str) -> Path:
    """The YAML file of an edition."""
    if is_report(name):
        return Path(name) / "edition.yaml"
    return asset(f"notebooks/editions/{name}.yaml")


def _read(name: str) -> dict[str, Any]:
    path = edition_file(name)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(raw, dict):
        raise ValueError(f"edition {name!r} is not a YAML mapping; see the demo edition's file.")
    return raw


def _page(entry: Mapping[str, Any], edition: str) -> Page:
    try:
        return Page(
            page=str(entry["page"]),
            notebook=str(entry["notebook"]),
            edition=str(entry.get("edition", edition)),
            parameters=dict(entry.get("parameters") or {}),
        )
    except KeyError as error:
        raise ValueError(
            f"an entry under 'pages' of edition {edition!r} lacks the key {error}; "
            "give it 'page' and 'notebook'."
        ) from None
