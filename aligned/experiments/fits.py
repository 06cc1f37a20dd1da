"""What analyses that fit fold by fold have in common: the fold's data, processes, and joining."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from anndata import AnnData
from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

from aligned.datasets.rows import Rows
from aligned.datasets.splits import linked_conditions, with_split
from aligned.knowledge import KnowledgeBase
from aligned.records import note_worker, own_peak

__all__ = ["first_perturbed", "fold_data", "joined_folds", "one_thread_each", "side_by_side"]

Key = TypeVar("Key", bound=Hashable)
Array = npt.NDArray[Any]
Found = TypeVar("Found")


def fold_data(data: AnnData, labels: pd.Series, split: str) -> AnnData:
    """The data with one fold's labels; inner folds keep apart what the outer ones do.

    New controls (``control_safe``), new conditions (``condition``), else new perturbations.
    """
    here = with_split(data, labels)
    if split == "control_safe":
        here.obs["group"] = linked_conditions(here).astype(str)
    elif split == "condition":
        here.obs["group"] = here.obs_names.astype(str)
    return here


@contextmanager
def one_thread_each(n_jobs: int) -> Iterator[None]:
    """One thread of PyTorch inside, where several processes work side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if n_jobs == 1 else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(
    function: Callable[..., Found],
    jobs: Sequence[tuple[Any, ...]],
    n_jobs: int,
    what: str = "",
    progress: bool = False,
) -> list[Found]:
    """Call a function with the arguments of each job; results in the order of the jobs.

    Several processes, one thread each; with ``n_jobs=1`` this process, with its own threads. The
    peak memory of every worker goes into the run records that follow.

    Parameters
    ----------
    function : callable
    jobs : sequence of tuple
        Arguments of each call.
    n_jobs : int
        Processes, as joblib counts them.
    what : str
        What the progress bar counts.
    progress : bool
        Show a bar on stderr.

    Examples
    --------
    >>> side_by_side(pow, [(2, 3), (3, 2)], n_jobs=1)
    [8, 9]
    """
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        work = Parallel(return_as="generator")(
            delayed(_in_worker)(function, job, n_jobs) for job in jobs
        )
    bar = tqdm(work, total=len(jobs), desc=what, disable=None if progress else True)
    results = []
    for found, peak in bar:
        note_worker(*peak)
        results.append(found)
    return results


def _in_worker(
    function: Callable[..., Found], job: tuple[Any, ...], n_jobs: int
) -> tuple[Found, tuple[int, float | None]]:
    with one_thread_each(n_jobs):
        return function(*job), own_peak()


def first_perturbed(rows: Rows, kb: KnowledgeBase) -> npt.NDArray[np.str_]:
    """First perturbed gene of each condition, shape (b,): what the bootstrap draws together."""
    return np.array([kb.genes[rows.x[[i]].indices.min()] for i in range(len(rows))])


def joined_folds(
    names: Sequence[Sequence[str]], arrays: Sequence[Mapping[Key, Array]], rows: Rows
) -> tuple[npt.NDArray[np.intp], dict[Key, Array]]:
    """Join the test rows of all folds, in the order of the data.

    Parameters
    ----------
    names : sequence of sequences of str
        Per fold, the conditions tested.
    arrays : sequence of mappings
        Per fold and key, an array whose first axis is these conditions.
    rows : Rows
        All conditions, in order.

    Returns
    -------
    (ndarray of int, dict)
        Place of every tested condition, and the joined arrays.
    """
    position = {name: i for i, name in enumerate(rows.names)}
    where = np.array([position[name] for fold in names for name in fold])
    order = np.argsort(where)
    keys = arrays[0]
    return where[order], {k: np.concatenate([a[k] for a in arrays])[order] for k in keys}
