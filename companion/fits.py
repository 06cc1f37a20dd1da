"""What analyses that fit fold by fold have in common: the fold's data, threads, and joining."""

from __future__ import annotations

import os
import resource
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from anndata import AnnData

from aligned.data import Rows, linked_conditions, with_split
from aligned.knowledge import KnowledgeBase

__all__ = ["first_perturbed", "fold_data", "joined_folds", "memory_used", "one_thread_each"]

Key = TypeVar("Key", bound=Hashable)
Array = npt.NDArray[Any]


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
    torch.set_num_threads(1 if n_jobs > 1 else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def memory_used() -> tuple[int, float]:
    """Id of this process and its peak memory in MB."""
    return os.getpid(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
