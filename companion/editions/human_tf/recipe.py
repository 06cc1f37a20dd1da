"""The edition ``human_tf``, step by step, from the originals to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from aligned.data import Bundle, DataFile, folds, linked_conditions, read_gmt, with_split
from aligned.knowledge import KnowledgeBase
from companion.editions.human_tf.networks import (
    SignedTable,
    collectri,
    complex_table,
    trrust,
)
from companion.editions.human_tf.signatures import (
    Signature,
    listed_often,
    own_gene_counts,
    read_signatures,
    responses,
)
from companion.editions.parts import (
    choose,
    counts,
    inputs,
    overlap,
    pairs_in,
    recipe_of,
    set_counts,
)

__all__ = ["NETWORKS", "OWN_GENE", "Originals", "build", "originals", "read_recipe"]

Recipe = Mapping[str, Any]

#: What to do with a signature whose factor's own transcript goes the wrong way.
OWN_GENE: dict[str, str] = {
    "drop_unexpected": "leave it out",
    "keep_all": "keep it",
}

#: Which edges of CollecTRI the knowledge base holds.
NETWORKS: dict[str, str] = {
    "whole": "all",
    "without_other": "those on pairs that TRRUST does not have, so that TRRUST is unseen",
}


@dataclass(frozen=True)
class Originals:
    """What the recipe reads, once read: each attribute can be checked on its own.

    Attributes
    ----------
    everything : tuple of Signature
        All species, all kinds.
    human : tuple of Signature
        Of the recipe's species, before any filter.
    usable : tuple of Signature
        Those of ``human`` that are a knock-out, a knock-down or an over-expression.
    network, other_network : SignedTable
        CollecTRI; TRRUST.
    complexes : DataFrame
        Sources that are complexes: ``complex``, ``member``.
    go, kegg : dict
        Sets of genes: GO biological processes; KEGG pathways.
    """

    everything: tuple[Signature, ...]
    human: tuple[Signature, ...]
    usable: tuple[Signature, ...]
    network: SignedTable
    other_network: SignedTable
    complexes: pd.DataFrame
    go: dict[str, list[str]]
    kegg: dict[str, list[str]]


def read_recipe() -> dict[str, Any]:
    """The page ``data/human_tf/recipe.yaml``."""
    return recipe_of("human_tf")


def originals(paths: Mapping[str, Path], recipe: Recipe) -> Originals:
    """Read the registered files as the recipe says.

    Parameters
    ----------
    paths : mapping
        Registered name -> path, from `aligned.data.fetch`.
    recipe : mapping
        From `read_recipe`.
    """
    at = {key: paths[name] for key, name in recipe["files"].items()}
    aliases, other = recipe["aliases"], recipe["other_network"]
    everything = read_signatures(at["up"], at["down"], recipe["kinds"], recipe["signs"], aliases)
    human = tuple(s for s in everything if s.species == recipe["species"])
    return Originals(
        everything=tuple(everything),
        human=human,
        usable=tuple(s for s in human if s.kind),
        network=collectri(at["network"], recipe["network"]["evidence"], aliases),
        other_network=trrust(at["other_network"], other["signs"], other["evidence"], aliases),
        complexes=complex_table(recipe["network"]["complexes"]),
        go=_renamed(read_gmt(at["go"]), aliases),
        kegg=_renamed(read_gmt(at["kegg"]), aliases),
    )


def build(
    paths: Mapping[str, Path],
    sources: Sequence[DataFile],
    yardstick: Mapping[str, Any],
    own_gene: str | None = None,
    network: str | None = None,
) -> Bundle:
    """Make the edition from its originals.

    Parameters
    ----------
    paths : mapping
        Registered name -> path.
    sources : sequence of DataFile
        Lines of the registry, for the card.
    yardstick : mapping
        Closure of knowledge consistency, from the edition's YAML.
    own_gene : {"drop_unexpected", "keep_all"}, optional
        What to do with signatures whose factor's own transcript goes the wrong way; default: as
        the recipe says.
    network : {"whole", "without_other"}, optional
        Which edges of CollecTRI to keep, see `NETWORKS`; default: as the recipe says. Regulators
        and genes stay in either case.

    Raises
    ------
    ValueError
        ``own_gene`` or ``network`` is none of these.
    """
    recipe = read_recipe()
    own_gene = choose("own_gene", own_gene, OWN_GENE, recipe["filters"]["own_gene"])
    network = choose("network", network, NETWORKS, recipe["network"]["edges"])
    read = originals(paths, recipe)
    kept = [s for s in read.usable if own_gene == "keep_all" or s.own != "unexpected"]
    data = _as_anndata(read, kept, recipe["genes"]["min_conditions"])
    data = with_split(data, folds(data, split="control_safe")["0"])
    genes = data.uns["genes"]
    edges, others = read.network.edges, read.other_network.edges
    shared = pairs_in(edges, others)
    kb = KnowledgeBase.from_edges(
        edges[~shared] if network == "without_other" else edges,
        genes=genes,
        regulators=edges["source"].unique(),
    )
    return Bundle(
        data=data,
        kb=kb,
        other_kb=KnowledgeBase.from_edges(others, genes=genes),
        go_counts=set_counts(read.go, genes),
        gene_sets=read.kegg,
        card={
            **_card(read, kept, data, recipe, sources),
            "own_gene": own_gene,
            "edges": network,
            "overlap": overlap(edges, others, kb, data),
        },
        yardstick=dict(yardstick),
    )


def _as_anndata(read: Originals, kept: Sequence[Signature], least: int) -> AnnData:
    """Responses and inputs as the contract wants them.

    ``uns["genes"]``: the measured genes, then every other gene that any human signature or either
    network names; each part sorted.
    """
    measured = listed_often(kept, least)
    named = {gene for s in read.human for gene in (s.factor, *s.listed, *s.both)}
    for table in (read.network.edges, read.other_network.edges):
        named |= set(table["source"]) | set(table["target"])
    genes = [*measured, *sorted(named.difference(measured))]
    y, observed = responses(kept, measured)
    data = AnnData(
        y,
        obs=_obs(kept),
        var=pd.DataFrame(
            {"name": measured, "go_count": set_counts(read.go, measured).to_numpy()},
            index=measured,
        ),
        layers={"observed": observed},
    )
    data.obsm["perturbation"] = inputs([{s.factor: s.sign} for s in kept], genes)
    data.uns["genes"] = np.array(genes, dtype=str)
    data.uns["complexes"] = read.complexes
    return data


def _obs(kept: Sequence[Signature]) -> pd.DataFrame:
    columns = {
        "perturbation": [f"{s.factor}{'-' if s.sign < 0 else '+'}" for s in kept],
        "n_replicates": [1] * len(kept),
        "controls": [s.series for s in kept],
        "series": [s.series for s in kept],
        "kind": [s.kind for s in kept],
        "method": [s.word for s in kept],
        "detail": [s.detail for s in kept],
        "platform": [s.platform for s in kept],
        "own_gene": [s.own for s in kept],
    }
    return pd.DataFrame(columns, index=pd.Index([s.name for s in kept]))


def _renamed(sets: Mapping[str, Sequence[str]], aliases: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [aliases.get(gene, gene) for gene in genes] for name, genes in sets.items()}


def _card(
    read: Originals,
    kept: Sequence[Signature],
    data: AnnData,
    recipe: Recipe,
    sources: Sequence[DataFile],
) -> dict[str, Any]:
    regulators = set(read.network.edges["source"])
    listed = sum(len(s.listed) for s in kept)
    changed = int(np.count_nonzero(data.X))
    group_sizes = np.bincount(linked_conditions(data))
    return {
        "title": recipe["title"],
        "what": recipe["what"],
        "licence": recipe["licence"],
        "citation": "; ".join(recipe["citation"]),
        "n_signatures_all_species": len(read.everything),
        "directions_all_species": counts(s.kind or "other" for s in read.everything),
        "n_signatures": len(read.human),
        "n_signature_factors": _factors(read.human),
        "left_out_words": counts(s.word for s in read.human if not s.kind),
        "n_usable": len(read.usable),
        "n_usable_factors": _factors(read.usable),
        "own_gene_counts": _with_share(own_gene_counts(read.usable)),
        "n_own_gene_dropped": len(read.usable) - len(kept),
        "n_conditions": data.n_obs,
        "n_factors": _factors(kept),
        "kinds": counts(s.kind for s in kept),
        "platforms": counts(s.platform for s in kept),
        "n_series": len({s.series for s in kept}),
        "n_linked_groups": len(group_sizes),
        "largest_linked_group": int(group_sizes.max()),
        "n_with_regulator": sum(s.factor in regulators for s in kept),
        "n_both_ways": sum(bool(s.both) for s in kept),
        "n_masked_cells": int((~data.layers["observed"]).sum()),
        "min_conditions": int(recipe["genes"]["min_conditions"]),
        "n_response_genes": data.n_vars,
        "n_listed_genes": len({gene for s in read.human for gene in s.listed}),
        "n_genes": len(data.uns["genes"]),
        "share_changed": round(changed / int(data.layers["observed"].sum()), 4),
        "share_changes_kept": round(changed / listed, 4),
        "median_listed": int(np.median([len(s.listed) for s in kept])),
        "unlisted": "written as unchanged; unchanged and not measured cannot be told apart",
        "complexes": {str(name): list(m) for name, m in recipe["network"]["complexes"].items()},
        "other_rows_without_sign": read.other_network.n_unsigned_rows,
        "other_pairs_without_sign": read.other_network.n_unsigned_pairs,
        "n_go_sets": len(read.go),
        "n_gene_sets": len(read.kegg),
        "aliases": dict(recipe["aliases"]),
        "limits": list(recipe["limits"]),
        "sources": [file.source() for file in sources],
    }


def _with_share(counts: dict[str, dict[str, int]]) -> dict[str, dict[str, float]]:
    """Counts by direction, with the share that goes the expected way where it is listed at all."""
    return {
        way: {
            **{what: int(number) for what, number in row.items()},
            "share_expected": round(row["expected"] / (row["expected"] + row["unexpected"]), 4),
        }
        for way, row in counts.items()
    }


def _factors(signatures: Sequence[Signature]) -> int:
    return len({s.factor for s in signatures})
