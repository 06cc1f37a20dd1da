"""Data sets: load them by name or from a folder, check them, split them, fetch their originals."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path

from aligned.data.bundle import DEFAULT_YARDSTICK, Bundle, Yardstick, widen
from aligned.data.contract import check_overlap, perturbed_genes, validate
from aligned.data.controls import control_adjusted, genomic_order, joint_effects, log_fold_changes
from aligned.data.folder import (
    assemble,
    load_data,
    load_edges,
    load_folder,
    load_h5ad,
    read_gmt,
    save,
)
from aligned.data.identifiers import guess_kind
from aligned.data.registry import DataError, DataFile, check, fetch, files
from aligned.data.responses import read_responses
from aligned.data.rows import Rows
from aligned.data.splits import SPLIT_KINDS, folds, linked_conditions, with_split

__all__ = [
    "Bundle",
    "DEFAULT_YARDSTICK",
    "Yardstick",
    "DataError",
    "DataFile",
    "Rows",
    "SPLIT_KINDS",
    "assemble",
    "check",
    "check_overlap",
    "control_adjusted",
    "fetch",
    "files",
    "folds",
    "genomic_order",
    "guess_kind",
    "joint_effects",
    "linked_conditions",
    "load",
    "load_data",
    "load_edges",
    "load_folder",
    "load_h5ad",
    "log_fold_changes",
    "names",
    "perturbed_genes",
    "read_gmt",
    "read_responses",
    "save",
    "validate",
    "widen",
    "with_split",
]


#: Entry points of this group are data sets: functions of seed, network and part.
EDITIONS = "aligned.editions"


def load(
    name_or_path: str | Path,
    seed: int = 0,
    network: str | None = None,
    part: str | None = None,
) -> Bundle:
    """Load a data set with its network.

    Parameters
    ----------
    name_or_path : str or Path
        ``"demo"``: simulated, built in. ``"ecoli"``: real knock-outs, made from originals that are
        fetched and checked first. ``"human_tf"``: real signatures of perturbed transcription
        factors, likewise. ``"human_unseen"``: the same, with a network from which every pair of
        the second network is left out. ``"yeast_tf"``: yeast's transcription factors, deleted and
        induced (parts ``"joint"``, ``"ko"``, ``"zev"``), with the network ``"yeastract"``,
        ``"gold"``, ``"binding"`` or ``"rewired"``. Or your own: a folder with ``data.h5ad`` and
        ``edges.csv`` (see `aligned.data.folder`), or one ``.h5ad`` file with the edges in
        ``uns["network"]``.
    seed : int
        Seed of the simulation and of a rewired network; real data ignore it.
    network, part : str, optional
        Which network, and which part of the data, where an edition offers several.

    Returns
    -------
    Bundle
        ``data``, ``kb``, ``other_kb``, ``go_counts``, ``gene_sets``, ``card``, ``yardstick``;
        ``list(kb.genes) == list(data.uns["genes"])``.

    Raises
    ------
    ValueError
        Neither a name nor a path of a data set, a choice that the edition does not offer, or the
        data break their contract.
    DataError
        An original cannot be had.

    Examples
    --------
    >>> bundle = load("demo", seed=1)
    >>> list(bundle.kb.genes) == list(bundle.data.uns["genes"])
    True
    >>> load("emo")
    Traceback (most recent call last):
    ...
    ValueError: there is no data set 'emo'; did you mean 'demo'? Names: demo, ecoli, human_tf, ...
    """
    name = str(name_or_path)
    known = entry_points(group=EDITIONS)
    if name in known.names and not isinstance(name_or_path, Path):
        offered = {"network": network, "part": part}
        chosen = {key: value for key, value in offered.items() if value is not None}
        make = known[name].load()
        unknown = set(chosen) - set(signature(make).parameters)
        if unknown:
            raise ValueError(
                f"the data set {name!r} comes in one form; leave out {' and '.join(unknown)}."
            )
        return make(seed, **chosen)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return load_folder(path)
    if path.is_file():
        return load_h5ad(path)
    raise ValueError(_no_such(name))


def names() -> tuple[str, ...]:
    """Names that `load` knows: the entry points of the group ``aligned.editions``.

    Examples
    --------
    >>> {"demo", "ecoli", "human_tf", "human_unseen"} <= set(names())
    True
    """
    return tuple(sorted(entry_points(group=EDITIONS).names))


def _no_such(name: str) -> str:
    if "/" in name or "\\" in name or name.endswith(".h5ad"):
        return f"there is no file or folder {name!r}; correct the path."
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"there is no data set {name!r}; {hint}Names: {', '.join(names())}; or give the path of a "
        "folder with data.h5ad and edges.csv."
    )
