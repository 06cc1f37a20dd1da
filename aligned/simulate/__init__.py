"""A small world whose truth is known: demo data set, test fixture and yardstick."""

from aligned.simulate.simulation import Simulation, load_demo, simulate
from aligned.simulate.study import measure

__all__ = [
    "Simulation",
    "load_demo",
    "measure",
    "simulate",
]
