"""Where data and network disagree (notebook 01)."""

from companion.inconsistency.run import (
    InconsistencySettings,
    InconsistencyTables,
    run_inconsistency,
)

__all__ = ["InconsistencySettings", "InconsistencyTables", "run_inconsistency"]
