"""Floor 4: from tables to axes. Every function takes a tidy table, draws, and computes nothing.

Colours are Okabe and Ito's, told apart by colour-blind readers; markers double the message.
"""

from aligned.plotting.iterations import (
    plot_changes,
    plot_closures,
    plot_map,
    plot_stages,
    plot_yardsticks,
)
from aligned.plotting.theme import COLOURS, theme

__all__ = [
    "COLOURS",
    "plot_changes",
    "plot_closures",
    "plot_map",
    "plot_stages",
    "plot_yardsticks",
    "theme",
]
