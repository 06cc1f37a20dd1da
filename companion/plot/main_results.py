"""Figures of the main comparison: a radar as in the paper, and paired differences to rivals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.projections.polar import PolarAxes

from companion.plot.theme import COLOURS, axes_or_current

__all__ = ["plot_differences", "plot_radar"]

#: Okabe-Ito, and a marker each, in the order of the lines.
LINES = (
    ("#D55E00", "s", "-"),
    ("#0072B2", "o", "-"),
    ("#009E73", "^", "--"),
    ("#CC79A7", "D", "--"),
    ("#666666", "v", ":"),
)


def plot_radar(table: pd.DataFrame, measures: Mapping[str, str], ax: PolarAxes) -> PolarAxes:
    """Several scores of a few methods, one line each, every axis from 0 to 1.

    Parameters
    ----------
    table : DataFrame
        Columns ``label`` and one per measure; at most five rows.
    measures : mapping
        Column -> label of its axis.
    ax : PolarAxes
    """
    angles = np.linspace(0, 2 * np.pi, len(measures), endpoint=False)
    closed = np.append(angles, angles[0])
    for (colour, marker, style), (_, row) in zip(LINES, table.iterrows(), strict=False):
        values = row[list(measures)].to_numpy(dtype=float)
        values = np.append(values, values[0])
        ax.plot(closed, values, color=colour, marker=marker, ls=style, lw=1.4, ms=4,
                label=str(row["label"]))  # fmt: skip
    ax.set_theta_offset(np.pi / 2)
    ax.set_theta_direction(-1)
    ax.set_xticks(angles, list(measures.values()))
    ax.set_ylim(0, 1)
    ax.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "0.5", "", "1"], color="0.4", fontsize="x-small")
    ax.tick_params(axis="x", pad=8)
    return ax


def plot_differences(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Forest of paired differences, ours minus each rival; the best rival's row is filled.

    Parameters
    ----------
    table : DataFrame
        Columns ``label, difference, low, high, best``, the top row first.
    """
    ax = axes_or_current(ax)
    place = np.arange(len(table))
    for best, face in ((True, COLOURS["integrated"]), (False, "white")):
        rows = table["best"].astype(bool).to_numpy() == best
        middle = table.loc[rows, "difference"].to_numpy()
        spread = np.abs(table.loc[rows, ["low", "high"]].to_numpy().T - middle)
        ax.errorbar(
            middle, place[rows], xerr=spread, color=COLOURS["integrated"], marker="s", ls="none",
            markerfacecolor=face, label="best rival" if best else "other rivals",
        )  # fmt: skip
    ax.axvline(0, color="0.3", lw=1)
    ax.set_yticks(place, list(table["label"]))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlabel("ours - rival")
    return ax
