"""Single cells: reading both conventions, testing like scanpy, and every file that is no good."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from scipy import stats
from sklearn.metrics import f1_score

import aligned as al
from aligned.cells import Reading, Rules, import_cells, matrix, source
from aligned.cells.calling import Groups, compare
from aligned.cells.labels import choose_control, choose_key, kind_sign, read_labels
from aligned.cells.matrix import blocks, survey
from aligned.cells.source import open_cells

KO = Reading(kind="ko")
Make = Callable[..., Path]


def toy(labels: list[str], n_genes: int = 12, seed: int = 0, column: str = "condition"):
    """Counts of cells in which gene A falls where it is perturbed, and B with it."""
    rng = np.random.default_rng(seed)
    genes = ["A", "B", "C", "D", *(f"g{i}" for i in range(n_genes - 4))]
    mean = np.full((len(labels), n_genes), 4.0)
    hit = np.array(["A" in re.split(r"[+_]", label) for label in labels])
    mean[hit, :2] = 0.4
    obs = pd.DataFrame({column: labels}, index=[f"c{i}" for i in range(len(labels))])
    counts = sp.csr_matrix(rng.poisson(mean).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


def plain(n: int = 30) -> list[str]:
    return [*["A+ctrl"] * n, *["C+ctrl"] * n, *["ctrl"] * 2 * n]


@pytest.fixture
def write(tmp_path: Path) -> Make:
    def make(cells: ad.AnnData, name: str = "cells.h5ad") -> Path:
        cells.write_h5ad(tmp_path / name)
        return tmp_path / name

    return make


# ------------------------------------------------------------------------------------- the test


@pytest.fixture(scope="module")
def expression() -> tuple[sp.csc_matrix, np.ndarray]:
    """Log values with many zeros and ties, a gene nobody expresses and one without variation."""
    rng = np.random.default_rng(3)
    codes = rng.permutation(np.repeat([0, 1, 2, 3], [70, 25, 40, 2]))
    counts = rng.poisson(rng.lognormal(-0.5, 1.2, 40), (len(codes), 40)).astype(float)
    counts[codes == 1, :8] += 1
    counts[:, 38], counts[:, 39] = 0, 2
    return sp.csc_matrix(np.log1p(counts)), codes


def test_the_test_is_scanpys(expression):
    values, codes = expression
    found = compare(values, Groups(codes, np.zeros_like(codes)))
    cells = ad.AnnData(values.tocsr(), obs=pd.DataFrame({"group": codes.astype(str)}))
    cells.obs_names, cells.var_names = cells.obs_names.astype(str), cells.var_names.astype(str)
    cells.obs["group"] = cells.obs["group"].astype("category")
    sc.tl.rank_genes_groups(cells, "group", reference="0", method="wilcoxon", tie_correct=True)
    for i in (1, 2, 3):
        theirs = sc.get.rank_genes_groups_df(cells, str(i)).set_index("names")
        theirs = theirs.loc[cells.var_names]
        dull = np.arange(40) >= 38  # no variation: scanpy divides by zero there, we say p = 1
        npt.assert_allclose(found.p[i - 1][~dull], theirs["pvals"][~dull], rtol=1e-6)
        npt.assert_allclose(found.p[i - 1][dull], 1)
        npt.assert_allclose(found.logfc[i - 1], theirs["logfoldchanges"], rtol=1e-4, atol=1e-6)


def test_the_test_is_scipys_with_ties(expression):
    values, codes = expression
    found = compare(values, Groups(codes, np.zeros_like(codes)))
    dense = values.toarray()
    for i in (1, 2):
        theirs = stats.mannwhitneyu(
            dense[codes == i], dense[codes == 0], method="asymptotic", use_continuity=False
        )
        npt.assert_allclose(found.p[i - 1][:38], theirs.pvalue[:38], rtol=1e-9)
    npt.assert_array_equal(found.seen[0], (dense[codes <= 1] > 0).sum(axis=0))


def test_replicates_are_batches_with_cells_on_both_sides():
    codes = np.array([0] * 9 + [1] * 9 + [2] * 9)
    batch = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2] * 3)
    batch[-3:] = 3  # the third batch of condition 2 has no controls
    groups = Groups(codes, batch)
    assert groups.replicates.sum(axis=1).tolist() == [3, 2]
    values = np.zeros((27, 1))
    values[:9, 0], values[9:18, 0], values[18:, 0] = 1, [3, 3, 3, 2, 2, 2, 0, 0, 0], 2
    found = compare(sp.csc_matrix(values), groups)
    npt.assert_allclose(found.agreement[:, 0], [2 / 3, 1])


def test_agreement_of_replicates_decides(write):
    cells = toy(["A+ctrl"] * 60 + ["ctrl"] * 60, n_genes=30)
    cells.obs["run"] = (["x"] * 20 + ["y"] * 40) * 2
    table = cells.X.toarray()
    table[:20, 3], table[20:60, 3] = 0, 20  # D: down in one batch, up in the larger one
    cells.X = sp.csr_matrix(table)
    path = write(cells)
    loose = import_cells(path, Reading(kind="ko", batch_key="run"), Rules(agree=0.5)).data
    strict = import_cells(path, Reading(kind="ko", batch_key="run"), Rules(agree=1)).data
    assert loose.obs["n_replicates"].tolist() == [2]
    assert (loose[:, "D"].X[0, 0], strict[:, "D"].X[0, 0]) == (1, 0)
    assert strict[:, ["A", "B"]].X.tolist() == [[-1, -1]]


# -------------------------------------------------------------------------------- the matrix


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.csr_matrix.toarray])
def test_slices_and_blocks_give_what_scanpy_gives_at_once(form, write, tmp_path, monkeypatch):
    cells = toy(plain(), n_genes=23)
    reference = cells[20:110].copy()
    cells.X = form(cells.X)
    path = write(cells)
    monkeypatch.setattr(source, "PLACES", 300)
    monkeypatch.setattr(matrix, "GENES", 5)
    monkeypatch.setattr(matrix, "CELLS", 7)
    chosen = np.zeros(120, bool)
    chosen[20:110] = True
    folder = tmp_path / "scratch"
    folder.mkdir()
    with open_cells(path) as file:
        scale = survey(file, chosen)
        parts = list(blocks(file, chosen, scale, folder))
    assert [(start, stop) for start, stop, _ in parts][-1] == (20, 23)
    assert list(folder.iterdir()) == []
    sc.pp.normalize_total(reference)
    sc.pp.log1p(reference)
    assert scale.kind == "counts"
    npt.assert_allclose(
        np.hstack([part.toarray() for *_, part in parts]), reference.X.toarray(), rtol=1e-6
    )


def test_counts_and_their_logs_give_the_same_calls(write):
    cells = toy(plain())
    logged = cells.copy()
    sc.pp.normalize_total(logged)
    sc.pp.log1p(logged)
    raw, log = import_cells(write(cells), KO), import_cells(write(logged, "log.h5ad"), KO)
    assert "raw counts" in raw.card["matrix"]
    assert "log-normalised" in log.card["matrix"]
    npt.assert_array_equal(raw.data.X, log.data.X)
    npt.assert_allclose(raw.data.layers["logfc"], log.data.layers["logfc"], rtol=1e-4)


def test_the_base_of_the_logarithm_is_read(write):
    cells = toy(plain())
    sc.pp.normalize_total(cells)
    natural, binary = cells.copy(), cells.copy()
    sc.pp.log1p(natural)
    sc.pp.log1p(binary, base=2)
    one, two = (import_cells(write(c, f"{i}.h5ad"), KO) for i, c in enumerate((natural, binary)))
    npt.assert_allclose(
        one.data["A"][:, "A"].layers["logfc"], two.data["A"][:, "A"].layers["logfc"], rtol=0.02
    )


def test_a_layer_can_be_read_instead(write):
    cells = toy(plain())
    cells.layers["counts"] = cells.X.copy()
    cells.X = cells.X.toarray() - 4
    path = write(cells)
    with pytest.raises(ValueError, match=r"negative values \(down to -4\).*--layer counts"):
        import_cells(path, KO)
    assert import_cells(path, Reading(kind="ko", layer="counts")).data.n_obs == 2


# -------------------------------------------------------------------------------- what is called


def test_the_contract_is_kept_and_the_call_is_the_rule(write):
    found = import_cells(write(toy(plain())), KO)
    data = found.data
    al.validate(data)
    assert data.obs_names.tolist() == ["A", "C"]
    assert data.obs["perturbation"].tolist() == ["A-", "C-"]
    assert data.obs["n_cells"].tolist() == [30, 30]
    assert data.obs["n_replicates"].tolist() == [1, 1]
    assert data["A", ["A", "B"]].X.tolist() == [[-1, -1]]
    logfc, fdr = data.layers["logfc"], data.layers["fdr"]
    npt.assert_array_equal(
        data.X, np.where((fdr <= 0.05) & (abs(logfc) >= 0.25), np.sign(logfc), 0)
    )
    assert found.conditions.loc[0, ["cells", "down"]].tolist() == [30, 1]  # B; A is its own gene
    assert found.card["own_gene_measured"] == 2


def test_the_table_of_thresholds_recounts_the_calls(write):
    found = import_cells(write(toy(plain(), seed=4)), KO, Rules(fdr=0.2, log2fc=0.1))
    own = np.zeros(found.data.shape, bool)
    own[0, found.data.var_names.get_loc("A")] = own[1, found.data.var_names.get_loc("C")] = True
    fdr, logfc = (found.data.layers[name][~own] for name in ("fdr", "logfc"))
    assert len(found.thresholds) == 4 * 5
    for row in found.thresholds.itertuples():
        changed = (fdr <= row.fdr) & (abs(logfc) >= row.log2fc)
        assert row.called == pytest.approx(changed.mean())
    here = found.thresholds.query("fdr == 0.2 and log2fc == 0.1")["called"].item()
    assert here == pytest.approx((found.data.X[~own] != 0).mean())


def test_rare_genes_are_not_observed_and_perturbed_ones_stay_listed(write):
    cells = toy([*["A+Z"] * 20, *["C+ctrl"] * 20, *["ctrl"] * 40])
    table = cells.X.toarray()
    table[:, 5:7] = 0
    table[:9, 5] = 1  # seen in 9 cells of the first condition, in none of the second
    cells.X = sp.csr_matrix(table)
    found = import_cells(write(cells), KO)
    assert {"g1", "g2"}.isdisjoint(found.data.var_names)
    assert found.card["n_genes_too_rare"] == 2
    assert found.data.uns["genes"][-1] == "Z"
    assert found.data.obs["perturbation"].tolist() == ["C-", "A-,Z-"]
    loose = import_cells(write(cells), KO, Rules(min_seen=9)).data
    assert loose[:, "g1"].layers["observed"].ravel().tolist() == [False, True]
    assert np.isnan(loose["C", "g1"].layers["logfc"]).all()


@pytest.mark.parametrize(
    ("kind", "mark"), [("CRISPRi", "-"), ("KO", "-"), ("kd", "-"), ("CRISPRa", "+"), ("OE", "+")]
)
def test_the_kind_gives_the_direction(kind, mark, write):
    cells = toy(plain())
    cells.obs["perturbation_type"] = [kind] * 60 + ["none"] * 60
    data = import_cells(write(cells)).data
    assert data.obs["perturbation"].tolist() == [f"A{mark}", f"C{mark}"]
    assert set(data.obsm["perturbation"].data) == {kind_sign(kind, "here")}


def test_a_wrong_direction_is_doubted(write):
    labels = [f"{gene}+ctrl" for gene in ("A", "B", "C", "D") for _ in range(25)] + ["ctrl"] * 50
    cells = toy(labels, n_genes=60)
    table = cells.X.toarray()
    for i in range(4):
        table[25 * i : 25 * i + 25, i] = 0
    cells.X = sp.csr_matrix(table)
    path = write(cells)
    assert not any("--kind" in note for note in import_cells(path, KO).notes)
    wrong = import_cells(path, Reading(kind="crispra"))
    assert any("0 of 4 conditions only; is --kind right?" in note for note in wrong.notes)


def test_a_shift_of_the_totals_is_told(write):
    cells = toy(plain(60), n_genes=40)
    table = cells.X.toarray()
    table[:60, 4] = 100  # one gene takes a third of the counts
    cells.X = sp.csr_matrix(table)
    notes = import_cells(write(cells), KO).notes
    assert any(re.search(r"in 1 of 2 conditions the median gene .* in A: -0\.\d", n) for n in notes)


# ------------------------------------------------------------------------------------ conventions


def read(labels: list[str], control: str = "ctrl", genes: str = "A B C KLF1 HLA_A", **more: str):
    return read_labels(pd.Series(labels), control, genes.split(), **more)


@pytest.mark.parametrize(
    ("label", "genes"),
    [
        ("ctrl", ()),
        ("A+ctrl", ("A",)),
        ("ctrl+A", ("A",)),
        ("B+A", ("A", "B")),
        ("A+A", ("A",)),
        ("A_B", ("A", "B")),
        ("B_A", ("A", "B")),
        ("A_ctrl", ("A",)),
        ("HLA_A", ("HLA_A",)),
        ("KLF1_2", ("KLF1",)),
        ("sgKLF1-1", ("KLF1",)),
        ("KLF1", ("KLF1",)),
        ("A|B", ("A", "B")),
        ("unheard", ("unheard",)),
        ("nan", None),
        ("*", None),
        ("", None),
        ("control", None),  # another label of controls than the one asked for
    ],
)
def test_labels_of_both_conventions(label, genes):
    assert read([label, "ctrl", "A_C", "B_C"])[label] == genes


def test_an_underscore_parts_genes_where_most_are_known():
    found = read(["A_B", "A_C", "B_X1", "ctrl"])
    assert found["B_X1"] == ("B", "X1")
    with pytest.raises(ValueError, match=r"'A_pDS1' \(2 such\) could be two genes.*--strip"):
        read(["A_pDS1", "B_pDS2", "ctrl"])
    found = read(["A_pDS1", "B_pDS2", "ctrl_pBA5"], control="ctrl_pBA5", strip=r"_p[A-Z]+\d+$")
    assert found == {"A_pDS1": ("A",), "B_pDS2": ("B",), "ctrl_pBA5": ()}
    with pytest.raises(ValueError, match=r"--strip \(: no regular expression"):
        read(["A"], strip="(")


def test_both_conventions_give_the_same_data(write):
    gears = [*["A+ctrl"] * 10, *["ctrl+A"] * 10, *["A+C"] * 20, *["ctrl"] * 40]
    cells = toy(gears)
    one = import_cells(write(cells), KO).data
    cells.obs = pd.DataFrame(
        {"perturbation": ["A"] * 20 + ["C_A"] * 20 + ["control"] * 40}, index=cells.obs_names
    )
    two = import_cells(write(cells, "other.h5ad"), KO)
    assert (two.card["condition_key"], two.card["control"]) == ("perturbation", "control")
    npt.assert_array_equal(one.X, two.data.X)
    pd.testing.assert_frame_equal(one.obs, two.data.obs)


def test_symbols_are_found_beside_ensembl_ids(write):
    cells = toy(plain())
    cells.var["gene_name"] = cells.var_names
    cells.var_names = [f"ENSG{i:011d}" for i in range(12)]
    found = import_cells(write(cells), KO)
    assert "A" in found.data.var_names
    assert found.data.var.loc["A", "id"] == "ENSG00000000000"
    assert any("gene_name" in note for note in found.notes)
    del cells.var["gene_name"]
    notes = import_cells(write(cells, "ids.h5ad"), KO).notes
    assert any("none of the 2 perturbed genes is measured" in note for note in notes)


def test_a_file_of_an_older_anndata_is_read(write):
    """Categories beside the table, as anndata 0.7 wrote them (the published files are that old)."""
    path = write(toy(plain()))
    with h5py.File(path, "r+") as file:
        index = file["obs/_index"][:]
        del file["obs"]
        obs = file.create_group("obs")
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0"})
        obs.attrs["_index"], obs.attrs["column-order"] = "_index", ["condition"]
        text = h5py.string_dtype()
        obs.create_dataset("_index", data=index, dtype=text)
        kept = obs.create_group("__categories")
        kept.create_dataset("condition", data=["A+ctrl", "C+ctrl", "ctrl"], dtype=text)
        codes = np.repeat([0, 1, 2], [30, 30, 60]).astype("int8")
        column = obs.create_dataset("condition", data=codes)
        column.attrs["categories"] = kept["condition"].ref
    assert import_cells(path, KO).data.obs_names.tolist() == ["A", "C"]


# ---------------------------------------------------------------------------- what is refused


def obs(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_wrong_keys_are_answered_with_the_right_ones():
    cells = obs(condition=["A", "ctrl"], cell_type=["K562", "K562"], guide=["sgA", "ctrl"])
    with pytest.raises(ValueError, match="no column 'conditon'; did you mean 'condition'"):
        choose_control(cells, "conditon", "ctrl")
    with pytest.raises(
        ValueError, match=r"'cell_type' \(it holds K562\); Did you mean --condition-key"
    ):
        choose_control(cells, "cell_type", "ctrl")
    with pytest.raises(ValueError, match=r"no cell is 'control'.*did you mean --control ctrl\?"):
        choose_control(cells, "condition", "control")
    with pytest.raises(ValueError, match=r"'x' holds none of the usual labels.*Name the label"):
        choose_control(obs(x=["A", "B"]), "x", "")
    with pytest.raises(ValueError, match=r"several labels of controls \(ctrl, NT\)"):
        choose_control(obs(x=["ctrl", "NT", "A"]), "x", "")
    with pytest.raises(ValueError, match="--condition-key; batch holds control cells"):
        choose_key(obs(batch=["A", "ctrl"]), "")
    with pytest.raises(ValueError, match="no column holds 'WT', so add --control"):
        choose_key(obs(batch=["A", "ctrl"]), "WT")
    assert (choose_key(cells, ""), choose_control(cells, "condition", "")) == ("condition", "ctrl")


@pytest.mark.parametrize(
    ("labels", "reading", "rules", "message"),
    [
        (plain(), Reading(), Rules(), "does not say what kind .* add --kind crispri"),
        (plain(), Reading(kind="CRISPR"), Rules(), "'CRISPR', which does not tell the direction"),
        (
            ["A+ctrl"] * 30,
            Reading(kind="ko", condition_key="condition"),
            Rules(),
            "none of the usu",
        ),
        (["A+ctrl"] * 30 + ["ctrl"] * 3, KO, Rules(), "there are 3 control cells .* fewer than 10"),
        (
            ["ctrl"] * 30 + ["A+ctrl", "C+ctrl"],
            KO,
            Rules(),
            r"no perturbation has 10 cells .* has 1",
        ),
        (plain(), Reading(where=["batch=1"]), Rules(), "no column 'batch'"),
        (plain(), Reading(where=["condition"]), Rules(), "write column=value"),
        (
            plain(),
            Reading(where=["condition=B"]),
            Rules(),
            "no cell has this value; .* holds A.ctrl",
        ),
        (plain(), Reading(kind="ko", batch_key="run"), Rules(), "--batch-key: .* no column 'run'"),
        (plain(), Reading(kind="ko", layer="counts"), Rules(), "no layer 'counts' .it has none"),
        (plain(), Reading(kind="ko", gene_key="name"), Rules(), "--gene-key: .* no column 'name'"),
    ],
)
def test_a_reading_that_does_not_fit_is_one_sentence(labels, reading, rules, message, write):
    path = write(toy(labels))
    with pytest.raises(ValueError, match=message) as caught:
        import_cells(path, reading, rules)
    assert "\n" not in str(caught.value)


def test_one_cell_perturbations_are_left_out_and_told(write):
    found = import_cells(write(toy([*plain(), "D+ctrl"])), KO)
    assert found.data.obs_names.tolist() == ["A", "C"]
    assert found.notes[0] == (
        "1 perturbations with fewer than 10 cells are left out, e.g. D (1 cell)."
    )
    assert found.card["n_cells"] == 120


def test_mixed_kinds_are_refused_with_the_way_out(write):
    cells = toy(plain())
    cells.obs["perturbation_type"] = ["CRISPRi", "CRISPRa"] * 15 + ["CRISPRi"] * 90
    cells.obs["dataset"] = ["one" if k == "CRISPRi" else "two" for k in cells.obs.iloc[:, 1]]
    for reading in (Reading(), Reading(kind="crispri")):
        with pytest.raises(
            ValueError, match=r"'A' mixes kinds .*CRISPRi, CRISPRa.*--where \w+="
        ) as e:
            import_cells(write(cells), reading)
        assert "different experiments" in str(e.value)
    assert (
        import_cells(write(cells), Reading(where=["dataset=one"])).data.obs["n_cells"].iloc[0] == 15
    )


def test_repeated_genes_are_refused_or_the_first_kept(write):
    cells = toy(plain())
    cells.var_names = ["A", "B", "B", *cells.var_names[3:]]
    path = write(cells)
    with pytest.raises(ValueError, match=r"1 genes more than once, e\.g\. 'B'; add --keep-first"):
        import_cells(path, KO)
    kept = import_cells(path, Reading(kind="ko", keep_first=True))
    assert kept.data["A", "B"].X[0, 0] == -1  # the first B answers, the second does not
    assert kept.data.n_vars == 11


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x - 1, "negative values .* scaled"),
        (lambda x: np.where(x == 3, np.nan, x), "no numbers"),
        (lambda x: x * 10.5, "fractions up to .* neither raw counts nor logarithms"),
        (lambda x: x * 0, "only zeros"),
    ],
)
def test_matrices_that_cannot_be_used(change, message, write):
    cells = toy(plain())
    cells.X = change(cells.X.toarray())
    with pytest.raises(ValueError, match=message):
        import_cells(write(cells), KO)


def test_broken_files(write, tmp_path):
    whole = write(toy(plain()))
    content = whole.read_bytes()
    for name, part, message in (
        ("empty", b"", r"is empty \(0 bytes\)"),
        ("half", content[: len(content) // 2], "cut short"),
        ("stub", content[:100], "cut short"),
        ("page", b"<html>403 Forbidden</html>", "cannot be read as .h5ad"),
    ):
        path = tmp_path / f"{name}.h5ad"
        path.write_bytes(part)
        with pytest.raises(ValueError, match=message) as caught:
            import_cells(path, KO)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
    packed = tmp_path / "norman.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(whole, "norman/perturb_processed.h5ad")
    with pytest.raises(ValueError, match=r"zip archive; unpack it .*perturb_processed\.h5ad"):
        import_cells(packed, KO)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        import_cells(tmp_path / "none.h5ad", KO)
    with h5py.File(whole, "r+") as file:
        del file["X/indices"]
    with pytest.raises(ValueError, match="cut short, damaged"):
        import_cells(whole, KO)


@pytest.mark.parametrize(
    ("field", "value"),
    [("fdr", 2), ("log2fc", -1), ("min_cells", 1), ("min_seen", 0), ("agree", 3)],
)
def test_rules_out_of_range(field, value):
    with pytest.raises(ValueError, match=rf"--{field.replace('_', '-')} is {value}"):
        Rules(**{field: value})


# ------------------------------------------------------------------------- real and simulated


def test_adamson_as_expected(mirror):
    path = mirror / "adamson2016_subset.h5ad"
    found = import_cells(
        path, Reading(condition_key="guide_gene", control="non-targeting", kind="crispri")
    )
    al.validate(found.data)
    changed = found.conditions.set_index("condition")[["up", "down"]].sum(axis=1)
    assert changed.to_dict() == {"BHLHE40": 9, "EP300": 0, "SNAI1": 1, "SPI1": 19, "ZNF326": 0}
    assert set(found.data.obs["n_cells"]) == {60}
    assert "raw counts" in found.card["matrix"]
    assert (found.card["n_control"], found.data.n_vars) == (60, 998)
    assert (found.card["own_gene_as_expected"], found.card["own_gene_measured"]) == (3, 3)
    labels = Reading(
        condition_key="perturbation", control="62(mod)_pBA581", kind="ko", strip=r"_p[A-Z]+\d+$"
    )
    npt.assert_array_equal(import_cells(path, labels).data.X, found.data.X)
    with pytest.raises(ValueError, match="'CRISPR', which does not tell the direction"):
        import_cells(path, Reading(condition_key="guide_gene", control="non-targeting"))


def test_norman_as_expected(mirror):
    path = mirror / "norman2019_subset.h5ad"
    with pytest.raises(ValueError, match="mixes kinds of perturbation"):
        import_cells(path)
    found = import_cells(path, Reading(where=["dataset=norman19"]))
    data = found.data
    al.validate(data)
    assert (data.n_obs, found.card["n_cells"], found.card["n_control"]) == (33, 3375, 100)
    assert "log-normalised" in found.card["matrix"]
    assert set(data.obsm["perturbation"].data) == {1}
    assert (data.obsm["perturbation"].getnnz(axis=1) == 2).sum() == 15
    assert data.obs.loc["KLF1+MAP2K6", "perturbation"] == "KLF1+,MAP2K6+"
    changed = found.conditions.set_index("condition")[["up", "down"]].sum(axis=1)
    assert changed.sort_values(ascending=False).head(2).to_dict() == {"CBL+CNN1": 12, "MAPK1": 12}
    assert int(changed.sum()) == 117
    assert "KLF1" in data.uns["genes"]
    assert "KLF1" not in data.var_names


def test_the_page_shows_these_thresholds(mirror):
    page = (Path(__file__).resolve().parents[2] / "book" / "single_cells.md").read_text("utf-8")
    shown = page.split("<!-- thresholds:begin -->")[1].split("<!-- thresholds:end -->")[0]
    assert shown.strip() == _thresholds(mirror), "copy what _thresholds returns"


def test_the_page_says_how_many_genes_are_seen(mirror):
    page = (Path(__file__).resolve().parents[2] / "book" / "single_cells.md").read_text("utf-8")
    shown = page.split("<!-- seen:begin -->")[1].split("<!-- seen:end -->")[0]
    path = mirror / "norman2019_subset.h5ad"
    norman = Reading(where=["dataset=norman19"])
    left = [import_cells(path, norman, Rules(min_seen=n)).data.n_vars for n in (10, 3, 1)]
    genes = ad.read_h5ad(path, backed="r").n_vars
    ten, three, one = left
    assert shown == (
        f"in Norman's subset ten cells leave {ten} of {genes} genes, three {three}, one {one}"
    )


def _thresholds(mirror: Path) -> str:
    adamson = Reading(condition_key="guide_gene", control="non-targeting", kind="crispri")
    lines = [
        "| subset | FDR | any size | ≥ 0.25 | ≥ 0.5 | ≥ 1 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, file, reading in (
        ("Norman", "norman2019", Reading(where=["dataset=norman19"])),
        ("Adamson", "adamson2016", adamson),
    ):
        table = import_cells(mirror / f"{file}_subset.h5ad", reading).thresholds
        for fdr, rows in table.groupby("fdr"):
            shares = " | ".join(f"{share:.2%}" for share in rows["called"])
            lines.append(f"| {name} | {fdr:g} | {shares} |")
    return "\n".join(lines)


def test_simulated_cells_give_the_simulated_responses_back(write):
    sim = al.simulate(seed=1)
    found = import_cells(write(sim.cells(n_cells=60, seed=2)), KO, Rules(log2fc=1))
    data = found.data
    inputs = sim.data.obsm["perturbation"]
    genes = np.asarray(sim.data.uns["genes"])
    row = {
        "+".join(sorted(genes[inputs[[i]].indices])): i
        for i in range(sim.data.n_obs)
        if (inputs[[i]].data == -1).all()
    }
    rows = [row[name] for name in data.obs_names]
    assert len(rows) == len(row)
    effects = sim.effects.iloc[rows][list(data.var_names)].to_numpy()
    truth = np.sign(effects) * (np.abs(effects) >= 1)
    seen = data.layers["observed"]
    assert f1_score(truth[seen], data.X[seen], average="macro") > 0.78  # all zero: 0.33
    seen &= (sim.expression[list(data.var_names)] > 2).to_numpy()
    assert np.corrcoef(effects[seen], data.layers["logfc"][seen])[0, 1] > 0.8
    measured = sim.data[sim.data.obs_names[rows], list(data.var_names)]
    both = measured.layers["observed"] & seen
    assert f1_score(measured.X[both], data.X[both], average="macro") > 0.7
    assert found.card["own_gene_as_expected"] == data.n_obs
