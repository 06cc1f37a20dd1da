"""Floor 1: a small world whose truth is known; demo data set, test fixture and yardstick."""

from aligned.simulate.simulation import Simulation, simulate

__all__ = ["Simulation", "simulate"]
