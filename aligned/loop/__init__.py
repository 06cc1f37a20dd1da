"""The A/R loop, where learner and reasoner meet."""

from aligned.loop.model import Aligned, Explanation
from aligned.loop.problem import SCORES, Problem, choose_closure
from aligned.loop.records import Phase, Prediction, Yardsticks
from aligned.loop.schedule import parse_schedule, stage_name
from aligned.loop.training import adam

__all__ = [
    "adam",
    "Aligned",
    "Explanation",
    "Phase",
    "Prediction",
    "Problem",
    "SCORES",
    "Yardsticks",
    "choose_closure",
    "parse_schedule",
    "stage_name",
]
