"""Draw the figure of the page "The idea": ``python book/_static/make_idea_figure.py``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

INK = "#263238"
GREY = "#78838a"
DATA, NETWORK, SYMBOLS, ADAPTER, REFINE = "#56B4E9", "#0072B2", "#E69F00", "#009E73", "#D55E00"
HERE = Path(__file__).parent


def box(
    ax: Axes, x: float, y: float, w: float, h: float, colour: str, head: str, body: str
) -> None:
    """A rounded box centred on (x, y) with a heading and a line below it."""
    ax.add_patch(
        FancyBboxPatch(
            (x - w / 2, y - h / 2),
            w,
            h,
            boxstyle="round,pad=0,rounding_size=0.16",
            facecolor=colour + "22",
            edgecolor=colour,
            linewidth=1.6,
        )
    )
    ax.text(x, y + 0.19, head, ha="center", va="center", fontsize=10.5, weight="bold", color=INK)
    ax.text(x, y - 0.21, body, ha="center", va="center", fontsize=9, color=INK)


def arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = INK,
    bend: float = 0.0,
    style: str = "-",
) -> None:
    """An arrow from start to end."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            linewidth=1.6,
            linestyle=style,
            color=colour,
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
        )
    )


def cells(ax: Axes, x: float, y: float, values: str, size: float = 0.3) -> None:
    """A row of ternary cells: + up, - down, 0 unchanged, centred on (x, y)."""
    colours = {"+": DATA, "-": REFINE, "0": "#eceff1", "?": "#ffffff"}
    left = x - size * len(values) / 2
    for i, value in enumerate(values):
        ax.add_patch(
            FancyBboxPatch(
                (left + i * size + 0.02, y - size / 2 + 0.02),
                size - 0.04,
                size - 0.04,
                boxstyle="round,pad=0,rounding_size=0.04",
                facecolor=colours[value],
                edgecolor="#90a4ae",
                linewidth=0.7,
            )
        )
        sign = {"+": "+", "-": "−", "0": "0", "?": ""}[value]
        ax.text(
            left + (i + 0.5) * size,
            y - 0.005,
            sign,
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
        )


def small_network(ax: Axes, x: float, y: float) -> None:
    """Two regulators, three targets; an arrow activates, a bar inhibits."""
    regulators = [(x - 0.42, y + 0.2), (x + 0.3, y + 0.2)]
    targets = [(x - 0.72, y - 0.32), (x - 0.05, y - 0.32), (x + 0.62, y - 0.32)]
    for a, b, kind in ((0, 0, "-|>"), (0, 1, "|-|"), (1, 1, "-|>"), (1, 2, "|-|")):
        style = kind if kind == "-|>" else "|-|,widthA=0,widthB=0.24"
        ax.add_patch(
            FancyArrowPatch(
                regulators[a],
                targets[b],
                arrowstyle=style,
                mutation_scale=11,
                linewidth=1.3,
                color=INK,
                shrinkA=6,
                shrinkB=7,
            )
        )
    for spot in regulators:
        ax.add_patch(Circle(spot, 0.12, facecolor=SYMBOLS, edgecolor=INK, linewidth=0.9))
    for spot in targets:
        ax.add_patch(Circle(spot, 0.1, facecolor="white", edgecolor=INK, linewidth=0.9))


def draw() -> plt.Figure:
    """The whole figure: two predictions, one fusion, two ways back."""
    figure, ax = plt.subplots(figsize=(9.2, 5.0))
    ax.set(xlim=(0, 12.4), ylim=(-0.15, 6.7), aspect="equal")
    ax.axis("off")

    box(ax, 1.75, 5.0, 2.9, 1.0, DATA, "Data", "perturbation → response")
    cells(ax, 1.75, 4.18, "00-00+00")
    cells(ax, 1.75, 3.8, "+0--0+00")
    ax.text(0.36, 4.18, "$x$", fontsize=11, color=INK, va="center", ha="center")
    ax.text(0.36, 3.8, "$y$", fontsize=11, color=INK, va="center", ha="center")

    box(ax, 5.5, 5.0, 2.9, 1.0, NETWORK, "Network  $f_y$", "learns from responses")
    cells(ax, 5.5, 4.18, "+0-00+0-")
    ax.text(6.85, 4.18, r"$\hat{y}$", fontsize=11, color=INK, va="center")

    box(ax, 5.5, 1.75, 2.9, 1.0, SYMBOLS, "Knowledge base", "deduces along paths")
    cells(ax, 5.5, 0.93, "+0--0+00")
    ax.text(6.85, 0.93, r"$\delta$", fontsize=11, color=INK, va="center")
    small_network(ax, 1.75, 1.95)
    ax.text(1.75, 1.28, "regulatory network", ha="center", fontsize=9, color=INK)
    ax.text(1.75, 0.93, "→ activates   ⊣ inhibits", ha="center", fontsize=8, color=GREY)

    box(ax, 5.5, 3.1, 2.9, 0.9, ADAPTER, "Adapter  $f_a$", "whom to trust, per gene")

    box(ax, 10.4, 3.1, 2.7, 1.0, INK, r"Fusion  $\bar{y}$", "one answer per gene")
    cells(ax, 10.4, 2.28, "+0--0+0-")

    arrow(ax, (3.25, 5.0), (4.0, 5.0))
    arrow(ax, (3.25, 4.65), (4.0, 3.4))
    ax.add_patch(
        FancyArrowPatch(
            (3.05, 4.45),
            (4.0, 2.1),
            arrowstyle="-|>",
            mutation_scale=13,
            linewidth=1.6,
            color=INK,
            connectionstyle="arc3,rad=0.12",
        )
    )
    arrow(ax, (2.75, 1.75), (4.0, 1.75), SYMBOLS)
    arrow(ax, (7.0, 4.7), (9.05, 3.45), NETWORK)
    arrow(ax, (7.0, 3.1), (9.0, 3.1), ADAPTER)
    arrow(ax, (7.0, 1.95), (9.05, 2.8), SYMBOLS)

    arrow(ax, (10.4, 3.68), (6.4, 5.55), NETWORK, bend=0.33, style=(0, (4, 2)))
    ax.text(9.35, 5.75, "A  align: retrain on the fusion", ha="center", fontsize=10, color=NETWORK)
    arrow(ax, (10.4, 2.05), (7.0, 1.45), REFINE, bend=-0.38, style=(0, (4, 2)))
    ax.text(
        9.5,
        0.28,
        "R  refine: mend edges that\nthe evidence contradicts",
        ha="center",
        va="center",
        fontsize=10,
        color=REFINE,
    )
    ax.text(
        6.2,
        6.45,
        "A → R → A → R: network and knowledge correct each other",
        ha="center",
        va="center",
        fontsize=11.5,
        weight="bold",
        color=INK,
    )
    return figure


def main() -> None:
    """Write the SVG beside this script; the same bytes every time."""
    mpl.rcParams.update(
        {"svg.hashsalt": "idea", "svg.fonttype": "path", "font.family": "DejaVu Sans"}
    )
    figure = draw()
    figure.savefig(HERE / "idea.svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})


if __name__ == "__main__":
    main()
