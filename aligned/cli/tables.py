"""Short tables on stdout: aligned columns, text left, numbers right."""

from __future__ import annotations

import pandas as pd
import typer
from pandas.api.types import is_numeric_dtype

__all__ = ["print_table"]


def print_table(frame: pd.DataFrame) -> None:
    """Print a frame without its index.

    Examples
    --------
    >>> print_table(pd.DataFrame({"name": ["a", "long"], "MB": [1.5, 20.0]}))
    name    MB
    a      1.5
    long  20.0
    """
    columns = []
    for name in frame.columns:
        texts = [str(name), *(str(value) for value in frame[name])]
        width = max(map(len, texts))
        right = is_numeric_dtype(frame[name])
        columns.append([text.rjust(width) if right else text.ljust(width) for text in texts])
    for row in zip(*columns, strict=True):
        typer.echo("  ".join(row).rstrip())
