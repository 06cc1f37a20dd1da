"""The pathway analysis (claim C16): does the refined network know biology as the original does?

Every network is measured with one `Ruler`: the same gene sets, the same halves of them, the same
random sets. Edited networks are compared with the original, each beside random edits of the same
number and kind, and with two controls: the original itself, and a network whose modules have been
destroyed on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from aligned.config import Config
from aligned.data import Bundle, Rows, with_split
from aligned.knowledge import KnowledgeBase
from aligned.loop import Aligned
from aligned.refine import RefineConfig, refine
from companion.edits import kind_of, with_names
from companion.engine import Settings
from companion.loop.run import card_table
from companion.pathways.changes import (
    STATISTICS,
    Ruler,
    compare,
    matched_edits,
    random_edits,
    scattered,
)
from companion.pathways.enrichment import GeneSets, Halves
from companion.pathways.tables import (
    enrichment_table,
    meaning,
    measured_genes,
    module_edges,
    of_each,
    overall_table,
    power_table,
    recovery_table,
    regulon_pairs,
    regulon_table,
    share_table,
    stack,
    topology_table,
)
from companion.topology import rewired

__all__ = ["NETWORKS", "PathwaySettings", "PathwayTables", "run_pathways"]

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

#: The networks, and what each one is.
NETWORKS = {
    "original": "as given",
    "refined": "after A-R-A-R on all conditions",
    "data alone": "refined (l1, polished) on the measured responses, without alignment",
    "Frobenius": "the same with the paper's Frobenius penalty and without our polish",
    "noisy": "the noise protocol on the original",
    "random GRN": "the original rewired: every in- and out-degree kept",
    "random edits": "control: as many random edits as refined has, regulator by regulator",
    "modules destroyed": "control: what holds the gene sets together is moved elsewhere",
}

#: The largest changes that do not matter, in units of each statistic.
BOUNDS = {"recovery": 0.05, "influence": 0.5}


@dataclass(frozen=True)
class PathwaySettings(Settings):
    """What to run.

    Parameters
    ----------
    config : Config
        Of the loop that refines; also carries the seed of everything.
    schedule : str
    min_size, max_size : int
        Sizes of the gene sets that are tested, counted in the network.
    n_splits : int
        Random halves per gene set.
    permutations, null_permutations : int
        Random sets per size behind a NES: in the table of enrichments, and for every network
        edited at random.
    n_null : int
        Random edits per network.
    n_topology : int
        Random networks behind the topology of original and refined.
    restart, damping : float
        Of the random walk and of the influence.
    noise : float
        Of the noisy network.
    bounds : dict
        Per statistic, the largest change that does not matter.
    n_jobs : int
    """

    config: Config = field(default_factory=Config)
    schedule: str = "A-R-A-R"
    min_size: int = 10
    max_size: int = 500
    n_splits: int = 20
    permutations: int = 1000
    null_permutations: int = 100
    n_null: int = 99
    n_topology: int = 10
    restart: float = 0.5
    damping: float = 0.85
    noise: float = 0.4
    bounds: dict[str, float] = field(default_factory=lambda: dict(BOUNDS))
    n_jobs: int = 2

    def __post_init__(self) -> None:
        least = {"n_splits": 2, "permutations": 20, "null_permutations": 20, "n_null": 39}
        for name, number in least.items():
            if getattr(self, name) < number:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {number}.")
        if set(self.bounds) != set(STATISTICS) or min(self.bounds.values()) <= 0:
            raise ValueError(
                f"bounds are {self.bounds}; give one number above 0 for each of "
                f"{', '.join(STATISTICS)}."
            )


@dataclass(frozen=True)
class PathwayTables:
    """Tidy tables of the analysis; `save_tables` and `load_tables` move them as CSV files.

    Attributes
    ----------
    card : DataFrame
        The data set, the gene sets and the settings in the fewest rows: ``item, value``.
    networks : DataFrame
        ``network, what, pairs, added, dropped, flipped``, against the original.
    shares : DataFrame
        network × statistic × verdict: ``pathways, share, low, high`` (Wilson, 95%).
    overall : DataFrame
        network × statistic: mean change over pathways, ours and random edits'; ``p_overall,
        flagged``: moved more than those; ``beyond``: pathways that did so on their own.
    changes : DataFrame
        network × statistic × pathway; see `companion.pathways.changes.compare`.
    moved : DataFrame
        network × statistic × bound: share of pathways within the bound, ours and random edits'.
    enrichment : DataFrame
        network × pathway: ``size, es, nes, p, q``; q over all pathways and networks.
    regulons : DataFrame
        network: regulator-pathway pairs held, before and after, and the share kept.
    regulon_pairs : DataFrame
        Every pair held by the original or the refined network, with overlap and q in both.
    recovery : DataFrame
        network × measure: mean over pathways with interval, and the degree-matched null.
    meaning : DataFrame
        network × relation: do added edges make sense?
    topology : DataFrame
        network × measure: value, and the range among random networks.
    edits : DataFrame
        ``source, target, before, after`` with names: original to refined.
    module : DataFrame
        Edges of the pathway that is drawn: ``pathway, source, target, before, after`` and names.
    power : DataFrame
        ``network, share_changed, flagged``.
    """

    card: pd.DataFrame
    networks: pd.DataFrame
    shares: pd.DataFrame
    overall: pd.DataFrame
    changes: pd.DataFrame
    moved: pd.DataFrame
    enrichment: pd.DataFrame
    regulons: pd.DataFrame
    regulon_pairs: pd.DataFrame
    recovery: pd.DataFrame
    meaning: pd.DataFrame
    topology: pd.DataFrame
    edits: pd.DataFrame
    module: pd.DataFrame
    power: pd.DataFrame


def run_pathways(bundle: Bundle, settings: PathwaySettings, progress: bool = True) -> PathwayTables:
    """Run the analysis on a data set with gene sets; see `PathwayTables` for what comes back.

    Raises
    ------
    ValueError
        The data set has no gene set that can be tested on its network.
    """
    kb, seed = bundle.kb, settings.config.seed
    sets = GeneSets.of(bundle.gene_sets, kb.genes, settings.min_size, settings.max_size)
    ruler = Ruler(
        sets,
        Halves.draw(sets, settings.n_splits, seed),
        settings.null_permutations,
        settings.restart,
        settings.damping,
        settings.bounds,
        seed,
    )
    bar = tqdm(total=4, desc="pathways", disable=None if progress else True)
    with bar:
        nets = _networks(bundle, sets, settings)
        bar.update()
        edits = {name: kb.changes_to(net) for name, net in nets.items()}
        measured = measured_genes(bundle)
        nulls = _nulls(kb, edits, ruler, settings, measured)
        bar.update()
        scores = of_each(nets, ruler.scores, settings.n_jobs)
        start = scores["original"]
        found = {name: compare(start, scores[name], ruler, nulls[name]) for name in nets}
        changes, overall, moved = (
            stack({name: getattr(c, part) for name, c in found.items()})
            for part in ("changes", "overall", "moved")
        )
        overall = overall_table(overall, changes)
        bar.update()
        tables = PathwayTables(
            card=_card(bundle, sets, settings),
            networks=_network_table(nets, edits),
            shares=share_table(changes),
            overall=overall,
            changes=changes,
            moved=moved,
            enrichment=enrichment_table(nets, ruler, settings.permutations),
            regulons=regulon_table(kb, nets, sets, nulls),
            regulon_pairs=regulon_pairs(kb, nets["refined"], sets),
            recovery=recovery_table(nets, ruler, settings.n_jobs),
            meaning=meaning(bundle, edits, sets, seed),
            topology=topology_table(
                nets, edits["refined"], settings.n_topology, seed, settings.n_jobs, measured
            ),
            edits=with_names(edits["refined"], kb),
            module=module_edges(kb, nets["refined"], sets, changes),
            power=power_table(changes, overall),
        )
        bar.update()
    return tables


# ------------------------------------------------------------------------------------ networks


def _networks(
    bundle: Bundle, sets: GeneSets, settings: PathwaySettings
) -> dict[str, KnowledgeBase]:
    kb, config = bundle.kb, settings.config
    every = pd.Series("train", index=bundle.data.obs_names)
    model = Aligned(config).fit(
        with_split(bundle.data, every), kb, settings.schedule, yardstick=bundle.yardstick
    )
    rows = Rows.of(bundle.data, kb)
    columns = kb.columns(list(map(str, bundle.data.var_names)))
    y, seen = (np.zeros((len(rows), len(kb.genes)), dtype=t) for t in (np.int8, bool))
    y[:, columns], seen[:, columns] = rows.y, rows.observed
    closing = model.problem.closing
    measured: dict[str, Any] = {"k": closing, "observed": seen, "seed": config.seed}
    refined = model.kb
    fair = measured_genes(bundle)
    paper: dict[str, Any] = {"penalty": "frobenius", "config": RefineConfig(polish=False)}
    return {
        "original": kb,
        "refined": refined,
        "data alone": refine(kb, rows.x, y, **measured).kb,
        "Frobenius": refine(kb, rows.x, y, **measured, **paper).kb,
        "noisy": kb.corrupt(settings.noise, config.seed),
        "random GRN": rewired(kb, config.seed),
        "random edits": matched_edits(kb, kb.changes_to(refined), config.seed + 10**6, fair),
        "modules destroyed": scattered(kb, sets, config.seed),
    }


def _nulls(
    kb: KnowledgeBase,
    edits: dict[str, pd.DataFrame],
    ruler: Ruler,
    settings: PathwaySettings,
    measured: Bool,
) -> dict[str, dict[str, Float]]:
    """Random edits for every network; networks with equal numbers of each kind share them."""
    done: dict[str, dict[str, Float]] = {}
    nulls = {}
    for name, table in edits.items():
        of_measured = measured[kb.columns(table["target"])]
        counts = table.groupby(["source", "before", "after", of_measured]).size()
        key = counts.to_json()
        if key not in done:
            done[key] = random_edits(kb, table, ruler, settings.n_null, settings.n_jobs, measured)
        nulls[name] = done[key]
    return nulls


def _network_table(nets: dict[str, KnowledgeBase], edits: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for name, net in nets.items():
        made = kind_of(edits[name]).value_counts()
        count = {kind: int(made.get(kind, 0)) for kind in ("added", "dropped", "flipped")}
        rows.append({"network": name, "what": NETWORKS[name], "pairs": net.n_pairs, **count})
    return pd.DataFrame(rows)


def _card(bundle: Bundle, sets: GeneSets, settings: PathwaySettings) -> pd.DataFrame:
    sizes = sets.sizes
    known = int((pd.Index(bundle.kb.genes)[sets.universe].isin(bundle.kb.regulators)).sum())
    bounds = ", ".join(f"{name} ±{bound:g}" for name, bound in settings.bounds.items())
    more = {
        "gene sets": f"{len(bundle.gene_sets)}, of which {len(sizes)} have {settings.min_size} to "
        f"{settings.max_size} genes in the network (median {int(np.median(sizes))})",
        "universe": f"{len(sets.universe)} genes in some set, {known} of them regulators",
        "changes that do not matter": bounds,
        "random edits": f"{settings.n_null} networks each",
    }
    rows = [{"item": item, "value": value} for item, value in more.items()]
    return pd.concat([card_table(bundle), pd.DataFrame(rows)], ignore_index=True)
