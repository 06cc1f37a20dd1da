"""Figures of the A-R-A-R analysis: stages, yardsticks, changes, the map, closures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aligned.scores import balanced_consistency
from companion.plot.theme import COLOURS, axes_or_current

__all__ = ["plot_changes", "plot_closures", "plot_map", "plot_stages", "plot_yardsticks"]

MARKERS = {"neural": "o", "integrated": "s", "prediction": "D"}

LABELS = {
    "f_d": "data consistency $F_d$",
    "f_k": "knowledge consistency $F_k$",
    "balanced": "balanced consistency",
}


def plot_stages(
    table: pd.DataFrame,
    metric: str,
    stages: Sequence[str],
    ax: Axes | None = None,
    baselines: Sequence[str] = (),
    published: pd.DataFrame | None = None,
) -> Axes:
    """One score along the stages, neural and integrated, with 95% intervals.

    Parameters
    ----------
    table : DataFrame
        Rows of ``scores`` of one split, one yardstick and subset ``all``.
    metric : {"f_d", "f_k", "balanced"}
    stages : sequence of str
        Stages in the order wanted; a stage named ``A-A`` is set apart as the control.
    ax : Axes, optional
    baselines : sequence of str
        Methods drawn as horizontal lines.
    published : DataFrame, optional
        Columns ``stage``, ``score`` and the metric: the paper's figures, as small crosses.
    """
    ax = axes_or_current(ax)
    place = {s: i + (0.5 if s == "A-A" else 0.0) for i, s in enumerate(stages)}
    for i, score in enumerate(("neural", "integrated")):
        rows = table[(table["score"] == score) & table["stage"].isin(place)]
        rows = rows.set_index("stage").loc[[s for s in stages if s in set(rows["stage"])]]
        x = np.array([place[s] for s in rows.index]) + (i - 0.5) * 0.16
        y = rows[metric].to_numpy()
        spread = np.abs(rows[[f"{metric}_low", f"{metric}_high"]].to_numpy().T - y)
        ax.errorbar(
            x, y, yerr=spread, color=COLOURS[score], marker=MARKERS[score], ls="none", label=score
        )
        chain = [s != "A-A" for s in rows.index]
        ax.plot(x[chain], y[chain], color=COLOURS[score], lw=1, alpha=0.6)
        if published is not None:
            theirs = published[published["score"] == score].set_index("stage")[metric]
            theirs = theirs[theirs.index.isin(place)]
            ax.plot(
                [place[s] + (i - 0.5) * 0.16 for s in theirs.index],
                theirs,
                color=COLOURS[score],
                marker="x",
                ls="none",
                alpha=0.9,
                label=f"published, {score}",
            )
    styles = [":", "--", "-.", (0, (1, 4))]
    for style, name in zip(styles, baselines, strict=False):
        value = float(table.loc[table["method"] == name, metric].iloc[0])
        ax.axhline(value, color="0.35", ls=style, lw=1, label=name)
    ax.set_xticks(list(place.values()), list(place), rotation=35, ha="right")
    ax.set_ylabel(LABELS[metric], parse_math=True)
    ax.set_xlabel("stage")
    return ax


def plot_yardsticks(
    table: pd.DataFrame, score: str, stages: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Knowledge consistency of one prediction against the three yardsticks, edits annotated.

    Parameters
    ----------
    table : DataFrame
        Rows of ``scores`` of one split and subset ``all``.
    score : {"neural", "integrated"}
    stages : sequence of str
    """
    ax = axes_or_current(ax)
    place = {s: i for i, s in enumerate(stages)}
    for i, yardstick in enumerate(("original", "refined", "heldout")):
        rows = table[(table["score"] == score) & (table["yardstick"] == yardstick)]
        rows = rows[rows["stage"].isin(place)]
        x = rows["stage"].map(place).to_numpy() + (i - 1) * 0.15
        y = rows["f_k"].to_numpy()
        spread = np.abs(rows[["f_k_low", "f_k_high"]].to_numpy().T - y)
        ax.errorbar(
            x, y, yerr=spread, color=COLOURS[yardstick], marker="osD"[i], ls="none", label=yardstick
        )
    ax.set_xticks(list(place.values()), list(place), rotation=35, ha="right")
    edits = table[(table["yardstick"] == "refined") & (table["score"] == score)]
    for stage, count in edits.set_index("stage")["n_edits"].items():
        if stage in place:
            label = f"{count:,.0f}\nedits" if count else "no\nedits"
            at = (place[stage], 1.0)
            ax.annotate(label, at, xycoords=("data", "axes fraction"), ha="center", va="bottom",
                        fontsize="x-small", color="0.35")  # fmt: skip
    ax.set_ylabel(LABELS["f_k"], parse_math=True)
    ax.set(xlabel="stage", ylim=(0, 1.02))
    return ax


def plot_map(table: pd.DataFrame, ax: Axes | None = None, gamma: float = 2.0) -> Axes:
    """Data against knowledge consistency: every method a point, lines of equal balance behind.

    Parameters
    ----------
    table : DataFrame
        Rows with ``label, score, f_d, f_d_low, f_d_high, f_k, …``.
    gamma : float
        Exponent of the lines.
    """
    ax = axes_or_current(ax)
    left = table["f_d_low"].min() - 0.015
    right = table["f_d_high"].max() + 0.015
    grid_d, grid_k = np.meshgrid(
        np.linspace(max(left, 0.0), min(right, 1.0), 200), np.linspace(0.05, 1.0, 200)
    )
    balance = balanced_consistency(grid_d, grid_k, gamma)
    lines = ax.contour(grid_d, grid_k, balance, levels=12, colors="0.8", linewidths=0.8)
    ax.clabel(lines, fmt="%.2f", fontsize="x-small", colors="0.6")
    palette = {**COLOURS}
    for score, rows in table.groupby("score", sort=False):
        spread_d = np.abs(rows[["f_d_low", "f_d_high"]].to_numpy().T - rows["f_d"].to_numpy())
        spread_k = np.abs(rows[["f_k_low", "f_k_high"]].to_numpy().T - rows["f_k"].to_numpy())
        ax.errorbar(
            rows["f_d"],
            rows["f_k"],
            xerr=spread_d,
            yerr=spread_k,
            color=palette[str(score)],
            marker=MARKERS[str(score)],
            ls="none",
            elinewidth=0.8,
            label={"prediction": "baseline"}.get(str(score), str(score)),
        )
    ordered = table.sort_values("f_k")
    heights = _spread_out(ordered["f_k"].to_numpy(), gap=0.045)
    for (_, row), height in zip(ordered.iterrows(), heights, strict=True):
        ax.annotate(
            str(row["label"]),
            (row["f_d"], row["f_k"]),
            xytext=(right + 0.004, height),
            textcoords="data",
            fontsize="x-small",
            va="center",
            color=palette[str(row["score"])],
            # from the middle of the label's left edge, so that no line crosses a label
            arrowprops={
                "arrowstyle": "-",
                "color": "0.75",
                "lw": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 1,
            },
            annotation_clip=False,
        )
    ax.set_xlabel(LABELS["f_d"], parse_math=True)
    ax.set_ylabel(LABELS["f_k"], parse_math=True)
    ax.set(xlim=(left, right), ylim=(0.2, 1.02))
    return ax


def _spread_out(values: np.ndarray, gap: float) -> np.ndarray:
    """Sorted values moved apart by at least ``gap``, for labels."""
    placed = np.array(values, dtype=float)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    return placed - max(0.0, placed[-1] - 1.02) if len(placed) else placed


def plot_changes(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Forest plot of paired changes: ``label, score, difference, low, high``, top row first."""
    ax = axes_or_current(ax)
    labels = list(dict.fromkeys(table["label"]))
    for i, score in enumerate(("neural", "integrated")):
        rows = table[table["score"] == score]
        y = np.array([labels.index(v) for v in rows["label"]]) + (i - 0.5) * 0.28
        middle = rows["difference"].to_numpy()
        spread = np.abs(rows[["low", "high"]].to_numpy().T - middle)
        ax.errorbar(
            middle, y, xerr=spread, color=COLOURS[score], marker=MARKERS[score], ls="none",
            label=score,
        )  # fmt: skip
    ax.axvline(0, color="0.3", lw=1)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlabel("paired change")
    return ax


def plot_closures(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Data and knowledge consistency of the deductions alone, by path length and rule."""
    ax = axes_or_current(ax)
    for (column, score), rule in (
        ((c, s), r)
        for c, s in (("f_d_all", "neural"), ("f_k_all", "integrated"))
        for r in ("boolean", "majority")
    ):
        rows = table[table["rule"] == rule].sort_values("k")
        ax.plot(
            rows["k"],
            rows[column],
            color=COLOURS[score],
            marker="o" if rule == "boolean" else "^",
            ls="-" if rule == "boolean" else "--",
            label=f"{'F_d' if column == 'f_d_all' else 'F_k'}, {rule}",
        )
    ax.set(xlabel="longest path k (steps)", ylabel="macro-F1 of the deduction", ylim=(0, 1.03))
    ax.set_xticks(sorted(table["k"].unique()))
    return ax
