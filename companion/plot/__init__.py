"""From tables to axes. Every function takes a tidy table, draws, and computes nothing.

Colours are Okabe and Ito's, told apart by colour-blind readers; markers double the message.
"""

from companion.plot.ablations import (
    plot_learning,
    plot_parts,
    plot_regret,
    plot_reliability,
    plot_rules,
)
from companion.plot.iterations import (
    plot_changes,
    plot_closures,
    plot_map,
    plot_stages,
    plot_yardsticks,
)
from companion.plot.main_results import plot_differences, plot_radar
from companion.plot.recovery import (
    plot_average_precision,
    plot_exponents,
    plot_growth,
    plot_recovery,
    plot_thin,
    plot_topology,
)
from companion.plot.theme import COLOURS, theme

__all__ = [
    "COLOURS",
    "plot_average_precision",
    "plot_changes",
    "plot_closures",
    "plot_differences",
    "plot_exponents",
    "plot_growth",
    "plot_learning",
    "plot_map",
    "plot_parts",
    "plot_radar",
    "plot_recovery",
    "plot_regret",
    "plot_reliability",
    "plot_rules",
    "plot_stages",
    "plot_thin",
    "plot_topology",
    "plot_yardsticks",
    "theme",
]
