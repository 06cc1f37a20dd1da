"""What the commands read: data, networks, models, settings, perturbations as people type them."""

from __future__ import annotations

import dataclasses
import difflib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from aligned import data as datasets
from aligned.cli.output import say
from aligned.config import Config
from aligned.data.bundle import DEFAULT_YARDSTICK, widen
from aligned.knowledge import KnowledgeBase
from aligned.loop import Aligned
from aligned.neural import pick_device

__all__ = [
    "Inputs",
    "find_gene",
    "label",
    "parse_perturbation",
    "read_inputs",
    "read_model",
    "settings",
]

_SIGNS = {"-": -1, "+": 1}


# ---------------------------------------------------------------------------- data and network


@dataclass(frozen=True)
class Inputs:
    """A data set and a network over the same genes.

    Attributes
    ----------
    data : AnnData
    kb : KnowledgeBase
    yardstick : dict
        ``{"k": int, "rule": str}``, the closure for knowledge consistency.
    """

    data: AnnData
    kb: KnowledgeBase
    yardstick: dict[str, Any]

    def closure(self, k: int | None, rule: str) -> dict[str, Any]:
        """The closure asked for, with the yardstick's settings where nothing was said."""
        return {
            "k": self.yardstick["k"] if k is None else k,
            "rule": rule or self.yardstick["rule"],
        }


def read_inputs(data: str, edges: str = "") -> Inputs:
    """Read what ``--data`` and ``--kb`` name.

    Parameters
    ----------
    data : str
        A name that `aligned.load` knows, a folder, or a ``.h5ad`` file.
    edges : str
        A table of edges; empty where the data bring their own network.

    Raises
    ------
    ValueError, FileNotFoundError
        Something is missing or broken, or data and network have nothing in common.
    """
    with _notes():
        found = _read(data, edges)
        datasets.check_overlap(found.data, found.kb)
    return found


def _read(data: str, edges: str) -> Inputs:
    path = Path(data).expanduser()
    is_file = data not in datasets.names() and path.is_file()
    if is_file or (path.is_dir() and edges and not (path / "edges.csv").is_file()):
        adata = datasets.load_data(path if is_file else path / "data.h5ad")
        table = adata.uns.get("network")
        if not edges and not isinstance(table, pd.DataFrame):
            raise ValueError(f"{data} brings no network of its own; add --kb EDGES.csv.")
        yardstick = dict(DEFAULT_YARDSTICK)
        return _with_network(adata, edges, table, yardstick, _names(adata))
    bundle = datasets.load(data)
    if not edges:
        return Inputs(bundle.data, bundle.kb, bundle.yardstick)
    return _with_network(bundle.data, edges, None, bundle.yardstick, bundle.kb.names)


def _with_network(
    data: AnnData,
    edges: str,
    table: pd.DataFrame | None,
    yardstick: dict[str, Any],
    names: dict[str, str],
) -> Inputs:
    frame = datasets.load_edges(Path(edges).expanduser()) if edges else table
    try:
        KnowledgeBase.from_edges(frame)  # type: ignore[arg-type]  # let a broken table say so
        data = widen(data, frame)
        kb = KnowledgeBase.from_edges(frame, genes=data.uns["genes"], names=names)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{edges or 'the network of the data'}: {error}") from error
    return Inputs(data, kb, dict(yardstick))


def _names(data: AnnData) -> dict[str, str]:
    if "name" not in data.var:
        return {}
    return {str(gene): str(name) for gene, name in data.var["name"].items() if pd.notna(name)}


@contextmanager
def _notes() -> Iterator[None]:
    """Turn the package's warnings into one line each on stderr, and keep the others quiet."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning):
        say(f"note: {text}")


# ------------------------------------------------------------------------------------- models


def read_model(folder: str, device: str | None = None) -> Aligned:
    """Read a fitted model or checkpoint, and put its networks on a device.

    Raises
    ------
    FileNotFoundError
        The folder holds no model.
    ValueError
        The model is damaged, or the device does not exist.
    """
    where = None if device is None else pick_device(device)
    model = Aligned.load(Path(folder).expanduser())
    if where is not None:
        ensemble = model.ensemble
        ensemble.device, ensemble.w = where, ensemble.w.to(where)
        for network in ensemble.models:
            network.to(where)
    return model


# ----------------------------------------------------------------------------------- settings


def settings(words: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` words as settings of `aligned.Config`.

    Raises
    ------
    ValueError
        A word is no ``key=value``, a key is unknown, or a switch is neither true nor false;
        `Config` itself checks the values.

    Examples
    --------
    >>> settings(["hidden=32", "learning_rate=1e-3", "use_go=false", "k=auto"])
    {'hidden': 32, 'learning_rate': 0.001, 'use_go': False, 'k': 'auto'}
    >>> settings(["hiden=32"])
    Traceback (most recent call last):
    ...
    ValueError: there is no setting 'hiden'; did you mean 'hidden'?
    """
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"-c takes key=value, not {word!r}; for example -c hidden=32.")
        if key not in defaults:
            raise ValueError(f"there is no setting {key!r}; {_near(key, defaults)}")
        value = _value(text)
        if isinstance(defaults[key], bool) and not isinstance(value, bool):
            raise ValueError(f"{key}={text!r}; give true or false.")
        found[key] = value
    return found


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _near(word: str, known: Iterable[str], count: int = 1) -> str:
    options = list(known)
    close = difflib.get_close_matches(word, options, n=count)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"there are: {', '.join(options)}."


# ------------------------------------------------------------------------------ perturbations


def parse_perturbation(text: str, kb: KnowledgeBase) -> dict[str, int]:
    """Read a perturbation as people type it: genes with a sign, joined by commas.

    Parameters
    ----------
    text : str
        ``"crp-"`` (knock-out or knock-down), ``"crp-,fnr+"`` (and over-expression).
    kb : KnowledgeBase
        Knows the ids and names of all genes.

    Returns
    -------
    dict
        Gene id -> -1 or 1, in the order of ``kb.genes``.

    Raises
    ------
    ValueError
        A sign is missing, a gene is unknown, ambiguous or named twice.

    Examples
    --------
    >>> net = pd.DataFrame({"source": ["b1334"], "target": ["b1224"], "sign": [1]})
    >>> kb = KnowledgeBase.from_edges(net, names={"b1334": "fnr", "b1224": "narG"})
    >>> parse_perturbation("narG+, fnr-", kb)
    {'b1334': -1, 'b1224': 1}
    >>> parse_perturbation("fnr", kb)
    Traceback (most recent call last):
    ...
    ValueError: 'fnr' in --perturb 'fnr' has no sign; write fnr- (knock-out or -down) or fnr+ ...
    """
    signs: dict[str, int] = {}
    for part in (part.strip() for part in text.split(",")):
        gene, sign = part[:-1].strip(), _SIGNS.get(part[-1:])
        if sign is None and part:
            raise ValueError(
                f"{part!r} in --perturb {text!r} has no sign; write {part}- (knock-out or -down) "
                f"or {part}+ (over-expression)."
            )
        if not gene or sign is None:
            raise ValueError(
                f"--perturb {text!r} names no gene at one place; write genes with their sign, "
                "joined by commas, such as 'crp-,fnr+'."
            )
        found = find_gene(gene, kb)
        if found in signs:
            raise ValueError(f"--perturb {text!r} names the gene {gene!r} twice; name it once.")
        signs[found] = sign
    return dict(sorted(signs.items(), key=lambda item: int(kb.columns([item[0]])[0])))


def find_gene(gene: str, kb: KnowledgeBase) -> str:
    """Id of a gene given by id or name; an unknown one is answered with its neighbours.

    Raises
    ------
    ValueError
        The gene is unknown, or several genes have this name.
    """
    known = {name.lower(): name for name in (*kb.genes, *kb.names.values())}
    if gene in kb.index or gene.lower() in (name.lower() for name in kb.names.values()):
        return kb.gene_id(gene)
    close = difflib.get_close_matches(gene.lower(), known, n=3)
    hint = (
        f"did you mean {' or '.join(known[name] for name in close)}?"
        if close
        else f"ids look like {kb.genes[0]!r}; check the spelling."
    )
    raise ValueError(f"there is no gene {gene!r} among the {len(kb.genes)} of the network; {hint}")


def label(perturbation: dict[str, int], kb: KnowledgeBase) -> str:
    """A perturbation with the genes' names, as in ``obs["perturbation"]``."""
    return ",".join(
        kb.names.get(gene, gene) + ("+" if sign > 0 else "-") for gene, sign in perturbation.items()
    )
