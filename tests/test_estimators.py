"""The adapter's estimators side by side: regret falls, and `local` is the less noisy one."""

import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import aligned as al
from companion.ablations import report as ablations_report
from companion.ablations.estimators import CLOSE, EstimatorSettings, run_estimators
from companion.plot import plot_learning, plot_regret

mpl.use("Agg")


@pytest.fixture(scope="module")
def bundle():
    made = al.simulate(n_genes=80, n_regulators=15, seed=2)
    return al.Bundle(made.data, made.kb, None, made.go_counts, {}, {}, {"k": 1, "rule": "boolean"})


def settings(**changes):
    config = al.Config(n_networks=1, network_steps=5, k=1, rule="boolean")
    return EstimatorSettings(
        config, **{"genes": (30, 0), "seeds": (0,), "n_rows": 15, "steps": 60, **changes}
    )


@pytest.fixture(scope="module")
def tables(bundle):
    return run_estimators(bundle, settings(), progress=False)


def test_there_is_one_run_per_estimator_number_of_genes_and_form(tables):
    runs = ["estimator", "speak_only", "n_genes", "seed"]
    assert len(tables.finals) == 2 * 2 * 2
    assert not tables.finals.duplicated(runs).any()
    assert (tables.curves.groupby(runs).size() == 7).all()


def test_regret_starts_where_the_head_starts_and_is_never_below_the_optimum(tables):
    first = tables.curves.query("step == 0")["regret"].to_numpy()
    assert np.allclose(first, tables.finals["start"], equal_nan=True)
    assert tables.curves["regret"].dropna().min() >= 0


def test_local_learns_what_is_best(tables):
    local = tables.finals.query("estimator == 'local' and speak_only")
    assert (local["regret"] <= CLOSE).all()
    assert (local["regret"] <= local["start"]).all()


def test_the_gradient_of_local_is_less_noisy(tables):
    noise = tables.finals.pivot(
        index=["speak_only", "n_genes"], columns="estimator", values="noise"
    ).fillna(np.inf)
    assert (noise["local"] < noise["reinforce"]).all()


def test_the_same_seed_gives_the_same_curve(bundle, tables):
    again = run_estimators(bundle, settings(), progress=False)
    assert again.curves.equals(tables.curves)


def test_the_optimiser_is_the_methods(bundle):
    """Weights decay apart from the gradient, as in `Aligned`: plain Adam knows no such thing."""
    curves = []
    for decay in (0.0, 5.0):
        config = al.Config(n_networks=1, network_steps=0, k=1, rule="boolean", weight_decay=decay)
        asked = settings(estimators=("local",), genes=(30,), steps=20)
        tables = run_estimators(bundle, dataclasses.replace(asked, config=config), progress=False)
        curves.append(tables.curves["regret"])
    assert not np.allclose(*curves, equal_nan=True)


def test_what_learns_nothing_is_refused():
    with pytest.raises(ValueError, match="'exact' learns nothing; use 'local' or 'reinforce'"):
        EstimatorSettings(estimators=("exact",))


def test_the_reader_gets_means_over_seeds_and_who_never_arrives(tables):
    never = tables.finals["estimator"] == "reinforce"
    late = type(tables)(
        tables.curves, tables.finals.assign(steps=tables.finals["steps"].mask(never))
    )
    rows = ablations_report.estimator_rows(late).set_index(["symbols", "genes", "estimator"])
    assert len(rows) == len(tables.finals)  # one seed: every run is a row
    assert (rows.xs("reinforce", level="estimator")["steps to it"] == "never").all()
    mean = tables.finals.groupby(["speak_only", "estimator", "n_genes"])["regret"].mean()
    for form, text in ablations_report.FORMS.items():
        assert rows.loc[(text, "80", "local"), "at the end"].startswith(
            f"{mean[form, 'local', 80]:.1%} ("
        )
        expected = f"{mean[form, 'local', 80]:.1%} with 80"
        assert expected in ablations_report.estimator_sentence(tables)


def test_figures_show_every_seed_and_the_mean(tables):
    curves = tables.curves.query("speak_only and n_genes == 80")
    ax = plot_learning(curves, plt.subplots()[1])
    assert ax.get_legend_handles_labels()[1] == ["local", "reinforce"]
    assert len(ax.lines) == 2 * (1 + 1) + 1  # a seed and the mean per estimator, and the bar
    ax = plot_regret(tables.finals.query("speak_only"), plt.subplots()[1])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["30", "80"]
    plt.close("all")
