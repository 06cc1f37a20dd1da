"""The results in the README, computed from ``results/``."""

from __future__ import annotations

import re

from aligned._assets import asset
from companion.ablations import AblationTables
from companion.claims import scorecard
from companion.hidden import HiddenTables
from companion.hidden import report as hidden_report
from companion.inconsistency import InconsistencyTables
from companion.loop import IterationTables
from companion.loop.report import summary_markdown
from companion.main_results import MainTables
from companion.main_results import report as main_report
from companion.noise import NoiseTables
from companion.noise import report as noise_report
from companion.pathways import PathwayTables
from companion.tables import load_tables

__all__ = ["readme_with_results"]


def readme_with_results(text: str) -> str:
    """The README with the block between its ``results`` marks computed from ``results/``."""
    apart, _ = load_tables(InconsistencyTables, asset("results/ecoli/01_inconsistency"))
    main, _ = load_tables(MainTables, asset("results/ecoli/02_main_results"))
    loop, _ = load_tables(IterationTables, asset("results/ecoli/03_ecoli_iterations"))
    noise, _ = load_tables(NoiseTables, asset("results/random/04_refinement_noise"))
    hidden, _ = load_tables(HiddenTables, asset("results/ecoli/04_refinement_noise/hidden"))
    paths, _ = load_tables(PathwayTables, asset("results/ecoli/05_kegg_enrichment"))
    parts, _ = load_tables(AblationTables, asset("results/ecoli/06_ablations"))
    card = scorecard({"ecoli": [apart, main, loop, paths, parts], "random networks": noise})
    card = card.sort_values("claim", key=lambda claims: claims.str.extract(r"(\d+)")[0].astype(int))
    split = str(loop.scores["split"].iloc[0])
    block = "\n\n".join(
        [
            summary_markdown(loop, card, split),
            "**Against what you would use instead** (thresholds tuned for the score; the best of "
            "a dozen rivals, picked on the same table):",
            main_report.summary_markdown(main),
            f"**Refinement under noise** (random networks). {noise_report.answer(noise)}",
            f"**Edges hidden from the method** (*E. coli*). {hidden_report.headline(hidden)}",
        ]
    )
    marks = re.compile(r"(<!-- results:begin[^>]*-->\n).*?(<!-- results:end -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{block}\n\n{found[2]}", text)
