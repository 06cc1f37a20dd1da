"""Putting the world, the study and the observed network together.

A signed, heavy-tailed regulatory network is the *truth*. Knock-outs and over-expressions of its
regulators, measured with replicates, shared controls and an indirect stress response, are the
*data*. What people have written down about it, better for genes they study more, is the *observed*
network, made as inconsistent with the data as the paper found real networks to be (Fig. 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from aligned.data import Bundle
from aligned.knowledge import KnowledgeBase
from aligned.simulate.observed import YARDSTICK, draw_fame, observe
from aligned.simulate.study import (
    as_anndata,
    deal_split,
    draw_cells,
    draw_conditions,
    measure,
    true_effects,
)
from aligned.simulate.world import draw_world, modules

__all__ = ["Simulation", "load_demo", "simulate"]


@dataclass(frozen=True, eq=False)
class Simulation:
    """What `simulate` returns.

    Attributes
    ----------
    data : AnnData
        Conditions × genes, ternary, in the form that every data set here has (see
        ``aligned.validate``); ``obs`` also holds ``controls`` and ``batch``.
    kb : KnowledgeBase
        The observed network: incomplete, with wrong signs and false edges.
    truth : KnowledgeBase
        The network that made the data; same genes and regulators.
    gene_sets : dict of str to list of str
        Modules of the truth, named after their main regulator, as gene ids.
    go_counts : Series of int
        Annotations per gene id: a noisy trace of how well the gene is known.
    card : dict
        What this is: sizes, settings and the measured inconsistency; plain JSON.
    effects : DataFrame
        True log2 fold changes (conditions × genes), before any noise.
    expression : Series
        Mean count per cell of each gene in unperturbed cells.
    """

    data: ad.AnnData
    kb: KnowledgeBase
    truth: KnowledgeBase
    gene_sets: dict[str, list[str]]
    go_counts: pd.Series
    card: dict[str, Any]
    effects: pd.DataFrame
    expression: pd.Series

    def cells(
        self, n_cells: int = 40, n_control: int | None = None, *, sign: int = -1, seed: int = 0
    ) -> ad.AnnData:
        """Draw single cells of the perturbations of one kind, as a screen would count them.

        Counts are negative binomial around the unperturbed level times ``2**effect``.

        Parameters
        ----------
        n_cells : int
            Cells per condition.
        n_control : int, optional
            Unperturbed cells; default five times ``n_cells``.
        sign : {-1, 1}
            Knock-outs, or over-expressions (a label like ``"tf01+ctrl"`` cannot tell them apart,
            so one table holds one kind).
        seed : int
            Seed of the cells.

        Returns
        -------
        AnnData
            Cells × genes. ``X``: counts, sparse float32. ``obs["condition"]`` as GEARS writes it:
            ``"tf01+ctrl"``, ``"tf01+tf05"`` or ``"ctrl"``, by gene id (= ``var["gene_name"]``);
            also ``control`` (0/1), ``cell_type`` and ``perturbation`` (name of the condition in
            ``data.obs``, or ``"control"``).

        Raises
        ------
        ValueError
            A number of cells is below 1, or ``sign`` is neither -1 nor 1.

        Examples
        --------
        >>> cells = simulate(60, 12, seed=1).cells(n_cells=2, n_control=5)
        >>> cells.obs["condition"].iloc[0], cells.obs["condition"].iloc[-1]
        ('tf01+ctrl', 'ctrl')
        """
        n_control = 5 * n_cells if n_control is None else n_control
        _whole_number("n_cells", n_cells, 1)
        _whole_number("n_control", n_control, 1)
        _whole_number("seed", seed, 0)
        if sign not in (-1, 1):
            raise ValueError(f"sign is {sign!r}; use -1 for knock-outs or 1 for over-expressions.")
        inputs = self.data.obsm["perturbation"].tocsr()
        rows = [i for i in range(inputs.shape[0]) if (inputs[[i]].data == sign).all()]
        genes = np.asarray(self.data.uns["genes"])
        labels = ["+".join([*genes[inputs[[i]].indices], "ctrl"][:2]) for i in rows]
        names = [str(self.data.obs_names[i]) for i in rows]
        repeats = [n_cells] * len(rows) + [n_control]
        effect = np.vstack([self.effects.to_numpy()[rows], np.zeros(self.data.n_vars)])
        mean = self.expression.to_numpy() * np.exp2(effect)
        counts = draw_cells(mean, repeats, np.random.default_rng(seed))
        obs = pd.DataFrame(
            {
                "condition": np.repeat([*labels, "ctrl"], repeats),
                "control": np.repeat([0] * len(rows) + [1], repeats),
                "cell_type": "simulated",
                "perturbation": np.repeat([*names, "control"], repeats),
            },
            index=[f"cell{i + 1:06d}" for i in range(sum(repeats))],
        )
        var = self.data.var[["name"]].assign(gene_name=self.data.var_names)
        return ad.AnnData(counts, obs=obs, var=var)


def simulate(
    n_genes: int = 400,
    n_regulators: int = 60,
    seed: int = 0,
    *,
    n_edges: int | None = None,
    n_replicates: int = 3,
    replicate_sd: float = 0.35,
    control_sd: float = 0.24,
    missing: float = 0.03,
    absent: float = 0.54,
    conflicting: float = 0.17,
) -> Simulation:
    """Simulate a perturbation study together with its true and its observed network.

    Parameters
    ----------
    n_genes, n_regulators : int
        Genes in all, and those of them that regulate.
    seed : int
        The same seed gives the same world, to the last bit on one machine.
    n_edges : int, optional
        Signed edges of the truth, about; default 1,000 for 400 genes and 60 regulators, and in
        proportion to ``n_genes·sqrt(n_regulators)``.
    n_replicates : int
        Replicates per condition.
    replicate_sd, control_sd : float
        Noise (log2) of each replicate, and of the controls that a batch of conditions shares.
    missing : float
        Share of (condition, gene) cells that were not measured.
    absent, conflicting : float
        Aims for the observed network: shares of the measured changes that it does not deduce, and
        of those it deduces with the wrong sign, at boolean k = 2. What was reached is in
        ``card["inconsistency"]``.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        Too few genes or regulators, or a share or noise out of range.

    Notes
    -----
    The paper finds 42-71% of the relationships in the data absent from the network and at least
    14% in conflict with it (Fig. 1). Here both come about by forgetting, misreading and inventing
    edges, mostly at genes that are little studied; the shares forgotten and misread are found by
    bisection.

    Examples
    --------
    >>> sim = simulate(60, 12, seed=1)
    >>> sim.data.n_vars, len(sim.truth.regulators)
    (60, 12)
    >>> sim.kb.genes == sim.truth.genes, sim.card["inconsistency"]["absent"] > 0.42
    (True, True)
    """
    _check_sizes(n_genes, n_regulators, seed, n_edges, n_replicates)
    _check_shares(missing, absent, conflicting, replicate_sd, control_sd)
    # one stream per part: a change in one part leaves the others as they were
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(8)]
    wanted = n_edges or round(1000 * n_genes / 400 * (n_regulators / 60) ** 0.5)
    world = draw_world(n_genes, n_regulators, wanted, rngs[0])
    fame, go_counts = draw_fame(world, rngs[1])
    x, batch = draw_conditions(world, rngs[2])
    effects = true_effects(world, x, rngs[3])
    measured = measure(effects, batch, n_replicates, replicate_sd, control_sd, missing, rngs[4])
    data = as_anndata(world, x, batch, n_replicates, measured, go_counts)
    data.obs["split"] = deal_split(x, rngs[6])
    truth = world.knowledge("truth")
    kb, found = observe(world, fame, data, (absent, conflicting), rngs[5])
    card = {
        "title": "Demo: a simulated study",
        "what": "Simulated by aligned.simulate; every gene, name and number is invented.",
        "licence": "MIT, like the package that makes it",
        "citation": "aligned.simulate of this package",
        "seed": int(seed),
        "n_conditions": data.n_obs,
        "n_genes": int(n_genes),
        "n_regulators": int(n_regulators),
        "n_edges_truth": truth.n_edges,
        "n_edges_observed": kb.n_edges,
        "n_batches": int(batch.max()) + 1,
        "n_replicates": int(n_replicates),
        "changed_share": round(float((data.X[data.layers["observed"]] != 0).mean()), 4),
        "inconsistency": {**YARDSTICK, **found},
    }
    return Simulation(
        data=data,
        kb=kb,
        truth=truth,
        gene_sets=modules(truth),
        go_counts=go_counts,
        card=card,
        effects=pd.DataFrame(effects, index=data.obs_names, columns=data.var_names),
        expression=pd.Series(rngs[7].lognormal(0.5, 0.9, n_genes), index=data.var_names),
    )


def _whole_number(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least {least}.")


def _check_sizes(
    n_genes: int, n_regulators: int, seed: int, n_edges: int | None, n_replicates: int
) -> None:
    _whole_number("seed", seed, 0)
    _whole_number("n_replicates", n_replicates, 1)
    _whole_number("n_regulators", n_regulators, 10)
    _whole_number("n_genes", n_genes, 1)
    if n_regulators >= n_genes:
        raise ValueError(
            f"n_regulators is {n_regulators} and n_genes {n_genes}; regulators are some of the "
            f"genes: give at least {3 * n_regulators} genes."
        )
    if n_genes < 3 * n_regulators:
        raise ValueError(
            f"n_genes is {n_genes} for {n_regulators} regulators; they need targets: give at "
            f"least {3 * n_regulators} genes."
        )
    if n_edges is not None:
        _whole_number("n_edges", n_edges, 5 * n_regulators)
        if n_edges > n_genes * n_regulators // 4:
            raise ValueError(
                f"n_edges is {n_edges}; above a quarter of all places "
                f"({n_genes * n_regulators // 4}) nothing is sparse any more: give fewer."
            )


def _check_shares(
    missing: float, absent: float, conflicting: float, replicate_sd: float, control_sd: float
) -> None:
    for name, value in (("replicate_sd", replicate_sd), ("control_sd", control_sd)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} is {value}; a standard deviation is a number >= 0.")
    if not 0 <= missing < 1:
        raise ValueError(f"missing is {missing}; it is a share of cells: give 0 to below 1.")
    if min(absent, conflicting) < 0 or not absent + conflicting <= 1:
        raise ValueError(
            f"absent is {absent} and conflicting {conflicting}; they are shares of the same "
            "measured changes: give two numbers >= 0 with a sum of at most 1."
        )


def load_demo(seed: int = 0) -> Bundle:
    """The edition ``demo``: one world of 400 genes and 60 regulators per seed.

    Examples
    --------
    >>> load_demo(seed=1).kb.n_edges
    926
    """
    made = simulate(n_genes=400, n_regulators=60, seed=seed)
    return Bundle(
        data=made.data,
        kb=made.kb,
        other_kb=None,
        go_counts=made.go_counts,
        gene_sets=made.gene_sets,
        card=made.card,
        yardstick=dict(YARDSTICK),
    )
