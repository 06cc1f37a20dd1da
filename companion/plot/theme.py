"""One look for all figures: colours told apart by colour-blind readers, sizes for the book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

__all__ = ["COLOURS", "axes_or_current", "plot_points", "plot_stacks", "rows_of", "theme"]

#: Okabe-Ito colours by what they stand for.
COLOURS = {
    "neural": "#0072B2",
    "integrated": "#D55E00",
    "prediction": "#666666",
    "original": "#0072B2",
    "refined": "#E69F00",
    "heldout": "#009E73",
    "published": "#CC79A7",
}


@contextmanager
def theme() -> Iterator[None]:
    """One look for all figures: ``with theme(): ...``."""
    style = {
        **sns.axes_style("ticks"),
        **sns.plotting_context("notebook", font_scale=0.9),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "text.parse_math": False,  # names may hold "$"; our own formulas ask for parse_math
        "svg.fonttype": "none",
        "svg.hashsalt": "aligned",
    }
    with plt.rc_context(style):
        yield


def axes_or_current(ax: Axes | None) -> Axes:
    """The axes given, or those being drawn on."""
    return plt.gca() if ax is None else ax


def rows_of(ax: Axes, labels: Sequence[str], below: float = 0.5) -> None:
    """Name the rows of a figure, the first one on top; ``below``: room under the last one."""
    ax.set_yticks(range(len(labels)), list(labels))
    ax.set_ylim(len(labels) - below, below - 1)


def plot_points(
    ax: Axes, rows: pd.DataFrame, place: npt.ArrayLike, value: str,
    ends: tuple[str, str] = ("low", "high"), upright: bool = False, scale: float = 1.0, **look: Any,
) -> None:  # fmt: skip
    """A point per row: column ``value`` with the interval ``ends``, at its place on the other axis.

    ``upright`` points stand side by side; others lie one below the other. All three columns are
    multiplied by ``scale``; ``look`` is handed to ``Axes.errorbar``.
    """
    middle, *edges = (scale * rows[name].to_numpy() for name in (value, *ends))
    x, y, bars = (place, middle, "yerr") if upright else (middle, place, "xerr")
    ax.errorbar(x, y, **{bars: np.abs(edges - middle)}, **look)


def plot_stacks(
    ax: Axes, table: pd.DataFrame, names: Sequence[str], looks: Mapping[str, tuple[str, str]],
    columns: tuple[str, str, str],
) -> None:  # fmt: skip
    """A bar per name, the first on top, cut into the ``share`` of each part, numbers inside.

    ``columns`` say which bar, which part of it and which number; ``looks`` gives the parts in order
    with colour and hatch.
    """
    bar, part, number = columns
    left = np.zeros(len(names))
    for kind, (colour, hatch) in looks.items():
        rows = table[table[part] == kind].set_index(bar).loc[list(names)]
        share = rows["share"].to_numpy()
        ax.barh(
            range(len(names)), share, left=left, color=colour, hatch=hatch, edgecolor="0.4",
            lw=0.5, height=0.66, label=kind,
        )  # fmt: skip
        for y, (start, width, text) in enumerate(zip(left, share, rows[number], strict=True)):
            if width >= 0.055:
                ax.text(
                    start + width / 2, y, str(text), ha="center", va="center", fontsize="small",
                    color="white" if colour.startswith("#") else "black",
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.0},
                )  # fmt: skip
        left = left + share
    rows_of(ax, names, 0.4)
    ax.set_xlim(0, 1)
