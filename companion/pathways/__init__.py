"""What refinement means for pathways (notebook 05)."""

from companion.pathways.run import PathwaySettings, PathwayTables, run_pathways

__all__ = ["PathwaySettings", "PathwayTables", "run_pathways"]
