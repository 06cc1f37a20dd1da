"""Data sets: load them by name or from a folder, check them, split them, fetch their originals."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from aligned._assets import asset
from aligned.datasets.bundle import Bundle
from aligned.datasets.contract import check_overlap, validate
from aligned.datasets.folder import load_data, load_edges, load_folder, load_h5ad, save
from aligned.datasets.registry import DataError, DataFile, check, fetch, files
from aligned.datasets.splits import folds, with_split
from aligned.reading import reason

__all__ = [
    "Bundle",
    "DataError",
    "DataFile",
    "check",
    "check_overlap",
    "fetch",
    "files",
    "folds",
    "load",
    "load_data",
    "load_edges",
    "names",
    "save",
    "validate",
    "with_split",
]


def load(name_or_path: str | Path, seed: int = 0) -> Bundle:
    """Load a data set with its network.

    Parameters
    ----------
    name_or_path : str or Path
        ``"demo"``: simulated, built in. ``"ecoli"``: real knock-outs, made from originals that are
        fetched and checked first. ``"human_tf"``: real signatures of perturbed transcription
        factors, likewise. ``"human_unseen"``: the same, with a network from which every pair of
        the second network is left out. Or your own: a folder with ``data.h5ad`` and ``edges.csv``
        (see `aligned.datasets.folder`), or one ``.h5ad`` file with the edges in
        ``uns["network"]``.
    seed : int
        Seed of the simulation; real data ignore it.

    Returns
    -------
    Bundle
        ``data``, ``kb``, ``other_kb``, ``go_counts``, ``gene_sets``, ``card``, ``yardstick``;
        ``list(kb.genes) == list(data.uns["genes"])``.

    Raises
    ------
    ValueError
        Neither a name nor a path of a data set, or the data break their contract.
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
    if name in _LOADERS and not isinstance(name_or_path, Path):
        return _LOADERS[name](seed)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return load_folder(path)
    if path.is_file():
        return load_h5ad(path)
    raise ValueError(_no_such(name))


def names() -> tuple[str, ...]:
    """Names that `load` knows.

    Examples
    --------
    >>> names()
    ('demo', 'ecoli', 'human_tf', 'human_unseen')
    """
    return tuple(_LOADERS)


def _no_such(name: str) -> str:
    if "/" in name or "\\" in name or name.endswith(".h5ad"):
        return f"there is no file or folder {name!r}; correct the path."
    near = difflib.get_close_matches(name, _LOADERS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"there is no data set {name!r}; {hint}Names: {', '.join(_LOADERS)}; or give the path of a "
        "folder with data.h5ad and edges.csv."
    )


def _demo(seed: int) -> Bundle:
    from aligned.simulate import simulate

    made = simulate(n_genes=400, n_regulators=60, seed=seed)
    return Bundle(
        data=made.data,
        kb=made.kb,
        other_kb=None,
        go_counts=made.go_counts,
        gene_sets=made.gene_sets,
        card=made.card,
        yardstick=_yardstick("demo"),
    )


def _ecoli(seed: int) -> Bundle:
    from aligned.datasets import ecoli

    return _made("ecoli", "ecoli", ecoli.build)


def _human_tf(seed: int) -> Bundle:
    from aligned.datasets import human_tf

    return _made("human_tf", "human_tf", human_tf.build)


def _human_unseen(seed: int) -> Bundle:
    from aligned.datasets import human_tf

    return _made("human_unseen", "human_tf", human_tf.build, network="without_other")


def _made(edition: str, originals: str, build: Callable[..., Bundle], **options: str) -> Bundle:
    """What a recipe makes of its originals, or one sentence."""
    paths, sources = fetch(originals), files(originals)
    try:
        return build(paths, sources, _yardstick(edition), **options)
    except Exception as error:  # the hashes are right, so the registry or the recipe is not
        raise DataError(
            f"the originals of {edition} cannot be made into data ({reason(error)}); compare "
            "data/registry.yaml and the recipe with those of the release."
        ) from error


def _yardstick(edition: str) -> dict[str, Any]:
    text = asset(f"notebooks/editions/{edition}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["yardstick"])


_LOADERS: dict[str, Callable[[int], Bundle]] = {
    "demo": _demo,
    "ecoli": _ecoli,
    "human_tf": _human_tf,
    "human_unseen": _human_unseen,
}
