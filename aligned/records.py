"""Run records: what is written next to every result, so that it can be made again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData

from aligned.knowledge import KnowledgeBase

__all__ = ["data_sha256", "network_sha256", "note_worker", "own_peak", "run_record", "write_json"]

#: Largest resident memory (MB) of each worker process so far, by its id.
_WORKERS: dict[int, float] = {}

_PACKAGES = ("numpy", "scipy", "pandas", "torch", "anndata")


def run_record(
    parameters: Mapping[str, Any],
    data: AnnData | None = None,
    kb: KnowledgeBase | None = None,
    seconds: float | None = None,
    *,
    device: str | None = None,
) -> dict[str, Any]:
    """Describe a run: what was asked, of which data, with which versions, at what cost.

    Parameters
    ----------
    parameters : mapping
        What was asked: options, resolved settings, seed. Plain values, arrays or paths.
    data, kb : AnnData, KnowledgeBase, optional
        What it was asked of; the record holds their hashes.
    seconds : float, optional
        Wall time.
    device : str, optional
        Torch device that was used; default: the one that ``"auto"`` would take.

    Returns
    -------
    dict
        ``created`` (UTC), ``versions``, ``commit`` (None outside a checkout; ``-dirty`` where
        tracked files were changed), ``machine``, ``data_sha256``, ``network_sha256``,
        ``peak_memory_mb`` (this process and its workers, each at its own peak), ``seconds``,
        ``parameters``; ready for `write_json`.

    Examples
    --------
    >>> record = run_record({"seed": 3}, seconds=1.25)
    >>> record["parameters"], record["seconds"], record["data_sha256"]
    ({'seed': 3}, 1.25, None)
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "commit": _commit(),
        "machine": {
            "cpus": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
            "device": device or ("cuda" if torch.cuda.is_available() else "cpu"),
        },
        "data_sha256": None if data is None else data_sha256(data),
        "network_sha256": None if kb is None else network_sha256(kb),
        "peak_memory_mb": _peak_memory_mb(),
        "seconds": None if seconds is None else round(float(seconds), 2),
        "parameters": dict(parameters),
    }


def write_json(value: object, path: str | Path) -> Path:
    """Write plain values, arrays and paths as JSON; the file appears whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_json({"seeds": np.arange(3)}, Path(folder) / "run.json")
    ...     json.loads(path.read_text())
    {'seeds': [0, 1, 2]}
    """
    path = Path(path)
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def data_sha256(data: AnnData) -> str:
    """Hash of conditions, genes, responses, mask, perturbations and split."""
    digest = hashlib.sha256()
    _feed(digest, data.obs_names, data.var_names, data.uns["genes"], data.obs["split"])
    response = data.X.toarray() if sp.issparse(data.X) else np.asarray(data.X)
    digest.update(np.ascontiguousarray(response, dtype=np.int8).tobytes())
    digest.update(np.ascontiguousarray(data.layers["observed"], dtype=bool).tobytes())
    x = sp.csr_array(data.obsm["perturbation"]).tocoo()
    cells = zip(x.row, x.col, x.data, strict=True)
    _feed(digest, sorted((int(i), int(j), int(v)) for i, j, v in cells if v))
    return digest.hexdigest()


def network_sha256(kb: KnowledgeBase) -> str:
    """Hash of genes, regulators and signed edges, whatever the order and evidence of the edges.

    Examples
    --------
    >>> import pandas as pd
    >>> net = pd.DataFrame({"source": ["a", "a"], "target": ["b", "c"], "sign": [1, -1]})
    >>> one, two = (KnowledgeBase.from_edges(f, genes="abc") for f in (net, net[::-1]))
    >>> network_sha256(one) == network_sha256(two)
    True
    """
    digest = hashlib.sha256()
    edges = kb.to_edges()[["source", "target", "sign"]].itertuples(index=False, name=None)
    _feed(digest, kb.genes, kb.regulators, sorted(edges))
    return digest.hexdigest()


def _feed(digest: Any, *lists: Iterable[object]) -> None:
    for items in lists:
        digest.update(json.dumps([_texts(item) for item in items]).encode())


def _texts(item: object) -> object:
    return [str(part) for part in item] if isinstance(item, tuple) else str(item)


def _versions() -> dict[str, str]:
    own = sys.modules[__name__.partition(".")[0]].__version__
    versions = {"python": platform.python_version(), "aligned": own}
    return versions | {name: metadata.version(name) for name in _PACKAGES}


def _commit() -> str | None:
    """Commit of the checkout that the package is imported from."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        commit = _git(root, "rev-parse", "HEAD").strip()
        changed = _git(root, "status", "--porcelain", "--untracked-files=no").strip()
        return f"{commit}-dirty" if changed else commit
    return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


def own_peak() -> tuple[int, float | None]:
    """Id of this process and its largest resident memory (MB); None where no system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return os.getpid(), None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return os.getpid(), peak / (2**20 if sys.platform == "darwin" else 2**10)


def note_worker(process: int, peak: float | None) -> None:
    """Take note of the memory of a worker (its `own_peak`), for the records that follow."""
    if process != os.getpid() and peak is not None:
        _WORKERS[process] = max(peak, _WORKERS.get(process, 0.0))


def _peak_memory_mb() -> float | None:
    peak = own_peak()[1]
    return None if peak is None else round(peak + sum(_WORKERS.values()), 1)


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a {type(value).__name__} cannot go into JSON; turn it into plain values.")
