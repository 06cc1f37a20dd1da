"""The method against every rival (notebook 02)."""

from companion.main_results.ceiling import Repeats
from companion.main_results.repeats import repeats_of
from companion.main_results.run import MainSettings, MainTables, run_main

__all__ = ["MainSettings", "MainTables", "Repeats", "repeats_of", "run_main"]
