"""Floor 3: the A/R loop, where learner and reasoner meet."""

from aligned.abduction.model import Aligned, Explanation
from aligned.abduction.problem import SCORES
from aligned.abduction.records import Prediction
from aligned.abduction.schedule import parse_schedule, stage_name

__all__ = ["SCORES", "Aligned", "Explanation", "Prediction", "parse_schedule", "stage_name"]
