"""The edition ``ecoli``, step by step, from the originals to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from aligned._assets import asset
from aligned.data import Bundle, DataFile, folds, widen, with_split
from aligned.knowledge import KnowledgeBase
from companion.editions.ecoli.annotation import go_counts, imodulon_table, kegg_sets
from companion.editions.ecoli.expression import (
    MEASURED,
    Contrast,
    Responses,
    Thresholds,
    contrasts_with_expression,
    measured_expression,
    reconstructed_expression,
    response_genes,
    responses,
)
from companion.editions.ecoli.names import gene_names, read_gff
from companion.editions.ecoli.network import NetworkTable, ecocyc_network, trn_network
from companion.editions.ecoli.noise import noise_summary, replicate_disagreement, wild_type_calls
from companion.editions.parts import GeneNames, counts, inputs, recipe_of

__all__ = ["Originals", "build", "originals", "read_recipe"]

Recipe = Mapping[str, Any]

_OBS_COLUMNS = {
    "n_replicates": "n_replicates",
    "controls": "control_ids",
    "samples": "sample_ids",
    "expression_kind": "expression_kind",
    "study": "study",
    "medium": "medium",
    "match_level": "match_level",
    "perturbation_type": "perturbation_types",
    "background_mismatch": "background_mismatch",
    "strain": "strain_description",
    "temperature": "temperature",
    "pH": "pH",
    "carbon": "carbon",
    "supplement": "supplement",
    "culture": "culture",
    "note": "note",
}


@dataclass(frozen=True)
class Originals:
    """What the recipe reads, once read: each attribute can be checked on its own.

    Attributes
    ----------
    table : DataFrame
        The curated contrasts.
    names : GeneNames
        Names to b-numbers.
    measured : DataFrame
        Measured expression, response genes × samples.
    contrasts : tuple of Contrast
        Every condition with its expression.
    network, other_network : NetworkTable
        EcoCyc; the table of PRECISE-1K.
    go : DataFrame
        GO annotations per gene.
    kegg : dict
        KEGG pathways.
    thresholds : Thresholds
        When a gene counts as changed.
    place : DataFrame
        Where each gene lies on the genome: ``start, end`` (base pairs), ``strand``.
    imodulons : DataFrame
        Genes of the independent components of PRECISE: ``imodulon, gene``.
    """

    table: pd.DataFrame
    names: GeneNames
    measured: pd.DataFrame
    contrasts: tuple[Contrast, ...]
    network: NetworkTable
    other_network: NetworkTable
    go: pd.DataFrame
    kegg: dict[str, list[str]]
    thresholds: Thresholds
    place: pd.DataFrame
    imodulons: pd.DataFrame


def read_recipe() -> dict[str, Any]:
    """The page ``data/ecoli/recipe.yaml``."""
    return recipe_of("ecoli")


def originals(paths: Mapping[str, Path], recipe: Recipe) -> Originals:
    """Read the registered files as the recipe says.

    Parameters
    ----------
    paths : mapping
        Registered name -> path, from `aligned.data.fetch`.
    recipe : mapping
        From `read_recipe`.
    """
    named = recipe["files"]
    at = {key: paths[name] for key, name in named.items() if isinstance(name, str)}
    gene_info = pd.read_csv(at["gene_info"])
    aliases = pd.read_csv(asset("data/ecoli/gene_aliases.csv"))
    names = gene_names(gene_info, read_gff(at["genome"]), aliases)
    table = pd.read_csv(asset("data/ecoli/contrasts.csv"))
    metadata = pd.read_csv(at["metadata"], usecols=["sample_id", "R1"])
    measured = measured_expression([paths[name] for name in named["batches"]], metadata)
    rebuilt = reconstructed_expression(at["decomposition"])
    genes = response_genes(gene_info, rebuilt.index, recipe["genes"]["also"], measured.index)
    measured = measured.loc[genes]
    pairs = contrasts_with_expression(
        table,
        measured,
        rebuilt,
        baseline=gene_info.set_index("locus_tag")["p1k_ctrl_log_tpm"],
        lacking=recipe["lacking_in_bw25113"].values(),
    )
    other = recipe["other_network"]
    return Originals(
        table=table,
        names=names,
        measured=measured,
        contrasts=tuple(pairs),
        network=ecocyc_network(at["network"], names, recipe["network"]["evidence"]),
        other_network=trn_network(
            at["other_network"], names, other["complexes"], other["evidence"]
        ),
        go=go_counts(at["go"], names, pd.Index(gene_info["locus_tag"])),
        kegg=kegg_sets(at["kegg"], pd.read_csv(asset("data/ecoli/kegg_titles.csv"))),
        thresholds=Thresholds(**recipe["response"]),
        place=gene_info.set_index("locus_tag")[["start", "end", "strand"]],
        imodulons=imodulon_table(at["decomposition"]),
    )


def build(
    paths: Mapping[str, Path], sources: Sequence[DataFile], yardstick: Mapping[str, Any]
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
    """
    recipe = read_recipe()
    read = originals(paths, recipe)
    result = responses(read.contrasts, list(read.measured.index), read.thresholds)
    data = _as_anndata(read, result)
    data = with_split(data, folds(data, split="control_safe")["0"])
    genes = data.uns["genes"]
    display = {str(gene): read.names.display.get(str(gene), str(gene)) for gene in genes}
    return Bundle(
        data=data,
        kb=KnowledgeBase.from_edges(read.network.edges, genes=genes, names=display),
        other_kb=KnowledgeBase.from_edges(read.other_network.edges, genes=genes, names=display),
        go_counts=read.go["n_annotations"].reindex(genes, fill_value=0),
        gene_sets=read.kegg,
        card=_card(read, data, recipe, sources),
        yardstick=dict(yardstick),
    )


def _as_anndata(read: Originals, result: Responses) -> AnnData:
    """Responses and inputs as the contract wants them; ``uns["genes"]`` spans both networks."""
    measured = list(result.strict.columns)
    perturbed = [_perturbed(cell) for cell in read.table["perturbed_genes"]]
    unmeasured = {gene for row in perturbed for gene in row} - set(measured)
    genes = [*measured, *sorted(unmeasured)]
    where = read.place.reindex(measured)
    data = AnnData(
        result.strict.to_numpy(),
        obs=_obs(read, perturbed, genes),
        var=pd.DataFrame(
            {
                "name": [read.names.display.get(gene, gene) for gene in measured],
                "go_count": read.go["n_annotations"].reindex(measured, fill_value=0).to_numpy(),
                "start": where["start"].to_numpy(dtype=np.int64),
                "end": where["end"].to_numpy(dtype=np.int64),
                "strand": where["strand"].to_numpy(dtype=str),
            },
            index=measured,
        ),
        layers={
            "logfc": result.logfc.to_numpy(dtype=np.float32),
            "observed": result.observed.to_numpy(),
            "plain": result.plain.to_numpy(),
        },
    )
    data.obsm["perturbation"] = inputs(perturbed, genes)
    data.uns["genes"] = np.array(genes, dtype=str)
    data.uns["imodulons"] = read.imodulons
    return widen(data, read.network.edges, read.other_network.edges)


def _obs(read: Originals, perturbed: list[dict[str, int]], genes: list[str]) -> pd.DataFrame:
    place = {gene: i for i, gene in enumerate(genes)}
    obs = pd.DataFrame({new: read.table[old] for new, old in _OBS_COLUMNS.items()})
    labels = [
        ",".join(
            f"{read.names.display.get(gene, gene)}{'-' if row[gene] < 0 else '+'}"
            for gene in sorted(row, key=place.__getitem__)
        )
        for row in perturbed
    ]
    obs.insert(0, "perturbation", labels)
    text = obs.select_dtypes(exclude=["number", "bool"]).columns
    obs[text] = obs[text].fillna("").astype(str)
    return obs.set_index(pd.Index(read.table["contrast"], name=None))


def _perturbed(cell: str) -> dict[str, int]:
    """``"b2265:-1;b0593:-1"`` -> ``{"b2265": -1, "b0593": -1}``."""
    pairs = (part.split(":") for part in cell.split(";"))
    return {gene: int(sign) for gene, sign in pairs}


def _card(
    read: Originals, data: AnnData, recipe: Recipe, sources: Sequence[DataFile]
) -> dict[str, Any]:
    noise = noise_summary(
        replicate_disagreement(read.contrasts, read.thresholds),
        wild_type_calls(read.table, read.measured, read.thresholds),
    )
    observed = data.layers["observed"]
    measured = read.table["expression_kind"] == MEASURED
    return {
        "title": recipe["title"],
        "what": recipe["what"],
        "licence": recipe["licence"],
        "citation": "; ".join(recipe["citation"]),
        "n_conditions": data.n_obs,
        "n_measured_rows": int(measured.sum()),
        "n_reconstructed": int((~measured).sum()),
        "n_knockout_genes": int(np.unique(data.obsm["perturbation"].indices).size),
        "n_response_genes": data.n_vars,
        "n_genes": len(data.uns["genes"]),
        "n_imodulons": int(read.imodulons["imodulon"].nunique()),
        "n_observed_cells": int(observed.sum()),
        "share_changed_strict": round(float((data.X[observed] != 0).mean()), 4),
        "share_changed_plain": round(float((data.layers["plain"][observed] != 0).mean()), 4),
        "matched": counts(read.table["match_level"]),
        "perturbation_types": counts(read.table["perturbation_types"]),
        "thresholds": asdict(read.thresholds),
        "noise": noise,
        "unknown_names": list(read.network.unknown),
        "edges_without_sign": list(read.network.unsigned),
        "other_unknown_names": list(read.other_network.unknown),
        "other_edges_without_sign": len(read.other_network.unsigned),
        "limits": list(recipe["limits"]),
        "sources": [file.source() for file in sources],
    }
