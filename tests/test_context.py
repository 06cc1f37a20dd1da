"""What describes a cell: nothing of the condition itself, and every feature by another road."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import aligned as al
from aligned import context as module
from aligned.context import FEATURES, GROUPS, Context, ContextModel
from aligned.data import Rows
from aligned.knowledge import KnowledgeBase, Rule
from aligned.trust import N_INNER, Trust, cross_fitted, trust

World = tuple[KnowledgeBase, list[str], Rows, dict[str, list[str]]]


@pytest.fixture(scope="module")
def world() -> World:
    """A study with knock-outs, over-expressions and doubles; only some genes are measured."""
    sim = al.simulate(n_genes=80, n_regulators=16, seed=3)
    data = sim.data[:, :70].copy()
    return sim.kb, list(data.var_names), Rows.of(data, sim.kb), sim.gene_sets


def described(world: World, *groups: str, train: Rows | None = None) -> Context:
    kb, measured, rows, sets = world
    return Context(kb, measured, groups or tuple(GROUPS), sets).fit(
        rows if train is None else train
    )


def relatives(rows: Rows, i: int) -> np.ndarray:
    """Which conditions perturb one of the genes that condition i perturbs."""
    x = rows.x.toarray()
    return (x[:, x[i] != 0] != 0).any(axis=1)


def direction(rows: Rows) -> np.ndarray:
    return np.sign(rows.x.toarray().astype(int).sum(axis=1))


def noisy(rows: Rows, chosen: np.ndarray) -> Rows:
    """The same conditions with noise for the labels of some, and other cells measured."""
    rng = np.random.default_rng(0)
    y, counted = rows.y.copy(), rows.counted.copy()
    y[chosen] = rng.integers(-1, 2, y[chosen].shape)
    counted[chosen] = rng.random(y[chosen].shape) < 0.7
    return dataclasses.replace(rows, y=y, counted=counted)


@pytest.mark.parametrize("kind", ["single", "double", "turned"])
def test_no_cell_of_a_condition_or_its_relatives_enters_its_description(
    kind: str, world: World
) -> None:
    rows = world[2]
    x = rows.x.toarray()
    genes = np.abs(x).sum(axis=1)
    turned = np.array([(x == -row).all(axis=1).any() for row in x])
    i = int(np.flatnonzero({"single": genes == 1, "double": genes == 2, "turned": turned}[kind])[0])
    one, own = rows.take(np.array([i])), relatives(rows, i)
    assert own.sum() > 1
    groups = [g for g in GROUPS if g != "reverse"]
    before = described(world, *groups).phi(one)
    after = described(world, *groups, train=noisy(rows, own)).phi(one)
    assert_array_equal(after, before)
    itself = np.arange(len(rows)) == i  # its opposite may be known, it itself may not
    assert_array_equal(
        described(world, train=noisy(rows, itself)).phi(one), described(world).phi(one)
    )
    assert (described(world, *groups, train=noisy(rows, ~own)).phi(one) != before).any()


def test_what_is_asked_has_no_labels_to_look_at(world: World) -> None:
    rows = world[2]
    everything = np.ones(len(rows), bool)
    context = described(world)
    assert_array_equal(context.phi(noisy(rows, everything)), context.phi(rows))


def test_habits_count_the_other_genes_conditions(world: World) -> None:
    rows = world[2]
    phi, way = described(world, "habits").phi(rows), direction(rows)
    rng = np.random.default_rng(1)
    for i, j in zip(rng.integers(0, len(rows), 40), rng.integers(0, 70, 40), strict=True):
        others = ~relatives(rows, i)
        same = others & (way == way[i])
        expected = []
        anywhere = np.array(
            [(rows.y[others] == c)[rows.counted[others]].sum() + 1 for c in (-1, 0, 1)]
        )
        anywhere = anywhere / anywhere.sum()
        here = np.array([(rows.y[same] == c)[rows.counted[same]].sum() for c in (-1, 0, 1)])
        here = (here + 8 * anywhere) / (here.sum() + 8)
        for chosen, overall in ((same, here), (others, anywhere)):
            seen = rows.y[chosen, j][rows.counted[chosen, j]]
            for c in (1, -1):
                p = ((seen == c).sum() + 8 * overall[c + 1]) / (len(seen) + 8)
                expected.append(np.log(p / (1 - p)))
        assert_allclose(phi[i, j], [*expected, way[i]], rtol=1e-5)


def test_edges_and_degrees_are_the_networks(world: World) -> None:
    kb, measured, rows, _ = world
    context = described(world, "edges", "degrees")
    phi = dict(zip(context.names, np.moveaxis(context.phi(rows), 2, 0), strict=True))
    columns = kb.columns(measured)
    one, two = kb.deduction(rows.x, 1), kb.deduction(rows.x, Rule(2, "majority"))
    expected = {"δ1": one.delta, "reach1": one.reached, "δ2": two.delta, "reach2": two.reached}
    for name, array in expected.items():
        assert_array_equal(phi[f"edges: {name}"], array[:, columns])
    edges = kb.to_edges()
    edges = edges[edges.source != edges.target].drop_duplicates(["source", "target"])
    targets = edges.groupby("source").target.agg(set)
    x = rows.x.toarray()
    out = [
        len(set().union(*(targets.get(kb.genes[g], set()) for g in np.flatnonzero(row))))
        for row in x
    ]
    into = edges.target.value_counts().reindex(measured, fill_value=0)
    way = direction(rows)[:, None]
    log_out, log_in = np.log1p(out)[:, None], np.log1p(into.to_numpy())[None]
    for name, array in (("out-degree", log_out), ("in-degree", log_in),
                        ("out-degree × direction", log_out * way)):  # fmt: skip
        assert_allclose(phi[f"degrees: {name}"], np.broadcast_to(array, rows.y.shape), rtol=1e-6)
    assert_array_equal(phi["edges: δ1 × direction"], phi["edges: δ1"] * way)
    centred = (log_in - log_in.mean()) * phi["edges: reach1"]
    assert_allclose(phi["edges: reach1 × in-degree"], centred, atol=1e-6)


def _targets(kb: KnowledgeBase, sets: dict[str, list[str]]) -> np.ndarray:
    """Regulator targets of every gene, genes × genes."""
    known = np.zeros((len(kb.genes),) * 2)
    known[kb.regulator_index] = kb.state.toarray() != 0
    return known


def _members(kb: KnowledgeBase, sets: dict[str, list[str]]) -> np.ndarray:
    inside = [[gene in members for members in sets.values()] for gene in kb.genes]
    return np.array(inside) / np.log1p(np.array([len(members) for members in sets.values()]))


@pytest.mark.parametrize(
    ("group", "of_genes"), [("neighbours", _targets), ("similarity", _members)]
)
def test_similar_perturbations_are_asked(
    group: str, of_genes: Callable[..., np.ndarray], world: World
) -> None:
    kb, measured, rows, sets = world
    assert all(3 <= len(members) <= 300 for members in sets.values())
    phi = Context(kb, measured, (group,), sets, n_neighbours=4).fit(rows).phi(rows)[..., 0]
    profile, way = abs(rows.x).toarray() @ of_genes(kb, sets), direction(rows)
    spoken = 0
    for i in range(0, len(rows), 3):
        allowed = np.flatnonzero(~relatives(rows, i) & (way == way[i]))
        y, seen = rows.y[allowed].astype(float), rows.counted[allowed]
        length = np.linalg.norm(profile[allowed], axis=1) * np.linalg.norm(profile[i])
        weight = (profile[allowed] @ profile[i] / np.where(length > 0, length, 1)) ** 2
        usual = np.where(seen, y, 0).sum(0) / np.maximum(seen.sum(0), 1)
        near = np.argsort(-weight, kind="stable")[:4]
        moved = (weight[near, None] * seen[near] * (y[near] - usual)).sum(0)
        expected = moved / ((weight[near, None] * seen[near]).sum(0) + 0.3)
        assert_allclose(phi[i], expected, atol=1e-5)
        spoken += bool(expected.any())
    assert spoken > 3


def test_coresponse_follows_the_targets_correlations(world: World) -> None:
    kb, measured, rows, _ = world
    phi = described(world, "coresponse").phi(rows)[..., 0]
    said = kb.deduce(rows.x, 1)
    said[rows.x.nonzero()] = 0
    delta, way = said[:, kb.columns(measured)], direction(rows)
    chosen = np.flatnonzero(delta.any(axis=1))[::6]
    assert not phi[~delta.any(axis=1)].any()
    for i in chosen:
        rest = ~relatives(rows, i)
        z = np.ma.masked_array(rows.y.astype(float), ~rows.counted)[rest]
        for d in set(way[rest]):
            z[way[rest] == d] -= z[way[rest] == d].mean(axis=0)
        z = z.filled(0)
        z /= np.sqrt((z**2).sum(axis=0)) + 0.5
        for j in range(0, 70, 9):
            cubes = {t: (z[:, t] @ z[:, j]) ** 3 for t in np.flatnonzero(delta[i]) if t != j}
            agree = sum(delta[i, t] * rho for t, rho in cubes.items())
            mass = sum(abs(rho) for rho in cubes.values())
            assert_allclose(phi[i, j], agree / (mass + 0.1), atol=1e-5)


def test_the_reverse_is_minus_the_response_of_the_opposite_single(world: World) -> None:
    rows = world[2]
    response, known = np.moveaxis(described(world, "reverse").phi(rows), 2, 0)
    x = rows.x.toarray()
    singles = np.abs(x).sum(axis=1) == 1
    for i in range(len(rows)):
        expected, count = np.zeros(70), 0
        for gene in np.flatnonzero(x[i]):
            there = singles & (x[:, gene] == -x[i, gene])
            if there.any():
                seen = rows.counted[there]
                total = np.where(seen, rows.y[there], 0).sum(axis=0)
                expected -= total / np.maximum(seen.sum(axis=0), 1)
                count += 1
        assert_allclose(response[i], expected, atol=1e-6)
        assert (known[i] == count).all()
    assert 0 < known.any(axis=1).sum() < len(rows)


def test_blocks_give_the_numbers_of_one_block(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, context = world[2], described(world)
    whole = context.phi(rows)
    assert whole.dtype == np.float32
    p = ContextModel(context).fit(rows).probabilities(rows)
    monkeypatch.setattr(module, "BLOCK_CELLS", 3 * 70 + 1)
    parts = list(context.blocks(rows))
    assert len(parts) > 5
    assert_allclose(np.concatenate([phi for _, phi in parts]), whole, atol=1e-6)
    assert [s for s, _ in parts] == [
        slice(a, min(a + 3, len(rows))) for a in range(0, len(rows), 3)
    ]
    assert_allclose(ContextModel(context).fit(rows).probabilities(rows), p, atol=1e-6)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_is_off_is_absent(group: str, world: World) -> None:
    rows = world[2].take(np.arange(5))
    others = [g for g in GROUPS if g != group]
    context, every = described(world, *others), described(world)
    assert set(FEATURES) == set(GROUPS)
    assert not any(name.startswith(f"{group}:") for name in context.names)
    kept = [i for i, name in enumerate(every.names) if not name.startswith(f"{group}:")]
    assert context.names == tuple(every.names[i] for i in kept)
    assert_array_equal(context.phi(rows), every.phi(rows)[..., kept])


def test_a_gene_of_which_nothing_is_known_gets_the_overall_frequencies(world: World) -> None:
    _, measured, rows, sets = world
    sim = al.simulate(n_genes=80, n_regulators=16, seed=3)
    stranger = measured[40]
    edges = sim.kb.to_edges()
    kb = KnowledgeBase.from_edges(
        edges[(edges.source != stranger) & (edges.target != stranger)],
        sim.kb.genes,
        regulators=sim.kb.regulators,
    )
    counted = rows.counted.copy()
    counted[:, 40] = False
    train = dataclasses.replace(rows, counted=counted)
    rest = {name: [g for g in members if g != stranger] for name, members in sets.items()}
    context = Context(kb, measured, gene_sets=rest).fit(train)
    far = np.array([i for i in range(len(rows)) if not rows.x[[i]].toarray()[0, 40]])
    phi = dict(
        zip(context.names, np.moveaxis(context.phi(rows.take(far)), 2, 0)[:, :, 40], strict=True)
    )
    for i in (0, 7, 20):
        others = ~relatives(rows, far[i])
        seen = rows.y[others][counted[others]]
        p = ((seen == 1).sum() + 1) / (len(seen) + 3)
        assert_allclose(phi["habits: up, any direction"][i], np.log(p / (1 - p)), rtol=1e-5)
    for name, values in phi.items():
        if name not in ("reverse: known",) and not name.startswith(("habits", "degrees: out")):
            assert not values.any(), name


def test_without_a_network_habits_are_all(world: World) -> None:
    kb, measured, rows, _ = world
    edges = kb.to_edges()
    for given in (kb.regulators, ()):
        bare = KnowledgeBase.from_edges(edges[:0], kb.genes, regulators=given)
        context = Context(bare, measured).fit(rows)
        phi = dict(zip(context.names, np.moveaxis(context.phi(rows), 2, 0), strict=True))
        silent = [v for name, v in phi.items() if name.startswith(("neighbours", "coresponse"))]
        assert not np.any(silent)
        assert all(np.isfinite(values).all() for values in phi.values())
        assert_array_equal(phi["edges: δ1"], rows.x.toarray()[:, bare.columns(measured)])


LEFT = "name at least one, each once, and give gene sets where 'similarity' is all there is."


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["habits", "hue"], f"'hue' is no group of features; use some of {', '.join(GROUPS)}."),
        (["habits"] * 2, f"the groups of features are ['habits', 'habits']; {LEFT}"),
        (["similarity"], f"the groups of features are ['similarity']; {LEFT}"),
        ([], f"the groups of features are []; {LEFT}"),
    ],
)
def test_groups_are_checked_at_the_door(groups: list[str], message: str, world: World) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Context(world[0], world[1], groups)


def test_the_model_falls_back_on_frequencies_and_draws_with_weights(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb, measured, rows, _ = world
    silent = dataclasses.replace(rows, y=np.zeros_like(rows.y))
    model = ContextModel(Context(kb, measured, ("degrees",)))
    p = model.fit(silent).probabilities(rows)
    assert (p[:, 1] > 0.99).all()
    assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    one_sided = dataclasses.replace(rows, y=np.maximum(rows.y, 0))
    p = ContextModel(Context(kb, measured, ("habits",))).fit(one_sided).probabilities(rows)
    assert not p[:, 0].any()
    monkeypatch.setattr(module, "N_UNCHANGED", 400)
    monkeypatch.setattr(module, "N_CHANGED", 100)
    p = ContextModel(Context(kb, measured, ("habits",))).fit(rows).probabilities(rows)
    share = (rows.y[rows.counted] != 0).mean()
    assert_allclose(1 - p[:, 1][rows.counted].mean(), share, atol=0.03)


@pytest.fixture(scope="module")
def planted() -> tuple[KnowledgeBase, list[str], Rows, np.ndarray]:
    """A world in which the network is right in 80% of the cells of half the genes, else in 20%."""
    sim = al.simulate(n_genes=150, n_regulators=50, seed=1)
    rows = Rows.of(sim.data, sim.kb)
    rng = np.random.default_rng(0)
    dense = rng.choice([0, 0, 0, 1, 2], size=sim.kb.state.shape)  # every gene has many regulators
    kb = sim.kb.with_state(dense)
    delta = kb.deduce(rows.x, 1)
    reliable = rng.random(150) < 0.5
    right = rng.random(delta.shape) < np.where(reliable, 0.8, 0.2)
    noise = np.where(rng.random(delta.shape) < 0.02, rng.choice([-1, 1], delta.shape), 0)
    y = np.where(delta != 0, np.where(right, delta, 0), noise).astype(np.int8)
    return kb, list(sim.data.var_names), dataclasses.replace(rows, y=y), reliable


def test_trust_is_calibrated_where_the_network_is_right_for_some_genes_only(planted) -> None:  # type: ignore[no-untyped-def]
    kb, measured, rows, reliable = planted
    held = np.isin(rows.groups, sorted(set(rows.groups))[::4])
    train, test = rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held))
    found = Trust(ContextModel(Context(kb, measured))).fit(train)
    for part, w in ((train, found.of_train), (test, found.weights(test))):
        delta = kb.deduce(part.x, 1)
        cells = part.counted & (delta != 0)
        right = (part.y == delta)[cells]
        assert (w[delta == 0] == 0.5).all()
        assert_allclose(w[cells].mean(), right.mean(), atol=0.06)
        sure, wary = (w[:, genes][cells[:, genes]].mean() for genes in (reliable, ~reliable))
        assert sure > 0.6
        assert wary < 0.4
        for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1)):  # what is promised is what comes
            inside = (w[cells] > low) & (w[cells] <= high)
            if inside.sum() > 80:
                assert_allclose(w[cells][inside].mean(), right[inside].mean(), atol=0.1)
    blind = noisy(test, np.ones(len(test), bool))
    assert_array_equal(found.weights(blind), found.weights(test))
    again = Trust(ContextModel(Context(kb, measured)), everywhere=True).fit(train)
    silent = kb.deduce(train.x, 1) == 0
    assert_array_equal(again.of_train[silent], again.out_of_fold[:, 1][silent])
    assert_array_equal(again.of_train[~silent], found.of_train[~silent])


def test_trust_of_a_condition_is_by_models_that_did_not_see_its_group(world: World) -> None:
    kb, measured, rows, _ = world
    model = ContextModel(Context(kb, measured, ("habits", "edges")))
    inner = np.arange(len(rows)) % N_INNER
    p = cross_fitted(model, rows, inner)
    assert not hasattr(model.context, "train")
    own = inner == 1
    after = cross_fitted(model, noisy(rows, own), inner)
    assert_array_equal(after[own], p[own])
    assert (after[~own] != p[~own]).any()
    few = rows.take(np.flatnonzero(np.isin(rows.groups, sorted(set(rows.groups))[:5])))
    alone = Trust(model).fit(few).out_of_fold
    names = sorted(set(few.groups))
    assert len(names) == 5
    for name in names[:2]:
        mine = few.groups == name
        others = ContextModel(model.context).fit(few.take(np.flatnonzero(~mine)))
        expected = others.probabilities(few.take(np.flatnonzero(mine)))
        assert_allclose(alone[mine], expected, atol=1e-6)


def test_too_few_cells_leave_trust_as_the_model_gives_it(world: World) -> None:
    kb, measured, rows, _ = world
    delta = kb.deduce(rows.x, 1)[:, kb.columns(measured)]
    sure = dataclasses.replace(rows, y=np.where(delta != 0, delta, rows.y).astype(np.int8))
    found = Trust(ContextModel(Context(kb, measured, ("edges",)))).fit(sure)
    assert found.scale == (1.0, 0.0)
    assert_array_equal(found.of_train, trust(found.out_of_fold, delta))
