"""The edition ``yeast_tf``, step by step, from the originals to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from aligned.data import Bundle, DataFile, Rows, folds, widen, with_split
from aligned.knowledge import KnowledgeBase
from companion.editions import parts
from companion.editions.yeast_tf import expression as ex
from companion.editions.yeast_tf import networks as nw
from companion.topology import rewired

__all__ = ["Originals", "build", "check_choices", "originals"]

Recipe = Mapping[str, Any]


@dataclass(frozen=True)
class Originals:
    """What the recipe reads, once read: each attribute can be checked on its own.

    Attributes
    ----------
    logfc : dict of DataFrame
        ``ko`` and ``zev``: log2 fold changes, factors × all genes that were measured.
    panel : DataFrame of bool
        How a gene came to be here: ``chip``, ``outcome``, ``factor``; indexed by gene.
    names : parts.GeneNames
        To systematic names.
    networks : dict of DataFrame
        ``gold``, ``yeastract``, ``binding``: ``source``, ``target``, ``sign``, ``evidence``.
    expression : DataFrame
        Pairs with expression evidence in YEASTRACT, whatever its sign.
    unknown : tuple of str
        YEASTRACT's factors that have no gene id; left out.
    go, sets : dict
        Genes by GO slim term, of the aspects to count and of those that are gene sets.
    """

    logfc: dict[str, pd.DataFrame]
    panel: pd.DataFrame
    names: parts.GeneNames
    networks: dict[str, pd.DataFrame]
    expression: pd.DataFrame
    unknown: tuple[str, ...]
    go: dict[str, list[str]]
    sets: dict[str, list[str]]


def check_choices(network: str | None, part: str | None) -> tuple[str, str]:
    """Network and part to use; the recipe's first for None."""
    recipe = parts.recipe_of("yeast_tf")
    network = parts.choose("network", network, recipe["networks"])
    return network, parts.choose("part", part, recipe["parts"])


def originals(paths: Mapping[str, Path], recipe: Recipe) -> Originals:
    """Read the registered files as the recipe says."""
    at = {key: paths[name] for key, name in recipe["files"].items()}
    pool, tolerance, go = recipe["pool"], recipe["tolerance"], recipe["go"]
    measured = {
        key: ex.labelled([paths[name] for name in three], pool)
        for key, three in recipe["tables"].items()
    }
    divided, plain = (pd.read_csv(at[key], index_col=0) for key in ("divided", "plain"))
    chip = ex.undivided(divided.drop(columns=pool), plain, tolerance).T
    deletions, factors = measured["deletions"], measured["factor_deletions"]
    ko = ex.joined([deletions, chip, factors], tolerance)
    zev = ex.joined([measured["inductions"], measured["factor_inductions"]], tolerance)
    groups = {
        "chip": chip,
        "outcome": measured["deletions"],
        "factor": measured["factor_deletions"],
    }
    panel = {key: ko.columns.isin(table.columns) for key, table in groups.items()}
    names = nw.gene_names(at["names"])
    read = [nw.documented_pairs(at[key], names) for key in ("binding", "activates", "inhibits")]
    binding, up, down = (pairs for pairs, _ in read)
    mode = pd.read_csv(at["mode"], sep="\t", index_col="TF")["Mode"]
    sign = parts.pairs_in(binding, up).astype(int) - parts.pairs_in(binding, down)
    networks = {
        "gold": nw.gold_standard(at["gold"]),
        "yeastract": nw.with_sign(binding, sign),
        "binding": nw.with_sign(binding, binding["source"].map(mode).map(recipe["mode_signs"])),
    }
    sources = {
        "Tchourine 2018": networks["gold"],
        "YEASTRACT binding": binding,
        "YEASTRACT activator": up,
        "YEASTRACT inhibitor": down,
        "GO mode": networks["binding"],
    }
    return Originals(
        logfc={"ko": ko, "zev": zev},
        panel=pd.DataFrame(panel, index=ko.columns),
        names=names,
        networks={name: nw.with_evidence(edges, sources) for name, edges in networks.items()},
        expression=pd.concat([up, down]),
        unknown=tuple(sorted({name for _, unknown in read for name in unknown})),
        go=nw.slim_sets(at["slim"], go["counts"], go["roots"]),
        sets=nw.slim_sets(at["slim"], go["sets"], go["roots"]),
    )


def build(
    paths: Mapping[str, Path],
    sources: Sequence[DataFile],
    yardstick: Mapping[str, Any],
    network: str | None = None,
    part: str | None = None,
    seed: int = 0,
) -> Bundle:
    """Make the edition from its originals.

    Parameters
    ----------
    paths, sources, yardstick
        Registered name -> path; lines of the registry; closure of knowledge consistency.
    network, part : str, optional
        A key of the recipe's ``networks`` and one of its ``parts``; default: the first. Perturbed
        factors are regulators in any network.
    seed : int
        Seed of the rewired network; nothing else depends on it.
    """
    network, part = check_choices(network, part)
    recipe = parts.recipe_of("yeast_tf")
    read = originals(paths, recipe)
    data = _as_anndata(read, recipe["parts"][part], recipe)
    data = with_split(data, folds(data, split="perturbation")["0"])
    genes, chosen = data.uns["genes"], recipe["networks"][network]
    edges, others = (read.networks[name] for name in (chosen.get("of", network), chosen["other"]))
    display = {str(gene): read.names.display.get(str(gene), str(gene)) for gene in genes}
    kb, other_kb = (
        KnowledgeBase.from_edges(
            table, genes=genes, names=display, regulators={*data.obs["factor"], *table["source"]}
        )
        for table in (edges, others)
    )
    kb = rewired(kb, seed) if "of" in chosen else kb
    card = {
        **_card(read, data, kb, recipe),
        "network": network,
        "other_network": chosen["other"],
        "part": part,
        "overlap": parts.overlap(kb.to_edges(), others, kb, data),
        "sources": [file.source() for file in sources],
    }
    counts = parts.set_counts(read.go, genes)
    return Bundle(data, kb, other_kb, counts, read.sets, card, dict(yardstick))


def _as_anndata(read: Originals, kinds: Sequence[str], recipe: Recipe) -> AnnData:
    """Responses and inputs as the contract wants them; ``uns["genes"]`` spans all networks."""
    each = [_conditions(read, kind, recipe) for kind in kinds]
    logfc, obs = (pd.concat(tables) for tables in zip(*each, strict=True))
    logfc = logfc[sorted(logfc.columns)]
    genes = [*logfc.columns, *sorted(set(obs["factor"]).difference(logfc.columns))]
    data = AnnData(
        ex.call(logfc, np.log2(recipe["response"]["fold"])),
        obs=obs,
        var=read.panel.loc[logfc.columns].assign(
            name=[read.names.display.get(gene, gene) for gene in logfc.columns],
            go_count=parts.set_counts(read.go, logfc.columns),
        ),
        layers={
            "logfc": logfc.to_numpy(dtype=np.float32),
            "observed": logfc.notna().to_numpy(),
            "strict": ex.call(logfc, recipe["response"]["strict_log2fc"]),
        },
    )
    signs = [recipe["conditions"][kind]["sign"] for kind in obs["kind"]]
    perturbed = [{factor: sign} for factor, sign in zip(obs["factor"], signs, strict=True)]
    data.obsm["perturbation"] = parts.inputs(perturbed, genes)
    data.uns["genes"] = np.array(genes, dtype=str)
    return widen(data, *read.networks.values())


def _conditions(read: Originals, kind: str, recipe: Recipe) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counted fold changes of one kind (the panel's, own gene masked), and what obs says of it."""
    how, table = recipe["conditions"][kind], read.logfc[kind]
    inside = table.loc[:, read.panel.loc[table.columns, how["panel"]].any(axis=1)]
    way = "-" if how["sign"] < 0 else "+"
    obs = {
        "perturbation": [read.names.display.get(f, f) + way for f in table.index],
        "n_replicates": how["n_replicates"],
        "factor": table.index,
        "kind": kind,
        "own_log2fc": [table.at[f, f] if f in table else np.nan for f in table.index],
        "silent": ~ex.call(inside, np.log2(recipe["response"]["fold"])).any(axis=1),
    }
    own = np.equal.outer(table.index.to_numpy(), inside.columns.to_numpy())
    names = [f"{factor}_{kind}" for factor in table.index]
    return inside.mask(own).set_axis(names), pd.DataFrame(obs, index=names)


def _card(read: Originals, data: AnnData, kb: KnowledgeBase, recipe: Recipe) -> dict[str, Any]:
    rows, kinds = Rows.of(data, kb), data.obs["kind"]
    deduced = kb.deduce(rows.x, k=1)[:, kb.columns(list(data.var_names))]
    changed, speaks = rows.y != 0, rows.counted & (deduced != 0)
    return {
        **{key: recipe[key] for key in ("title", "what", "licence", "limits")},
        "citation": "; ".join(recipe["citation"]),
        "n_conditions": data.n_obs,
        "n_factors": int(data.obs["factor"].nunique()),
        "n_response_genes": data.n_vars,
        "n_genes": len(data.uns["genes"]),
        "panel": {key: int(column.sum()) for key, column in read.panel.items()},
        "thresholds": dict(recipe["response"]),
        "n_counted_cells": int(rows.counted.sum()),
        "share_changed": parts.share(changed, rows.counted),
        "share_changed_strict": parts.share(data.layers["strict"] != 0, rows.counted),
        "kinds": {kind: _of_kind(kind, read, data[kinds == kind], kb) for kind in kinds.unique()},
        "speaks": {
            "cells": int(speaks.sum()),
            "share_changed": parts.share(changed, speaks),
            "share_sign_right": parts.share(rows.y == deduced, speaks & changed),
        },
        "unknown_factors": list(read.unknown),
    }


def _of_kind(kind: str, read: Originals, data: AnnData, kb: KnowledgeBase) -> dict[str, Any]:
    """Counts of the conditions of one kind, and how far expression evidence may come from them."""
    obs, rows = data.obs, Rows.of(data, kb)
    changed, own = rows.y != 0, obs["own_log2fc"] * rows.x.sum(axis=1)
    logfc = read.logfc[kind].loc[:, data.var_names[rows.counted.any(axis=0)]]
    strength = np.linalg.svd(logfc - logfc.mean(), compute_uv=False) ** 2
    cells = pd.MultiIndex.from_product([obs["factor"], data.var_names], names=["source", "target"])
    has = parts.pairs_in(cells.to_frame(), read.expression).reshape(rows.y.shape)
    known = rows.counted & obs["factor"].isin(read.expression["source"]).to_numpy()[:, None]
    return {
        "n_conditions": len(obs),
        "n_silent": int(obs["silent"].sum()),
        "n_only_own": int((~changed.any(axis=1) & ~obs["silent"]).sum()),
        "own_transcript": {"measured": int(own.notna().sum()), "expected": int((own > 0).sum())},
        "shared_response": round(float(strength[0] / strength.sum()), 4),
        "expression_evidence": {
            "strong": parts.share(has, known & (data.layers["strict"] != 0)),
            "unchanged": parts.share(has, known & ~changed),
        },
    }
