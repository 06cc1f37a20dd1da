"""Short tables on stdout: aligned columns, text left, numbers right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["print_table"]


def print_table(frame: pd.DataFrame, digits: int | None = None) -> None:
    """Print a frame without its index; with ``digits``, floats so long and nan as a blank.

    Examples
    --------
    >>> import pandas as pd
    >>> print_table(pd.DataFrame({"name": ["a", "long"], "MB": [1.5, 20.0]}))
    name    MB
    a      1.5
    long  20.0
    >>> print_table(pd.DataFrame({"f_d": [0.38771, float("nan")]}), digits=3)
      f_d
    0.388
    <BLANKLINE>
    """
    from pandas.api.types import is_numeric_dtype

    columns = []
    for name in frame.columns:
        texts = [str(name), *(_text(value, digits) for value in frame[name])]
        width = max(map(len, texts))
        right = is_numeric_dtype(frame[name])
        columns.append([text.rjust(width) if right else text.ljust(width) for text in texts])
    for row in zip(*columns, strict=True):
        typer.echo("  ".join(row).rstrip())


def _text(value: object, digits: int | None) -> str:
    if digits is None or not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.{digits}f}"
