"""Folds: nothing of a tested perturbation is trained on."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from aligned.data import Bundle, folds, with_split
from aligned.data.splits import linked_conditions


def _data(genes: list[list[int]], controls: list[str] | None = None, n: int = 30):
    x = np.zeros((len(genes), n), dtype=np.int8)
    for i, row in enumerate(genes):
        x[i, row] = -1
    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(genes))])
    if controls is not None:
        obs["controls"] = controls
    return anndata.AnnData(
        np.zeros((len(genes), 1), np.int8), obs=obs, obsm={"perturbation": sp.csr_matrix(x)}
    )


CONDITIONS = st.lists(
    st.lists(st.integers(0, 29), min_size=1, max_size=2, unique=True), min_size=12, max_size=40
).filter(lambda rows: len({min(row) for row in rows}) >= 5)


@given(CONDITIONS, st.integers(0, 5))
def test_no_tested_first_gene_is_trained_on(genes: list[list[int]], seed: int) -> None:
    table = folds(_data(genes), seed=seed)
    assert (table == "test").sum(axis=1).eq(1).all()
    for column in table:
        part = table[column].to_numpy()
        firsts = {min(genes[i]) for i in np.flatnonzero(part == "test")}
        trained = {g for i in np.flatnonzero(part == "train") for g in genes[i]}
        assert firsts.isdisjoint(trained)
        assert firsts


def test_every_gene_has_one_fold_and_doubles_are_excluded() -> None:
    genes = [[0], [1], [2], [3], [4], [0, 1], [1, 0], [2, 4]]
    table = folds(_data(genes), seed=3)
    home = {g: table.columns[table.loc[f"c{g}"] == "test"][0] for g in range(5)}
    assert table.loc["c5", home[0]] == "test"
    assert table.loc["c5", home[1]] == "excluded"
    assert table.loc["c6"].equals(table.loc["c5"].rename("c6"))
    assert table.loc["c7", home[4]] == "excluded"
    assert (table.loc["c5"] == "train").sum() == 3


def test_folds_are_balanced_and_seeded() -> None:
    data = _data([[g] for g in range(25)])
    assert folds(data).eq("test").sum().tolist() == [5] * 5
    assert folds(data, seed=1).equals(folds(data, seed=1))
    assert not folds(data, seed=1).equals(folds(data, seed=2))


def _components_by_hand(keys: list[set[object]]) -> list[set[int]]:
    groups: list[tuple[set[int], set[object]]] = []
    for i, mine in enumerate(keys):
        linked = [group for group in groups if group[1] & mine]
        groups = [group for group in groups if not group[1] & mine]
        members = {i}.union(*(group[0] for group in linked))
        groups.append((members, mine.union(*(group[1] for group in linked))))
    return [members for members, _ in groups]


def test_single_conditions_are_dealt_evenly_and_seeded() -> None:
    data = _data([[0], [0], [0], [1], [1], [2, 3], [2]])
    table = folds(data, "condition", 3, seed=1)
    assert (table == "test").sum(axis=1).eq(1).all()
    assert not (table == "excluded").any(axis=None)
    assert sorted((table == "test").sum()) == [2, 2, 3]
    pd.testing.assert_frame_equal(table, folds(data, "condition", 3, seed=1))
    assert not table.equals(folds(data, "condition", 3, seed=2))
    with pytest.raises(ValueError, match="7 conditions make only 7 places to test; use n_folds=7"):
        folds(data, "condition", 8)


@given(CONDITIONS, st.data())
def test_linked_conditions_by_another_road(genes: list[list[int]], draw) -> None:
    samples = st.lists(st.sampled_from("stuvwxyz"), max_size=2, unique=True)
    controls = [draw.draw(samples) for _ in genes]
    label = linked_conditions(_data(genes, [";".join(c) for c in controls]))
    found = {frozenset(np.flatnonzero(label == g).tolist()) for g in np.unique(label)}
    keys = [set(g) | set(c) for g, c in zip(genes, controls, strict=True)]
    assert found == {frozenset(members) for members in _components_by_hand(keys)}


def test_control_safe_keeps_groups_together_largest_first() -> None:
    genes = [[0], [1], [2], [3], [3], [4], [5]]
    controls = ["a;b", "b;c", "c", "d", "e", "f", ""]
    table = folds(_data(genes, controls), split="control_safe", n_folds=3)
    assert table["0"].tolist() == ["test"] * 3 + ["train"] * 4
    assert table["1"].tolist() == ["train"] * 3 + ["test"] * 2 + ["train"] * 2
    assert not table.eq("excluded").any(axis=None)


def test_control_safe_reads_categorical_controls() -> None:
    data = _data([[0], [1], [2]], ["a", "a", "b"])
    data.obs["controls"] = data.obs["controls"].astype("category")
    assert linked_conditions(data).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "random"}, r"split='random' is not a choice; use one of perturbation, control"),
        ({"n_folds": 1}, r"n_folds=1 leaves nothing to train on"),
        ({"n_folds": 4}, r"fold 3 .* would test no condition.*use n_folds=3 or fewer"),
        ({"split": "control_safe", "n_folds": 3}, r"only 2 groups .*use n_folds=2 or fewer"),
    ],
)
def test_bad_folds(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folds(_data([[0], [1], [2]], ["a", "a", "b"]), **arguments)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="use another split"):
        folds(_data([[0], [1]], ["a", "a"]), split="control_safe", n_folds=2)


def test_with_split_copies(toy: anndata.AnnData) -> None:
    table = folds(toy, n_folds=2)
    after = with_split(toy, table["1"])
    assert after.obs["split"].tolist() == table["1"].tolist()
    assert toy.obs["split"].tolist() == ["train", "train", "test"]


def test_with_split_refuses(toy: anndata.AnnData) -> None:
    whole = pd.Series("train", index=toy.obs_names)
    with pytest.raises(ValueError, match="says nothing about condition 'double'"):
        with_split(toy, whole.drop("double"))
    whole["oe_1"] = "val"
    with pytest.raises(ValueError, match="split of condition 'oe_1' is 'val'"):
        with_split(toy, whole)


def test_ecoli_falls_into_nine_groups(ecoli_bundle: Bundle) -> None:
    data = ecoli_bundle.data
    sizes = sorted(np.bincount(linked_conditions(data)), reverse=True)
    assert sizes == [46, 18, 11, 5, 3, 2, 2, 1, 1]
    table = folds(data, split="control_safe")
    assert table["0"].tolist() == data.obs["split"].tolist()
    assert table.eq("test").sum().tolist() == [46, 18, 11, 7, 7]


# ------------------------------------------------------------------------------------ transfer


def _signed(rows: list[dict[int, int]], n: int = 12) -> anndata.AnnData:
    x = np.zeros((len(rows), n), dtype=np.int8)
    for i, row in enumerate(rows):
        x[i, list(row)] = list(row.values())
    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(rows))])
    return anndata.AnnData(
        np.zeros((len(rows), 1), np.int8), obs=obs, obsm={"perturbation": sp.csr_matrix(x)}
    )


def test_transfer_asks_about_over_expressions_of_held_out_genes_only() -> None:
    both = [{g: sign} for sign in (-1, 1) for g in range(10)]
    rows = [*both, {10: -1, 11: -1}, {0: 1, 1: 1}, {2: -1, 3: 1}]
    data = _signed(rows)
    table = folds(data, "transfer", n_folds=3, seed=2)
    asked = np.array([max(row.values()) > 0 for row in rows])
    assert (table[~asked] == "train").all(axis=None)
    assert (table[asked] == "test").sum(axis=1).eq(1).all()
    for column in table:
        part = table[column].to_numpy()
        tested = {min(rows[i]) for i in np.flatnonzero(part == "test")}
        trained_up = {g for i in np.flatnonzero((part == "train") & asked) for g in rows[i]}
        assert tested
        assert tested.isdisjoint(trained_up)


def test_transfer_deals_genes_as_the_split_by_perturbation_does() -> None:
    data = _signed([{g: sign} for sign in (-1, 1) for g in range(12)])
    one, two = folds(data, "transfer", seed=1), folds(data, "perturbation", seed=1)
    assert (one[12:] == two[12:]).all(axis=None)
    with pytest.raises(ValueError) as caught:
        folds(data[:12], "transfer")
    assert str(caught.value) == (
        "split='transfer' asks about over-expressions, and no condition has one; "
        "use split='perturbation'."
    )
    with pytest.raises(ValueError, match="make only 4 over-expressed first genes; use n_folds=4"):
        folds(data[:16], "transfer")
