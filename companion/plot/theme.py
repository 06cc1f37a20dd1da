"""One look for all figures: colours told apart by colour-blind readers, sizes for the book."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes

__all__ = ["COLOURS", "axes_or_current", "theme"]

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
