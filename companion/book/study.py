"""A reader's own study: its folder, its settings, and the data set they make."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
import yaml

from aligned._assets import asset
from aligned.data import (
    DEFAULT_YARDSTICK,
    Bundle,
    Yardstick,
    assemble,
    load_data,
    load_edges,
    read_gmt,
    read_responses,
)
from aligned.data import load as load_bundle
from aligned.files import scratch_beside
from aligned.reading import SCHEMA, Settings, read_yaml, reason
from companion.book.notebooks import notebooks

__all__ = [
    "Study",
    "default_notebooks",
    "example_tables",
    "read_bundle",
    "read_study",
    "write_study",
]

#: Parameters of the analyses in a report: small, for a first look at a small study.
PARAMETERS: dict[str, dict[str, Any]] = {
    "01_inconsistency": {},
    "03_ecoli_iterations": {"folds": 4, "n_seeds": 1, "n_networks": 2, "splits": ["control_safe"]},
    "05_kegg_enrichment": {"min_size": 5, "n_splits": 10, "n_null": 39, "n_topology": 3},
}
_NEEDS_SETS = "05_kegg_enrichment"
_SETTINGS = "study.yaml"


@dataclass(frozen=True)
class Study:
    """Settings of a report, as `study.yaml` holds them; paths are absolute.

    Attributes
    ----------
    data : Path
        Responses: a table (see `aligned.data.responses`), ``.h5ad``, or a data set's folder.
    network, gene_sets : Path or None
        Edges (None: those the data bring), and gene sets as GMT.
    threshold : float or None
        Smallest log fold change that counts as a response.
    notebooks : dict
        Analyses in order, each with its parameters.
    """

    __pydantic_config__ = SCHEMA

    data: Path
    title: str = ""
    network: Path | None = None
    gene_sets: Path | None = None
    threshold: float | None = None
    yardstick: Yardstick = field(default_factory=lambda: dict(DEFAULT_YARDSTICK))
    notebooks: Mapping[str, Settings] | None = None
    what: str = ""
    licence: str = "not stated"
    citation: str = ""

    def files(self) -> list[Path]:
        """The files that the data set is made from."""
        given = [path for path in (self.data, self.network, self.gene_sets) if path is not None]
        found = [p for path in given for p in (sorted(path.glob("*")) if path.is_dir() else [path])]
        return [path for path in found if path.is_file()]


def default_notebooks(gene_sets: bool) -> dict[str, dict[str, Any]]:
    """Analyses of a report with their small settings.

    Examples
    --------
    >>> default_notebooks(gene_sets=False)["03_ecoli_iterations"]["n_seeds"]
    1
    """
    known = set(notebooks())
    return {
        name: dict(parameters)
        for name, parameters in PARAMETERS.items()
        if name in known and (gene_sets or name != _NEEDS_SETS)
    }


def read_study(folder: str | Path) -> Study:
    """Read ``study.yaml`` of a folder.

    Raises
    ------
    FileNotFoundError
        The folder, or the file in it, does not exist.
    ValueError
        It is no YAML, lacks a key, has an unknown one, or a value of the wrong kind.
    """
    path = Path(folder) / _SETTINGS
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}; make a folder with `aligned init {folder}`, or give --data and "
            "--kb instead."
        )
    study = read_yaml(path, Study)
    here = Path(folder).resolve()
    return replace(
        study,
        title=study.title or here.name,
        data=_beside(here, study.data),
        network=study.network and _beside(here, study.network),
        gene_sets=study.gene_sets and _beside(here, study.gene_sets),
    )


def _beside(folder: Path, given: Path) -> Path:
    """A path of a study, which may start from the study's folder."""
    try:
        path = folder / given.expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{folder / _SETTINGS} names {str(given)[:60]!r}, which can be no path "
            f"({reason(error)}); correct it."
        ) from error
    return path


def write_study(folder: Path) -> Path:
    """Write a study that runs as it is: settings, example responses, example network.

    Files that are there already and have one of these names are replaced; others are left alone.

    Returns
    -------
    Path
        The folder.
    """
    responses, edges = example_tables()
    chosen = yaml.safe_dump(
        default_notebooks(gene_sets=False), default_flow_style=None, sort_keys=False
    )
    text = Template(asset(f"data/example/{_SETTINGS}").read_text(encoding="utf-8"))
    indented = "".join(f"  {line}\n" for line in chosen.splitlines()).rstrip("\n")
    filled = text.substitute(notebooks=indented)
    with scratch_beside(folder / _SETTINGS) as part:
        responses.to_csv(part / "responses.csv", index=False)
        edges.to_csv(part / "edges.csv", index=False)
        (part / _SETTINGS).write_text(filled, encoding="utf-8")
        for path in sorted(part.iterdir()):
            path.replace(folder / path.name)
    return folder


def example_tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Made-up responses (log fold changes) and the network they fit, but for a few edges.

    Examples
    --------
    >>> responses, edges = example_tables()
    >>> responses.shape, list(edges.columns)
    ((16, 44), ['source', 'target', 'sign', 'evidence'])
    """
    rng = np.random.default_rng(seed)
    regulators = [f"reg{letter}" for letter in "ABCDEFGHIJKL"]
    genes = [*regulators, *(f"gene{number:02d}" for number in range(1, 31))]
    sign = np.zeros((len(regulators), len(genes)))
    for j in range(len(genes)):
        size = int(rng.integers(1, 3)) if j >= len(regulators) else int(rng.integers(0, 2))
        sources = [i for i in rng.permutation(len(regulators)) if i != j][:size]
        sign[sources, j] = rng.choice([-1, 1], size=size)
    rows = []
    for name, x in [(r, -1) for r in regulators] + [(r, 1) for r in regulators[:4]]:
        effect = x * sign[regulators.index(name)]
        effect[rng.random(len(genes)) < 0.03] = rng.choice([-1, 1])
        effect[genes.index(name)] = x
        change = effect * rng.normal(1.8, 0.3, len(genes)) + rng.normal(0, 0.3, len(genes))
        mark = "+" if x > 0 else "-"
        how = "overexpressed" if x > 0 else "deleted"
        row = {"condition": f"{name}_{how}", "perturbation": f"{name}{mark}"}
        rows.append({**row, **dict(zip(genes, change.round(2), strict=True))})
    at = np.argwhere(sign)
    edges = pd.DataFrame(
        {
            "source": [regulators[i] for i, _ in at],
            "target": [genes[j] for _, j in at],
            "sign": sign[at[:, 0], at[:, 1]].astype(int),
            "evidence": "made up",
        }
    )
    wrong = rng.permutation(len(edges))[:6]  # three edges unknown, three with the wrong sign
    edges.loc[wrong[:3], "sign"] *= -1
    return pd.DataFrame(rows), edges.drop(index=wrong[3:]).reset_index(drop=True)


def read_bundle(study: Study) -> tuple[Bundle, list[str]]:
    """The data set of a study, and what was noticed while it was read.

    Raises
    ------
    FileNotFoundError, ValueError
        A file is missing or broken, or data and network have nothing in common.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bundle = _read(study)
    notes = [str(w.message) for w in caught if w.category is UserWarning]
    return bundle, list(dict.fromkeys(notes))


def _read(study: Study) -> Bundle:
    about = {"title": study.title, "licence": study.licence, "citation": study.citation}
    about["what"] = study.what or "responses and network of the reader's own"
    sets = study.gene_sets
    if study.data.is_dir():
        given = load_bundle(study.data)
        data, edges = given.data, given.kb.to_edges()
        gene_sets = given.gene_sets
    else:
        if not study.data.is_file():
            raise FileNotFoundError(f"there is no file {study.data}; correct the path of the data.")
        is_h5ad = study.data.suffix == ".h5ad"
        data = load_data(study.data) if is_h5ad else read_responses(study.data, study.threshold)
        edges, gene_sets = data.uns.get("network"), {}
    if study.network is not None:
        edges = load_edges(study.network)
    if not isinstance(edges, pd.DataFrame):
        raise ValueError(
            f"{study.data} brings no network of its own; name one (--kb, or network:)."
        )
    if sets is not None:
        if not sets.is_file():
            raise FileNotFoundError(f"there is no file {sets}; correct the path of the gene sets.")
        gene_sets = read_gmt(sets)
    return assemble(
        data,
        edges,
        gene_sets=gene_sets,
        card={**about, "yardstick": dict(study.yardstick)},
        where=str(study.network or study.data),
    )
