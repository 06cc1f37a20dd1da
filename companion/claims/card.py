"""The scorecard: every claim, judged by whatever tables there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from companion.ablations.run import AblationTables
from companion.claims import ablations, inconsistency, loop, main_results, pathways, recovery
from companion.claims.claims import Claim
from companion.inconsistency.run import InconsistencyTables
from companion.loop.run import IterationTables
from companion.main_results.run import MainTables
from companion.noise.run import NoiseTables
from companion.pathways.run import PathwayTables
from companion.tables import load_tables

__all__ = ["ANALYSES", "CLAIMS", "scorecard"]

#: Analyses whose tables judge claims: name of the notebook (and folder) -> kind of tables.
ANALYSES: dict[str, type] = {
    "01_inconsistency": InconsistencyTables,
    "02_main_results": MainTables,
    "03_ecoli_iterations": IterationTables,
    "04_refinement_noise": NoiseTables,
    "05_kegg_enrichment": PathwayTables,
    "06_ablations": AblationTables,
}

#: All claims that can be judged so far, in the paper's order.
CLAIMS: tuple[Claim, ...] = (
    *inconsistency.CLAIMS,
    *main_results.CLAIMS,
    *loop.CLAIMS,
    *ablations.CLAIMS,
    *recovery.CLAIMS,
    *pathways.CLAIMS,
)

COLUMNS = [
    "claim", "statement", "published", "ours", "low", "high", "edition", "verdict", "reason",
]  # fmt: skip


def scorecard(results: Mapping[str, Any] | str | Path, edition: str | None = None) -> pd.DataFrame:
    """Judge the claims that these tables can judge.

    Parameters
    ----------
    results : mapping or path
        Edition -> tables of an analysis, or a list of such tables; or the folder of one analysis
        (named as in `ANALYSES`).
    edition : str, optional
        Name of the edition where ``results`` is a folder; default the folder's parent.

    Returns
    -------
    DataFrame
        ``claim, statement, published, ours, low, high, edition, verdict, reason``; one row per
        claim and edition. ``published`` is the paper's figure, ``ours`` the one that the rule
        looks at, with its 95% interval.

    Raises
    ------
    ValueError
        The folder is not named after an analysis.
    """
    if isinstance(results, str | Path):
        folder = Path(results)
        if folder.name not in ANALYSES:
            raise ValueError(
                f"{folder} is not named after an analysis, so it is not known what its tables are; "
                f"give a folder named {' or '.join(ANALYSES)}."
            )
        loaded: Any = load_tables(ANALYSES[folder.name], folder)[0]
        results = {edition or folder.parent.name: loaded}
    rows = []
    for name, tables in results.items():
        for kind in tables if isinstance(tables, Sequence) else [tables]:
            for claim in CLAIMS:
                if isinstance(kind, claim.tables):
                    found = vars(claim.judge(kind, name))
                    rows.append(
                        {
                            "claim": claim.id,
                            "statement": claim.statement,
                            "edition": name,
                            **found,
                        }
                    )
    return pd.DataFrame(rows, columns=COLUMNS)
