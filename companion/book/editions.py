"""Editions: the same notebooks with the parameters of one data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from aligned._assets import asset
from aligned.data import Yardstick
from aligned.reading import SCHEMA, Settings, read_yaml

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


class _PageEntry(BaseModel):
    model_config = SCHEMA
    page: str
    notebook: str
    edition: str = ""
    parameters: Settings = Field(default_factory=dict)


class _EditionFile(BaseModel):
    model_config = SCHEMA
    edition: str
    title: str
    data: str
    yardstick: Yardstick
    notebooks: dict[str, Settings] = Field(default_factory=dict)
    pages: list[_PageEntry] | None = None


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
        There is no such edition, or its file breaks its form; the message says where.

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
    given = read_yaml(edition_file(name), _EditionFile)
    pages = given.pages
    if pages is None and name in editions():  # the book's own extra pages are in every edition
        pages = read_yaml(edition_file(DEFAULT), _EditionFile).pages
    return Edition(
        name=name,
        title=given.title,
        data=given.data,
        yardstick=given.yardstick,
        notebooks=given.notebooks,
        pages=tuple(
            Page(entry.page, entry.notebook, entry.edition or name, entry.parameters)
            for entry in pages or ()
        ),
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
