"""From expression to ternary responses: knock-out samples against matched controls."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "Contrast",
    "Responses",
    "Thresholds",
    "contrasts_with_expression",
    "measured_expression",
    "reconstructed_expression",
    "response_genes",
    "responses",
    "sample_key",
]

Float = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]
Bool = npt.NDArray[np.bool_]

MEASURED = "log_tpm"


@dataclass(frozen=True)
class Thresholds:
    """When a gene counts as changed; see ``data/ecoli/recipe.yaml``."""

    mean_log2fc: float
    replicate_log2fc: float
    floor_tpm: float

    @property
    def floor(self) -> float:
        """Expression floor on the scale of the data, log2(TPM + 1)."""
        return float(np.log2(self.floor_tpm + 1))


@dataclass(frozen=True)
class Contrast:
    """Expression behind one condition, on the scale of log2(TPM + 1).

    Attributes
    ----------
    name : str
        The condition.
    measured : bool
        Measured, or rebuilt from the decomposition.
    samples, controls : ndarray of float, shape (m, replicates)
        Knock-out and control samples.
    baseline : ndarray of float, shape (m,)
        To add to return to the absolute scale: zero where expression is absolute already.
    masked : ndarray of bool, shape (m,)
        Genes that tell nothing here, whatever was read.
    """

    name: str
    measured: bool
    samples: Float
    controls: Float
    baseline: Float
    masked: Bool

    @property
    def replicate_log2fc(self) -> Float:
        """Each knock-out sample against the mean control, shape (m, replicates)."""
        control: Float = self.controls.mean(axis=1)
        return self.samples - control[:, None]

    @property
    def log2fc(self) -> Float:
        """Mean knock-out minus mean control, nan where not measured or masked, shape (m,)."""
        change = self.samples.mean(axis=1) - self.controls.mean(axis=1)
        return np.where(self.masked, np.nan, change)

    @property
    def level(self) -> Float:
        """The higher of the two means, absolute, shape (m,)."""
        higher = np.maximum(self.samples.mean(axis=1), self.controls.mean(axis=1))
        return np.asarray(higher + self.baseline)


@dataclass(frozen=True)
class Responses:
    """Responses of all conditions, each of shape (b, m).

    Attributes
    ----------
    logfc : DataFrame of float
        Log2 fold changes, nan where missing.
    strict, plain : DataFrame of int8
        Ternary calls, 0 where missing.
    observed : DataFrame of bool
        Where there is a fold change.
    """

    logfc: pd.DataFrame
    strict: pd.DataFrame
    plain: pd.DataFrame
    observed: pd.DataFrame


def sample_key(fastq: str) -> str:
    """What a fastq file and its column of expression have in common.

    Examples
    --------
    >>> sample_key("s3://bucket/run/DDB-PD-005--S03_S2_L001_R1_001.fastq.gz")
    'DDB_PD_005__S03_S2'
    """
    name = re.sub(r"\.fastq(\.gz)?$", "", fastq.rsplit("/", 1)[-1])
    name = re.sub(r"_R1(_001)?$", "", name)
    return _alphanumeric(re.sub(r"_L00\d$", "", name))


def measured_expression(batches: Sequence[Path], metadata: pd.DataFrame) -> pd.DataFrame:
    """Measured log2(TPM + 1) under the samples' own names.

    Parameters
    ----------
    batches : sequence of Path
        CSV files, genes × fastq names.
    metadata : DataFrame
        Columns ``sample_id`` and ``R1`` (the fastq file).

    Returns
    -------
    DataFrame
        Genes × those samples whose fastq file has a column.
    """
    tables = [pd.read_csv(path, index_col=0).rename(columns=_alphanumeric) for path in batches]
    columns = pd.concat(tables, axis=1)
    keys = metadata["R1"].dropna().map(sample_key)
    keys = keys[keys.isin(columns.columns)]
    matched = columns[keys.to_numpy()]
    return matched.set_axis(metadata.loc[keys.index, "sample_id"], axis=1)


def reconstructed_expression(path: Path) -> pd.DataFrame:
    """Expression rebuilt from the published ICA decomposition, M·A, genes × samples.

    It is centred on the samples ``control__wt_glc``; differences need no baseline.
    """
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        parts = json.load(stream)
    modules, activities = (pd.DataFrame(json.loads(parts[name])).astype(float) for name in "MA")
    return modules @ activities.loc[modules.columns]


def response_genes(
    gene_info: pd.DataFrame, decomposed: Iterable[str], also: Iterable[str], order: pd.Index
) -> list[str]:
    """Genes that get a response, in the order of the measured tables.

    Those PRECISE-1K kept (``p1k``), those of the decomposition, and those the recipe adds.
    """
    kept = set(gene_info.loc[gene_info["p1k"], "locus_tag"]) | set(decomposed) | set(also)
    return [gene for gene in order if gene in kept]


def contrasts_with_expression(
    table: pd.DataFrame,
    measured: pd.DataFrame,
    reconstructed: pd.DataFrame,
    baseline: pd.Series,
    lacking: Iterable[str],
) -> Iterator[Contrast]:
    """Pair every condition with its expression.

    Parameters
    ----------
    table : DataFrame
        The curated contrasts: ``contrast``, ``sample_ids``, ``control_ids`` (joined by ``;``),
        ``expression_kind``, ``background_mismatch``.
    measured, reconstructed : DataFrame
        Genes × samples; ``measured`` gives the genes.
    baseline : Series
        Absolute log2(TPM + 1) of the reference samples of ``reconstructed``, by gene.
    lacking : iterable of str
        Genes masked where the backgrounds differ.

    Raises
    ------
    ValueError
        A sample of the table has no expression.
    """
    genes = measured.index
    rebuilt = reconstructed.reindex(genes)
    absolute = baseline.reindex(genes).to_numpy(dtype=float)
    is_lacking = genes.isin(list(lacking))
    for row in table.itertuples():
        direct = row.expression_kind == MEASURED
        expression = measured if direct else rebuilt
        samples = _columns(expression, row.sample_ids, row.contrast)
        yield Contrast(
            name=row.contrast,
            measured=direct,
            samples=samples,
            controls=_columns(expression, row.control_ids, row.contrast),
            baseline=np.zeros(len(genes)) if direct else absolute,
            masked=is_lacking & bool(row.background_mismatch),
        )


def responses(
    contrasts: Iterable[Contrast], genes: Sequence[str], thresholds: Thresholds
) -> Responses:
    """Fold changes and ternary calls of all conditions."""
    rows = list(contrasts)
    names = [row.name for row in rows]
    logfc = np.stack([row.log2fc for row in rows])
    frame = {"index": names, "columns": list(genes)}
    return Responses(
        logfc=pd.DataFrame(logfc, **frame),
        strict=pd.DataFrame(np.stack([strict_call(row, thresholds) for row in rows]), **frame),
        plain=pd.DataFrame(plain_call(logfc, thresholds), **frame),
        observed=pd.DataFrame(~np.isnan(logfc), **frame),
    )


def plain_call(log2fc: Float, thresholds: Thresholds) -> Int8:
    """Sign of the fold change where it passes the threshold, else 0 (also where it is missing)."""
    change = np.nan_to_num(log2fc)
    return np.where(np.abs(change) > thresholds.mean_log2fc, np.sign(change), 0).astype(np.int8)


def strict_call(contrast: Contrast, thresholds: Thresholds) -> Int8:
    """Plain call that every replicate confirms, in a gene that is expressed at all."""
    call = plain_call(contrast.log2fc, thresholds)
    each = contrast.replicate_log2fc
    same_way = np.sign(each) == call[:, None]
    confirmed = (same_way & (np.abs(each) > thresholds.replicate_log2fc)).all(axis=1)
    return np.where(confirmed & (contrast.level >= thresholds.floor), call, 0).astype(np.int8)


def _columns(expression: pd.DataFrame, joined: str, contrast: str) -> Float:
    samples = joined.split(";")
    missing = [sample for sample in samples if sample not in expression.columns]
    if missing:
        raise ValueError(
            f"sample {missing[0]!r} of contrast {contrast!r} has no expression; correct "
            "data/ecoli/contrasts.csv, or add the file that holds it."
        )
    return np.asarray(expression[samples].to_numpy(dtype=float))


def _alphanumeric(name: str) -> str:
    return re.sub(r"[^0-9a-zA-Z]", "_", name)
