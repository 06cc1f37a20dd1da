"""What refinement means for pathways (notebook 05)."""

from companion.pathways.changes import matched_edits
from companion.pathways.enrichment import GeneSets, influence
from companion.pathways.run import PathwaySettings, PathwayTables, run_pathways

__all__ = [
    "GeneSets",
    "PathwaySettings",
    "PathwayTables",
    "influence",
    "matched_edits",
    "run_pathways",
]
