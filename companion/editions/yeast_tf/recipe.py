"""The edition ``yeast_tf``, step by step, from the originals to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from anndata import AnnData

from aligned._assets import asset
from aligned.data import Bundle, DataFile, Rows, folds, widen, with_split
from aligned.knowledge import KnowledgeBase
from companion.editions.parts import GeneNames, counts, inputs, overlap, pairs_in, set_counts
from companion.editions.yeast_tf import expression as ex
from companion.editions.yeast_tf import networks as nw
from companion.topology import rewired

__all__ = ["NETWORKS", "PARTS", "Originals", "build", "check_choices", "originals", "read_recipe"]

Recipe = Mapping[str, Any]

#: Networks, see the recipe; and which conditions each part of the data holds.
NETWORKS = ("yeastract", "gold", "binding", "rewired")
PARTS = {"joint": ("ko", "zev"), "ko": ("ko",), "zev": ("zev",)}


@dataclass(frozen=True)
class Originals:
    """What the recipe reads, once read: each attribute can be checked on its own.

    Attributes
    ----------
    logfc : dict of DataFrame
        ``ko`` and ``zev``: log2 fold changes, factors × all genes that were measured.
    panel : DataFrame of bool
        How a gene came to be here: ``chip``, ``outcome``, ``factor``; indexed by gene.
    names : GeneNames
        To systematic names.
    networks : dict of DataFrame
        ``gold``, ``yeastract``, ``binding``: ``source``, ``target``, ``sign``, ``evidence``.
    expression : DataFrame
        Pairs with expression evidence in YEASTRACT, whatever its sign.
    unknown : tuple of str
        YEASTRACT's factors without a systematic name; left out.
    go, sets : dict
        Genes by GO slim term, of the aspects to count and of those that are gene sets.
    """

    logfc: dict[str, pd.DataFrame]
    panel: pd.DataFrame
    names: GeneNames
    networks: dict[str, pd.DataFrame]
    expression: pd.DataFrame
    unknown: tuple[str, ...]
    go: dict[str, list[str]]
    sets: dict[str, list[str]]


def read_recipe() -> dict[str, Any]:
    """The page ``data/yeast_tf/recipe.yaml``."""
    text = asset("data/yeast_tf/recipe.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def check_choices(network: str | None, part: str | None) -> tuple[str, str]:
    """Network and part to use, the recipe's own for None.

    Examples
    --------
    >>> check_choices(None, "zev")
    ('yeastract', 'zev')
    >>> check_choices("silver", None)
    Traceback (most recent call last):
    ...
    ValueError: network='silver' is not a choice; use one of yeastract, gold, binding, rewired.
    """
    chosen = dict(read_recipe()["defaults"])
    for name, value, choices in (("network", network, NETWORKS), ("part", part, tuple(PARTS))):
        if value is not None and value not in choices:
            raise ValueError(f"{name}={value!r} is not a choice; use one of {', '.join(choices)}.")
        chosen[name] = value or chosen[name]
    return chosen["network"], chosen["part"]


def originals(paths: Mapping[str, Path], recipe: Recipe) -> Originals:
    """Read the registered files as the recipe says."""
    at = {key: paths[name] for key, name in recipe["files"].items()}
    pool, tolerance, go = recipe["pool"], recipe["tolerance"], recipe["go"]
    rows = {"573": ex.names_in(at["genes"]), "50": ex.names_in(at["factors"])}
    columns = {"573": ex.names_in(at["samples"]), "50": ex.names_in(at["factor_samples"])}
    ko, zev, factor_ko, factor_zev = (
        ex.labelled(at[key], rows[which], columns[which], pool)
        for key, which in (
            ("deletions", "573"),
            ("inductions", "573"),
            ("factor_deletions", "50"),
            ("factor_inductions", "50"),
        )
    )
    divided, plain = (pd.read_csv(at[key], index_col=0) for key in ("divided", "plain"))
    chip = ex.undivided(divided.drop(columns=pool), plain, tolerance).T
    logfc = {
        "ko": ex.joined([ko, chip, factor_ko], tolerance),
        "zev": ex.joined([zev, factor_zev], tolerance),
    }
    genes = logfc["ko"].columns
    groups = {"chip": chip.columns, "outcome": rows["573"], "factor": rows["50"]}
    names = nw.gene_names(at["names"])
    kinds = ("binding", "activates", "inhibits")
    read = {kind: nw.evidence_pairs(at[kind], names) for kind in kinds}
    binding, up, down = (read[kind][0] for kind in kinds)
    mode = pd.read_csv(at["mode"], sep="\t", index_col="TF")["Mode"]
    networks = {
        "gold": nw.gold_standard(at["gold"]),
        "yeastract": nw.with_sign(binding, up, down),
        "binding": nw.with_mode(binding, mode, recipe["mode_signs"]),
    }
    sources = {
        "Tchourine 2018": networks["gold"],
        "YEASTRACT DNA binding": binding,
        "YEASTRACT expression, activator": up,
        "YEASTRACT expression, inhibitor": down,
        "GO mode of the factor": networks["binding"],
    }
    return Originals(
        logfc=logfc,
        panel=pd.DataFrame({key: genes.isin(list(named)) for key, named in groups.items()}, genes),
        names=names,
        networks={name: nw.with_evidence(e, sources) for name, e in networks.items()},
        expression=pd.concat([up, down]).drop_duplicates(ignore_index=True),
        unknown=tuple(sorted({name for _, missing in read.values() for name in missing})),
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
        Registered name -> path; lines of the registry, for the card; closure of knowledge
        consistency, from the edition's YAML.
    network : {"yeastract", "gold", "binding", "rewired"}, optional
        The knowledge base; default: as the recipe says. Genes and regulators stay in any case.
    part : {"joint", "ko", "zev"}, optional
        Which conditions; default: as the recipe says.
    seed : int
        Seed of the rewired network; nothing else depends on it.

    Raises
    ------
    ValueError
        ``network`` or ``part`` is none of these.
    """
    network, part = check_choices(network, part)
    recipe = read_recipe()
    read = originals(paths, recipe)
    data = _as_anndata(read, PARTS[part], recipe)
    data = with_split(data, folds(data, split="perturbation")["0"])
    genes, chosen = data.uns["genes"], recipe["networks"][network]
    edges, others = (read.networks[n] for n in (chosen.get("of", network), chosen["other"]))
    factors = set(data.obs["factor"])
    named = {gene: read.names.display.get(gene, gene) for gene in map(str, genes)}
    kb, other_kb = (
        KnowledgeBase.from_edges(
            table, genes=genes, names=named, regulators=factors.union(table["source"])
        )
        for table in (edges, others)
    )
    if network == "rewired":
        kb = rewired(kb, seed)
        edges = kb.to_edges()
    return Bundle(
        data=data,
        kb=kb,
        other_kb=other_kb,
        go_counts=set_counts(read.go, genes),
        gene_sets=read.sets,
        card={
            **_card(read, data, kb, recipe),
            "network": network,
            "part": part,
            "other_network": chosen["other"],
            "overlap": overlap(edges, others, kb, data),
            "sources": [file.source() for file in sources],
        },
        yardstick=dict(yardstick),
    )


def _as_anndata(read: Originals, kinds: Sequence[str], recipe: Recipe) -> AnnData:
    """Responses and inputs as the contract wants them; ``uns["genes"]`` spans all networks."""
    logfc, obs = [], []
    for kind in kinds:
        made, table = recipe["conditions"][kind], read.logfc[kind]
        inside = read.panel.index[read.panel[made["panel"]].any(axis=1)].intersection(table.columns)
        sign = "-" if made["sign"] < 0 else "+"
        own = pd.Series({f: table.at[f, f] if f in table else np.nan for f in table.index})
        counted = table[inside].mask(pd.DataFrame({g: own.index == g for g in inside}, own.index))
        logfc.append(counted.set_axis([f"{factor}_{kind}" for factor in table.index]))
        obs.append(
            pd.DataFrame(
                {
                    "perturbation": [read.names.display.get(f, f) + sign for f in table.index],
                    "n_replicates": made["n_replicates"],
                    "factor": table.index,
                    "kind": kind,
                    "own_log2fc": own.to_numpy(),
                },
                index=logfc[-1].index,
            )
        )
    change, about = pd.concat(logfc), pd.concat(obs)
    change = change[sorted(change.columns)]
    calls = ex.call(change, np.log2(recipe["response"]["fold"]))
    measured = list(change.columns)
    genes = [*measured, *sorted(set(about["factor"]).difference(measured))]
    data = AnnData(
        calls,
        obs=about.assign(silent=~calls.any(axis=1)),
        var=read.panel.loc[measured].assign(
            name=[read.names.display.get(gene, gene) for gene in measured],
            go_count=set_counts(read.go, measured).to_numpy(),
        ),
        layers={
            "logfc": change.to_numpy(dtype=np.float32),
            "observed": change.notna().to_numpy(),
            "strict": ex.call(change, recipe["response"]["strict_log2fc"]),
        },
    )
    signs = (recipe["conditions"][kind]["sign"] for kind in about["kind"])
    perturbed = [{f: sign} for f, sign in zip(about["factor"], signs, strict=True)]
    data.obsm["perturbation"] = inputs(perturbed, genes)
    data.uns["genes"] = np.array(genes, dtype=str)
    return widen(data, *read.networks.values())


def _card(read: Originals, data: AnnData, kb: KnowledgeBase, recipe: Recipe) -> dict[str, Any]:
    rows, obs, ko = Rows.of(data, kb), data.obs, read.logfc["ko"]
    deduced = kb.deduce(rows.x, k=1)[:, kb.columns(list(data.var_names))]
    speaks, changed = rows.counted & (deduced != 0), rows.y != 0
    panel = read.panel[recipe["conditions"]["ko"]["panel"]].any(axis=1)
    kinds = {kind: obs[obs["kind"] == kind] for kind in obs["kind"].unique()}
    return {
        **{key: recipe[key] for key in ("title", "what", "licence")},
        "citation": "; ".join(recipe["citation"]),
        "n_conditions": data.n_obs,
        "kinds": counts(obs["kind"]),
        "n_factors": int(obs["factor"].nunique()),
        "n_response_genes": data.n_vars,
        "n_genes": len(data.uns["genes"]),
        "panel": {key: int(column.sum()) for key, column in read.panel.items()},
        "n_counted_cells": int(rows.counted.sum()),
        "share_changed": _share(changed, rows.counted),
        "share_changed_strict": _share(data.layers["strict"] != 0, rows.counted),
        "thresholds": dict(recipe["response"]),
        "n_silent": {kind: int(table["silent"].sum()) for kind, table in kinds.items()},
        "own_transcript": {
            kind: {
                "measured": int(table["own_log2fc"].notna().sum()),
                "expected": int(
                    (table["own_log2fc"] * recipe["conditions"][kind]["sign"] > 0).sum()
                ),
            }
            for kind, table in kinds.items()
        },
        "shared_response": ex.shared_response(ko.loc[:, panel]),
        "speaks": {
            "cells": int(speaks.sum()),
            "share_changed": _share(changed, speaks),
            "share_sign_right": _share(rows.y == deduced, speaks & changed),
        },
        "expression_evidence": _expression_evidence(read, ko.loc[:, panel], recipe),
        "n_edges": {name: len(edges) for name, edges in read.networks.items()},
        "unknown_factors": list(read.unknown),
        "n_gene_sets": len(read.sets),
        "limits": list(recipe["limits"]),
    }


def _expression_evidence(read: Originals, ko: pd.DataFrame, recipe: Recipe) -> dict[str, float]:
    """Share of a factor's strongly changed and of its unchanged cells that have such evidence."""
    known = ko[ko.index.isin(read.expression["source"])]
    cells = known.rename_axis(index="source", columns="target").stack().reset_index(name="logfc")
    cells = cells[cells["source"] != cells["target"]]
    has, size = pairs_in(cells, read.expression), cells["logfc"].abs().to_numpy()
    response = recipe["response"]
    return {
        "strong": _share(has, size > response["strict_log2fc"]),
        "unchanged": _share(has, size <= np.log2(response["fold"])),
    }


def _share(what: Any, among: Any) -> float:
    return round(float(what[among].mean()), 4) if among.any() else 0.0
