"""What a bad input gets: one sentence that names the thing, the place and the remedy.

One table, one row per fault. The command line has its own tests; this is the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import aligned as al
from aligned.data import load_data, load_edges, save

TINY = al.Config(
    n_networks=1, network_steps=1, align_steps=1, hidden=4, k=1, rule="boolean", device="cpu"
)


@dataclass(frozen=True)
class World:
    """A sound data set, a sound model, and a folder to break things in."""

    sim: al.Simulation
    model: al.Aligned
    folder: Path

    @property
    def data(self) -> AnnData:
        return self.sim.data.copy()

    @property
    def edges(self) -> pd.DataFrame:
        return self.sim.kb.to_edges()

    @property
    def genes(self) -> tuple[str, ...]:
        return self.sim.kb.genes

    @property
    def x(self) -> np.ndarray:
        return np.asarray(self.sim.data.obsm["perturbation"].todense())

    def fit(self, data: AnnData | None = None, **options: Any) -> al.Aligned:
        kb = options.pop("kb", self.sim.kb)
        return al.Aligned(TINY).fit(self.data if data is None else data, kb, **options)

    def bundle(self) -> Path:
        """The data set as a folder on disk."""
        sim, folder = self.sim, self.folder / "mine"
        return save(al.Bundle(sim.data, sim.kb, None, sim.go_counts, {}, {"title": "mine"}), folder)


@dataclass(frozen=True)
class Fault:
    """What is done, what is raised, and the words that must be in the message, in this order."""

    name: str
    do: Callable[[World], object]
    words: tuple[str, ...]
    kind: type[Exception] = field(default=ValueError)


# -------------------------------------------------------------------------------- the faults


def edges_with(world: World, row: int, **changes: object) -> pd.DataFrame:
    edges = world.edges.astype({"sign": object})
    for column, value in changes.items():
        edges.loc[row, column] = value
    return edges


def network_of(world: World, row: int, **changes: object) -> al.KnowledgeBase:
    return al.KnowledgeBase.from_edges(edges_with(world, row, **changes), world.genes)


def edge_twice(world: World) -> al.KnowledgeBase:
    again = world.edges.head(1).assign(evidence="another paper")
    return al.KnowledgeBase.from_edges(pd.concat([world.edges, again], ignore_index=True))


def response(world: World, value: float) -> AnnData:
    data = world.data
    matrix = data.X.astype(np.float32)
    i, j = np.argwhere(data.layers["observed"])[0]
    matrix[i, j] = value
    data.X = matrix
    return data


def unobserved_value(world: World) -> AnnData:
    data = world.data
    i, j = np.argwhere(~data.layers["observed"])[0]
    data.X[i, j] = 1
    return data


def perturbed_with(world: World, value: int) -> AnnData:
    data = world.data
    x = data.obsm["perturbation"].tolil()
    x[0, int(x.rows[0][0])] = value
    data.obsm["perturbation"] = sp.csr_matrix(x)
    return data


def without(world: World, what: str, key: str) -> AnnData:
    data = world.data
    del getattr(data, what)[key]
    return data


def no_training_rows(world: World) -> AnnData:
    data = world.data
    data.obs["split"] = "test"
    return data


def split_of_first(world: World, split: str) -> AnnData:
    data = world.data
    data.obs["split"] = [split, *data.obs["split"].astype(str)[1:]]
    return data


def other_ids(world: World) -> AnnData:
    data = world.data
    data.var_names = [f"ENSG{j:05d}" for j in range(data.n_vars)]
    data.uns["genes"] = np.array([*data.uns["genes"], *data.var_names])
    padding = sp.csr_matrix((data.n_obs, data.n_vars), dtype=np.int8)
    data.obsm["perturbation"] = sp.csr_matrix(sp.hstack([data.obsm["perturbation"], padding]))
    return data


def kb_over(data: AnnData, world: World) -> al.KnowledgeBase:
    return al.KnowledgeBase.from_edges(world.edges, data.uns["genes"])


def only_targets_perturbed(world: World) -> object:
    """No perturbed gene regulates anything."""
    data = world.data
    n, leaves = len(world.genes), [g for g in world.genes if g not in world.sim.kb.regulators]
    columns = [world.genes.index(leaves[i % len(leaves)]) for i in range(data.n_obs)]
    ones = np.full(data.n_obs, -1, np.int8)
    data.obsm["perturbation"] = sp.csr_matrix(
        (ones, (np.arange(data.n_obs), columns)), shape=(data.n_obs, n)
    )
    data.obs["perturbation"] = [f"{world.genes[c]}-" for c in columns]
    return world.fit(data)


def broken_file(world: World) -> Path:
    path = world.folder / "data.h5ad"
    path.write_text("<html>403 Forbidden</html>")
    return path


def folder_without(world: World, name: str) -> Path:
    folder = world.bundle()
    (folder / name).unlink()
    return folder


def folder_with_edges(world: World, frame: pd.DataFrame) -> Path:
    folder = world.bundle()
    frame.to_csv(folder / "edges.csv", index=False)
    return folder


def one_group(world: World) -> al.Aligned:
    data = world.data
    data.obs["group"] = "all"
    return world.fit(data)


FAULTS = [
    # --- unknown gene in a network or a perturbation
    Fault(
        "an edge names an unknown gene",
        lambda w: network_of(w, 3, target="xylX"),
        ("row 3 of the network", "'xylX'", "not among the 60 genes", "pass unknown='drop'"),
    ),
    Fault(
        "a listed regulator is unknown",
        lambda w: al.KnowledgeBase.from_edges(w.edges, w.genes, regulators=["xylX"]),
        ("regulator 'xylX'", "60 genes", "add it to `genes` or leave it out"),
    ),
    Fault(
        "an edge names no gene",
        lambda w: network_of(w, 2, source=np.nan),
        ("row 2 of the network", "names no gene", "fill or drop it"),
    ),
    Fault(
        "a perturbation names an unknown gene",
        lambda w: w.model.predict([{"xylX": -1}]),
        ("gene 'xylX'", "60 genes", "check the spelling"),
    ),
    Fault(
        "an explanation is asked of an unknown gene",
        lambda w: w.model.explain({w.genes[0]: -1}, "xylX"),
        ("gene 'xylX'", "60 genes", "check the spelling"),
    ),
    Fault(
        "the data perturb a gene that the network does not list",
        lambda w: w.fit(kb=al.KnowledgeBase.from_edges(w.edges)),
        ("network's genes", 'data.uns["genes"]', "KnowledgeBase.from_edges(edges, genes="),
    ),
    Fault(
        "a gene is measured but not listed",
        lambda w: w.sim.kb.columns(["xylX"]),
        ("gene 'xylX'", "not in the network's gene list", "build the network with `genes`"),
    ),
    Fault(
        "a gene is listed twice",
        lambda w: al.KnowledgeBase.from_edges(w.edges, [*w.genes, w.genes[0]]),
        ("`genes` lists", "twice", "one column"),
    ),
    # --- signs, edges, tables
    *(
        Fault(
            f"the sign of an edge is {sign!r}",
            lambda w, sign=sign: network_of(w, 1, sign=sign),
            ("row 1 of the network", "→", f"has sign {sign}", "use +1 (activates) or -1 (inhib"),
        )
        for sign in (0, 2, 0.5, "+", np.nan)
    ),
    Fault(
        "a weight is 0",
        lambda w: al.KnowledgeBase.from_edges(
            edges_with(w, 1, sign=0).rename(columns={"sign": "weight"})
        ),
        ("row 1 of the network", "has weight 0", "use +1"),
    ),
    Fault(
        "an edge is listed twice with different evidence",
        edge_twice,
        ("the edge", "listed twice, in rows 0 and", "'another paper'", "keep one row"),
    ),
    Fault(
        "a network lacks a column",
        lambda w: al.KnowledgeBase.from_edges(w.edges.rename(columns={"source": "tf"})),
        ("lacks the column source", "it has tf, target, sign", "frame.rename(columns="),
    ),
    Fault(
        "a network is no table",
        lambda w: al.KnowledgeBase.from_edges([("a", "b", 1)]),
        ("the network is a list", "give a pandas DataFrame"),
        TypeError,
    ),
    # --- responses
    Fault(
        "a response is NaN",
        lambda w: w.fit(response(w, np.nan)),
        ("X holds nan at condition 'ko_tf01', gene", "set it to 0 and mark it False"),
    ),
    Fault(
        "a response is no -1, 0 or 1",
        lambda w: w.fit(response(w, 2.5)),
        ("X holds 2.5 at condition 'ko_tf01', gene", "threshold fold changes first"),
    ),
    Fault(
        "an unmeasured cell holds a response",
        lambda w: w.fit(unobserved_value(w)),
        ("X is 1 at condition", "layers['observed'] is False", "set X to 0 there"),
    ),
    Fault(
        "the mask is missing",
        lambda w: w.fit(without(w, "layers", "observed")),
        ("layers['observed'] is missing", "numpy.ones(data.shape, dtype=bool)"),
    ),
    Fault(
        "a scored prediction is no -1, 0 or 1",
        lambda w: al.data_consistency(np.full((1, 2), 3), np.zeros((1, 2), int)),
        ("the prediction holds", "3", "unmeasured cells set to 0 and marked in `observed`"),
    ),
    Fault(
        "a prediction has another shape than the response",
        lambda w: al.data_consistency(np.zeros((1, 3), int), np.zeros((1, 2), int)),
        ("(1, 3)", "(1, 2)", "one row per condition and one column per measured gene"),
    ),
    Fault(
        "the data are no AnnData",
        lambda w: w.fit(pd.DataFrame(w.x)),
        ("the data are a DataFrame, not an AnnData", "anndata.read_h5ad(path)"),
        TypeError,
    ),
    # --- perturbations
    Fault(
        "a perturbation in the data is 2",
        lambda w: w.fit(perturbed_with(w, 2)),
        ("obsm['perturbation'] holds 2 at condition 'ko_tf01', gene", "use -1, 0 or 1"),
    ),
    Fault(
        "a condition perturbs nothing",
        lambda w: w.fit(perturbed_with(w, 0)),
        ("condition 'ko_tf01' has no perturbed gene", "leave controls out"),
    ),
    Fault(
        "a perturbation to predict is 2",
        lambda w: w.model.predict(2 * w.x),
        ("a perturbation holds", "2", "use -1 (knock-out), 0 (untouched) or 1"),
    ),
    Fault(
        "a perturbation to predict is a half",
        lambda w: w.model.predict(0.5 * w.x),
        ("a perturbation holds", "0.5", "use -1 (knock-out), 0 (untouched) or 1"),
    ),
    Fault(
        "a perturbation to predict is NaN",
        lambda w: w.model.predict(np.where(w.x == 0, np.nan, w.x)),
        ("a perturbation holds", "nan", "use -1 (knock-out), 0 (untouched) or 1"),
    ),
    Fault(
        "a perturbation by name is 2",
        lambda w: w.model.predict([{w.sim.kb.regulators[0]: 2}]),
        ("gene 'tf01' is perturbed by 2", "use -1 (knock-out) or 1 (over-expression)"),
    ),
    Fault(
        "perturbations have too few columns",
        lambda w: w.model.predict(w.x[:, :-1]),
        ("59 columns", "60 genes", "one column per gene of `kb.genes`"),
    ),
    # --- splits
    Fault(
        "a fold would be empty",
        lambda w: al.folds(w.data, "perturbation", n_folds=40),
        ("fold", "of split='perturbation' would test no condition", "use n_folds="),
    ),
    Fault(
        "a fold of linked conditions would be empty",
        lambda w: al.folds(w.data, "control_safe", n_folds=20),
        ("fold", "of split='control_safe' would test no condition", "use "),
    ),
    Fault(
        "one fold only",
        lambda w: al.folds(w.data, n_folds=1),
        ("n_folds=1 leaves nothing to train on", "use 2 or more"),
    ),
    Fault(
        "no condition to train on",
        lambda w: w.fit(no_training_rows(w)),
        ('obs["split"] == "train"', "mark the training conditions so"),
    ),
    Fault(
        "a condition belongs to no split",
        lambda w: w.fit(split_of_first(w, "holdout")),
        ("obs['split'] is 'holdout' for condition 'ko_tf01'", "use one of train, test, excluded"),
    ),
    Fault(
        "no condition at all",
        lambda w: w.fit(w.data[:0].copy()),
        ("there are 0 conditions", "give at least one each"),
    ),
    Fault(
        "all training conditions in one group",
        one_group,
        ("all training conditions belong to one group", "or set decision='argmax'"),
    ),
    # --- data and network strangers to each other
    Fault(
        "data and network share no gene",
        lambda w: w.fit(other_ids(w), kb=kb_over(other_ids(w), w)),
        ("share no gene", "ENSG00000", "translate one of the two"),
    ),
    Fault(
        "no perturbed gene is a regulator",
        only_targets_perturbed,
        ("none of the", "perturbed genes", "is a regulator", "use another network"),
    ),
    Fault(
        "the complete network lists other genes",
        lambda w: w.fit(complete_kb=al.KnowledgeBase.from_edges(w.edges)),
        ("complete_kb and kb list different genes", "complete_kb.hold_out(share)"),
    ),
    # --- schedules and options
    *(
        Fault(
            f"the schedule {schedule!r}",
            lambda w, schedule=schedule: w.fit(schedule=schedule),
            (f"schedule {schedule!r} holds", "join phases A (align) and R (refine)", "'auto'"),
        )
        for schedule in ("A-B", "a-r", "A-R-", "")
    ),
    *(
        Fault(
            f"an unknown {name}",
            lambda w, name=name: al.Config(**{name: "best"}),
            (f"{name}='best' is not a choice", "use one of '"),
        )
        for name in ("model", "estimator", "rule", "objective", "decision", "weights", "device")
    ),
    Fault(
        "an unknown setting",
        lambda w: TINY.replace(depth=3),
        ("'depth' is no setting of Config", "see its parameters"),
    ),
    Fault(
        "an unknown closure rule",
        lambda w: w.sim.kb.closure(rule="best"),
        ("'best'", "boolean", "majority"),
    ),
    Fault(
        "a path of length 0",
        lambda w: w.sim.kb.deduce(w.x, k=0),
        ("k", "0", ">= 1"),
    ),
    Fault(
        "an unknown split",
        lambda w: al.folds(w.data, "random"),
        ("split='random' is not a choice", "use one of perturbation, control_safe"),
    ),
    Fault(
        "an unknown treatment of unknown genes",
        lambda w: al.KnowledgeBase.from_edges(w.edges, unknown="ignore"),
        ("unknown='ignore' is not a choice", "use 'error' or 'drop'"),
    ),
    *(
        Fault(
            f"an unknown {name} of refinement",
            lambda w, name=name: al.refine(w.sim.kb, w.x, w.x, **{name: "best"}),
            (f"{name} 'best' is unknown", "choose one of ["),
        )
        for name in ("candidates", "rows", "penalty")
    ),
    Fault(
        "an unknown prediction",
        lambda w: w.model.predict(w.x, tuned_for="best"),
        ("tuned_for='best' is not a choice", "use one of ['neural', 'integrated']"),
    ),
    Fault(
        "a yardstick without k",
        lambda w: w.fit(yardstick={"rule": "boolean"}),
        ("the yardstick of this fit is {'rule': 'boolean'}", "give k", "boolean, majority"),
    ),
    Fault(
        "a yardstick with an unknown rule",
        lambda w: w.fit(yardstick={"k": 1, "rule": "best"}),
        ("the yardstick of this fit is", "'best'", "boolean, majority"),
    ),
    Fault(
        "a noise above 1",
        lambda w: w.sim.kb.corrupt(noise=40),
        ("noise is 40", "share of the network's pairs", "give 0 to 1"),
    ),
    Fault(
        "resuming from nowhere",
        lambda w: w.fit(resume=True),
        ("resume=True needs checkpoint=<folder>",),
    ),
    # --- files
    Fault(
        "no such data set",
        lambda w: al.load("ecolli"),
        ("there is no data set 'ecolli'", "did you mean 'ecoli'?", "give the path of a folder"),
    ),
    Fault(
        "no such folder",
        lambda w: al.load(w.folder / "nowhere"),
        ("there is no file or folder", "nowhere", "correct the path"),
    ),
    Fault(
        "no such file of data",
        lambda w: load_data(w.folder / "screen.h5ad"),
        ("there is no file", "screen.h5ad", "give the path of a .h5ad file"),
        FileNotFoundError,
    ),
    Fault(
        "no such file of edges",
        lambda w: load_edges(w.folder / "edges.csv"),
        ("there is no file", "edges.csv", "give the path of a table"),
        FileNotFoundError,
    ),
    Fault(
        "a file of data that is a web page",
        lambda w: load_data(broken_file(w)),
        ("data.h5ad", "cannot be read as .h5ad", "adata.write_h5ad(path)"),
    ),
    Fault(
        "a folder without its data",
        lambda w: al.load(folder_without(w, "data.h5ad")),
        ("the folder", "holds no data.h5ad", "a data set needs data.h5ad and edges.csv"),
        FileNotFoundError,
    ),
    Fault(
        "a folder without its edges",
        lambda w: al.load(folder_without(w, "edges.csv")),
        ("the folder", "holds no edges.csv", "a data set needs data.h5ad and edges.csv"),
        FileNotFoundError,
    ),
    Fault(
        "a folder whose edges hold a wrong sign",
        lambda w: al.load(folder_with_edges(w, edges_with(w, 4, sign=3))),
        ("mine: row 4 of the network", "has sign 3", "use +1"),
    ),
    Fault(
        "a folder whose network speaks of other genes",
        lambda w: al.load(
            folder_with_edges(w, pd.DataFrame({"source": ["x"], "target": ["y"], "sign": [1]}))
        ),
        ("share no gene", "x, y", "translate one of the two"),
    ),
    Fault(
        "a folder without a model",
        lambda w: al.Aligned.load(w.folder),
        ("holds no model (no model.json)", "give the folder that `save`"),
        FileNotFoundError,
    ),
]


# ---------------------------------------------------------------------------------- the tests


@pytest.fixture(scope="module")
def sound() -> tuple[al.Simulation, al.Aligned]:
    sim = al.simulate(n_genes=60, n_regulators=12, seed=1)
    return sim, al.Aligned(TINY).fit(sim.data, sim.kb, schedule="network")


@pytest.fixture
def world(sound: tuple[al.Simulation, al.Aligned], tmp_path: Path) -> World:
    return World(*sound, tmp_path)


@pytest.mark.filterwarnings("ignore:Network table")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_bad_input_gets_one_sentence(fault: Fault, world: World) -> None:
    with pytest.raises(fault.kind) as caught:
        fault.do(world)
    assert type(caught.value) is fault.kind
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert message.endswith(".")
    at = 0
    for words in fault.words:
        assert words in message[at:], message
        at = message.index(words, at)


def test_the_names_of_the_faults_are_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "A-B"},
        {"yardstick": {"k": 0, "rule": "boolean"}},
        {"data": no_training_rows},
        {"data": lambda w: response(w, np.nan)},
    ],
    ids=["schedule", "yardstick", "split", "response"],
)
def test_nothing_is_written_before_all_is_checked(options: dict[str, Any], world: World) -> None:
    make = options.pop("data", lambda w: w.data)
    with pytest.raises(ValueError):
        world.fit(make(world), checkpoint=world.folder / "run", **options)
    assert list(world.folder.iterdir()) == []


def test_every_fault_of_the_data_is_named_at_once(world: World) -> None:
    """Whoever brings a file mends it in one go."""
    data = response(world, np.nan)
    del data.layers["observed"]
    data.obs["split"] = "holdout"
    with pytest.raises(ValueError, match=r"in 3 places: \(1\) X holds nan.*\(2\).*\(3\) obs"):
        al.validate(data)


def test_repeated_rows_and_dropped_edges_are_told(world: World) -> None:
    twice = pd.concat([world.edges, world.edges.head(2)])
    with pytest.warns(UserWarning, match="2 repeated rows"):
        kb = al.KnowledgeBase.from_edges(twice, world.genes)
    assert kb == world.sim.kb
    strange = pd.concat([world.edges, world.edges.head(1).assign(target="xylX")])
    with pytest.warns(UserWarning, match="1 rows with unknown genes dropped"):
        kb = al.KnowledgeBase.from_edges(strange, world.genes, unknown="drop")
    assert kb == world.sim.kb
    assert kb.report["rows with unknown genes dropped"] == 1
