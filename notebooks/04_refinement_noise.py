# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does refining a damaged network beat leaving it alone?
#
# Refinement changes as few edges as will explain the responses. The paper tests it by damaging a
# network on purpose and reports that the rebuilt one has an F1 above 0.7 at 40% noise. But the
# **damaged network itself** scores higher than that: its intact edges are still there. So the line
# to beat is *doing nothing*, and this chapter holds every result against it. Then the question
# that cannot be answered by copying: are edges that were **hidden** from the method found again?
#
# | | |
# | --- | --- |
# | Data | networks damaged on purpose; for hidden edges the edition named below |
# | Budget | two cores: `demo` 90 seconds and 2 GB, `full` 10 minutes, `ecoli` about 40 minutes |
# | Replicates | seeds (damage and random network), hidings and regulators; 95% intervals |

# %% tags=["parameters"]
edition = "demo"  # data set of the hidden-edge test
network = "random"  # the true network: "random", "random, with hubs", or an edition's own
tables = ""  # folder with finished tables to show; empty: compute them now
full = False  # all noise levels, five seeds, larger networks
levels = []  # shares of corrupted edges; empty: those of the demo, or all where `full`
ks = []  # longest paths; empty: as above
seeds = []  # empty: as above
methods = []  # see `companion.noise.jobs.METHODS`; empty: all
thin_k = 2  # longest path where evidence is thin; 0 leaves those curves out
n_hidings = 5  # hidings of edges; 0 leaves the test out
n_loops = 1  # how many of them with an A-R-A-R fit
jobs = 2  # processes; one thread each
out = ""  # folder for the tables; empty: build/<edition>/tables/
beside = ""  # folder with tables of another network or other k, shown beside
cache = ""  # folder for finished runs, so that a long one can be taken up again

# %% tags=["hide-input"]
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from myst_nb import glue
from sklearn.metrics import average_precision_score

import aligned as al
import companion as co
from aligned._assets import asset
from aligned.records import run_record
from aligned.refine.alternatives import published_closure
from companion import plot
from companion.book import workspace
from companion.claims import published_noise, scorecard
from companion.hidden import report as hidden_report
from companion.literal import prose, styled
from companion.noise import report as noise_report
from companion.noise.jobs import METHODS, random_network

# %config InlineBackend.figure_formats = ["svg"]
pd.set_option("display.max_colwidth", None)

# %% [markdown] tags=["walk"]
# ## In a few lines
#
# The library, `aligned`, is imported as `al`, its companion as `co`. Take the edition's network for
# the truth, corrupt it, let every regulator be over-expressed once, and refine. Is it closer to the
# truth than the corrupted one, which is what doing nothing gives?

# %% tags=["walk"]
bundle = al.load(edition)
truth, longest = bundle.kb, bundle.yardstick["k"]
noisy = truth.corrupt(0.4, seed=0)
x = np.eye(len(truth.genes), dtype=np.int8)[truth.regulator_index]
y = truth.deduce(x, longest)  # the responses
refined = al.refine(noisy, x, y, longest).kb
for what, kb in {"corrupted": noisy, "refined": refined}.items():
    print(f"{what}: edge F1 {co.edge_scores(kb, truth, longest)['network_f1']:.3f}")

# %% [markdown] tags=["walk"]
# And hidden edges: hide a fifth, rank all pairs without a visible edge by how much the gene
# responded to that regulator, and see how high the hidden ones stand (average precision, AP).

# %% tags=["walk"]
data = bundle.data
visible, hidden = truth.hold_out(0.2, seed=0)
perturbed = data.obsm["perturbation"][:, truth.regulator_index].toarray()
response = np.abs(perturbed.T @ np.nan_to_num(data.layers["logfc"]))  # regulators × genes
measured = truth.columns(data.var_names)
before, after = (net.state.toarray()[:, measured] for net in (truth, visible))
candidates = (after == 0) & perturbed.any(axis=0)[:, None]
answer = before[candidates] > 0
ap, chance = average_precision_score(answer, response[candidates]), answer.mean()
print(f"{answer.sum()} hidden among {answer.size:,} pairs: AP {ap:.3f}, by chance {chance:.3f}")

# %% [markdown]
# ## The whole analysis
#
# As the parameters above ask; where they name finished tables, these are read instead.

# %%
given = {"levels": levels, "ks": ks, "seeds": seeds, "methods": methods}
given = {name: tuple(values) for name, values in given.items() if values}
given |= {"thin_k": thin_k} if thin_k else {"perturbed": (), "errors": ()}
make = co.NoiseSettings.full if full else co.NoiseSettings
settings = make(network=network, n_jobs=jobs, **given)
hiding = co.HiddenSettings(seeds=tuple(range(n_hidings or 1)), fit_seeds=n_loops, n_jobs=jobs)
if tables:
    noise, record = co.load_tables(co.NoiseTables, tables)
    hidden = co.load_tables(co.HiddenTables, Path(tables) / "hidden")[0] if n_hidings else None
else:
    start = time.monotonic()
    noise = co.run_noise(settings, cache=cache or None)
    bundle = al.load(edition)
    hidden = co.run_hidden(bundle, hiding) if n_hidings else None
    about = {"edition": edition, "settings": settings.to_dict(), "hiding": hiding.to_dict()}
    record = run_record(about, bundle.data, bundle.kb, time.monotonic() - start)
    place = Path(out) if out else workspace(edition) / "tables" / "04_refinement_noise"
    co.save_tables(noise, place, record)
    if hidden is not None:
        co.save_tables(hidden, place / "hidden", record)

# %% tags=["hide-input"]
source = f"read from `{tables}`" if tables else "computed by this notebook just now"
display(
    prose(
        f"These tables were {source}: {record['seconds']:,.0f} s on {record['machine']['cpus']} "
        f"cores, {record['created']}, commit `{str(record['commit'])[:10]}`."
    )
)

# %% [markdown]
# ## What is done to the network, and what comes back
#
# A network is the truth. Every regulator is over-expressed once, and the responses are what the
# true network deduces over paths of at most *k* steps. Then a share *p* of its edges is corrupted:
# *p*/2 are taken out, *p*/4 activations and *p*/4 inhibitions are put at empty places. Each method
# sees the corrupted network and the responses.

# %% tags=["hide-input"]
styled(pd.DataFrame([{"method": m.label, "what it is": m.what} for m in METHODS.values()]))

# %% [markdown]
# *Identifiable* is no method but a yardstick: many edits leave every response as it is, so nobody
# can see them. Starting from the truth, every corrupted edge that no response can tell is put back.

# %% tags=["hide-input", "full-width"]
shown = sorted(noise.scores["k"].unique())
paper = published_noise().query("method in ('l1', 'frobenius')")
paper = paper.assign(label="paper, " + paper["method"], value=paper["network_f1"])
with plot.theme():
    fig, axes = plt.subplots(1, len(shown), figsize=(10.5, 4.2), sharey=True, squeeze=False)
    for ax, k in zip(axes[0], shown, strict=True):
        at_k = paper if k == 5 else None
        plot.plot_recovery(noise_report.curve_rows(noise, k), ax, at_k)
        ax.set_title(f"paths up to k = {k}")
    axes[0][0].set_ylabel("macro-F1 of the edges")
    axes[0][0].set_ylim(0.35, 1.01)
    handles, labels = axes[0][-1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=5)
plt.show()

# %% [markdown]
# **Figure 1.** *How much of a damaged network comes back.* Macro-F1 of the edges over {-1, 0, 1},
# mean and 95% interval over seeds. The dashed line is the damaged network itself: a method below it
# does harm. The dotted line is what the responses can tell apart. Crosses at k = 5: the paper's
# figures, on its own network.

# %% tags=["full-width"]
worst = min(noise.scores["noise"].unique(), key=lambda p: abs(p - 0.4))
for k in shown:
    display(prose(f"**{worst:.0%} noise, k = {k}**"))
    display(styled(noise_report.score_table(noise, k, worst)))

# %% [markdown]
# *Repaired*: corrupted edges whose state is right again. *Harmed*: intact edges that were changed.
# *AUPRC*: area under the precision-recall curve of the method's weights. The structural Hamming
# distance counts the pairs whose state is wrong.

# %% tags=["full-width"]
for k in shown:
    display(prose(f"**Macro-F1 of the edges, k = {k}**"))
    display(styled(noise_report.noise_table(noise, k)))

# %% tags=["hide-input", "full-width"]
if beside:
    other, _ = co.load_tables(co.NoiseTables, beside)
    name, n_seeds = other.scores["network"].iloc[0], other.scores["seed"].nunique()
    for k in sorted(other.scores["k"].unique()):
        display(prose(f"**Beside: {name}, k = {k}, {n_seeds} seeds. Macro-F1 of the edges**"))
        display(styled(noise_report.noise_table(other, k)))
        display(prose("**... and of the closure**"))
        display(styled(noise_report.noise_table(other, k, "closure_f1")))

# %% [markdown]
# **The published closure** counts walks of length exactly *k* or *k* - 1. On a random network, of
# all pairs that paths of up to *k* steps reach, it loses so many, and gives so many another sign:

# %%
drawn, rows = random_network(seed=0), []
for k in (2, 3, 5):
    ours, theirs = drawn.closure(k), published_closure(drawn, k)
    other = (ours.signed != theirs.signed) & theirs.reached
    lost = ours.reached & ~theirs.reached
    shares = {
        "lost": lost.sum() / ours.reached.sum(),
        "another sign": other.sum() / ours.reached.sum(),
    }
    rows.append({"k": k, "pairs reached": f"{ours.reached.sum():,}", **shares})
styled(pd.DataFrame(rows), {"lost": "{:.0%}", "another sign": "{:.0%}"})

# %% [markdown]
# ## Is the shape of the network restored?
#
# *Degree assortativity*: do hubs link to hubs? *Modularity*: how well does the network fall into
# groups? Both are held against the original and against the original with its edges swapped at
# random, every degree kept.

# %% tags=["hide-input", "full-width"]
deep = max(shown)
if len(noise.topology):
    with plot.theme():
        fig, axes = plt.subplots(1, 2, figsize=(10.5, 3.8))
        for ax, measure in zip(axes, ("degree_assortativity", "modularity"), strict=True):
            plot.plot_topology(noise_report.topology_rows(noise, measure, deep), ax)
            ax.set_ylabel(measure.replace("_", " "))
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4)
    plt.show()
    near = min(noise.scores["noise"].unique(), key=lambda p: abs(p - 0.2))
    display(prose(noise_report.topology_sentence(noise, deep, near)))

# %% [markdown]
# **Figure 2.** *Topology against noise, at the longest k.* Refinement (blue) should stay on the
# black line where noise (dashed) leaves it; the grey band is chance.

# %% [markdown]
# ## When evidence is thin
#
# Left: only a share of the regulators is perturbed. Right: all are, in replicates, but a share of
# the calls is wrong. The price of an edit follows from the error rate that the replicates show, not
# from knowing the truth.

# %% tags=["hide-input", "full-width"]
curves = {"perturbed": "share of regulators perturbed", "errors": "share of wrong responses"}
if len(noise.thin):
    with plot.theme():
        fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.0), sharey=True)
        for ax, (curve, label) in zip(axes, curves.items(), strict=True):
            plot.plot_thin(noise_report.thin_rows(noise, curve), ax)
            ax.set_xlabel(label)
        axes[0].set_ylabel("macro-F1 of the edges")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4)
    plt.show()

# %% [markdown]
# **Figure 3.** *How much evidence refinement needs.* Dashed: the damaged network, the line to beat.

# %%
lines = [
    f"- {noise_report.thin_sentence(noise, curve, method)}"
    for curve in curves
    for method in noise.thin_summary["method"].unique()
    if method not in ("noisy", "identifiable")
]
prose("\n".join(lines) or "*This run left the curves out: see the random networks.*")

# %% [markdown]
# **Do no harm.** Where the network and the responses agree no better than with responses dealt anew
# among the perturbations, there is nothing to build on, and the network comes back as it was.

# %% tags=["nbval-check-output"]
print(noise_report.harmless_sentence(noise))

# %% [markdown]
# ## One repaired edge, from response to edit

# %%
prose(noise_report.example_sentence(noise))

# %% [markdown]
# ## Hidden edges: the test that cannot be copied
#
# A share of the edges of the *edition's* network is hidden from the method; the responses are those
# that were measured. All pairs of a regulator that was perturbed alone and a measured gene that are
# no visible edge are ranked; good rankings put the hidden edges first. Edges are hidden in whole
# **runs of neighbouring targets**: hidden one by one, they are found from their neighbours on the
# genome, without any response.
#
# Refinement's relaxed weights rank pairs, too, but know nothing of how many targets a regulator
# tends to have. The *learned log-odds* add four named terms, two from the network (visible targets
# of the regulator; targets it shares with the gene's visible regulators) and two from responses
# (how the gene responds to the regulator's perturbation; whether it responds like the regulator's
# visible targets). Their weights are learned by hiding *visible* edges once more, before the hidden
# ones are opened.

# %% tags=["hide-input", "full-width"]
if hidden is not None:
    kinds = list(hidden.summary["hiding"].unique())
    names = {"runs": "hidden in runs of neighbours", "random": "hidden one by one"}
    with plot.theme():
        fig, axes = plt.subplots(1, len(kinds), figsize=(10.5, 5.0), squeeze=False)
        for ax, kind in zip(axes[0], kinds, strict=True):
            plot.plot_average_precision(hidden_report.precision_rows(hidden, kind), ax)
            ax.set_title(names[kind])
        handles, labels = axes[0][0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4)
    plt.show()

# %% [markdown]
# **Figure 4.** *Which rankings find hidden edges?* Average precision with 95% intervals over
# hidings and regulators. *Lines* need no learning; *parts* leave terms out; *nulls* keep the
# network and deal the responses anew. What the responses are worth is the gap between the log-odds
# and their nulls.

# %% tags=["full-width"]
if hidden is not None:
    display(styled(hidden_report.summary_table(hidden)))
    display(styled(hidden_report.edit_table(hidden)))
    if len(hidden.support):
        display(styled(hidden_report.support_table(hidden)))

# %% [markdown]
# *Precision*: share of hidden edges among as many pairs from the top as edges are hidden. The
# second table looks at edits: pairs the loop added, against chance. The third, where there is a
# second network, hides nothing: are edges that only the *other* network has ranked high?

# %%
if hidden is not None:
    found = prose(hidden_report.hidden_answer(hidden))
    glue("answer_hidden", found, display=False)
    display(found)

# %% [markdown]
# ## How fast?
#
# Measured by `python -m benchmarks` beside a plain dense reference (every gene has a row, n × n
# matrices, four products per level) in one run; both give the same objective and gradient.

# %% tags=["hide-input", "full-width"]
speed = pd.read_csv(asset("results/benchmarks/refinement.csv"))
display(styled(noise_report.speed_table(speed)))
display(prose(noise_report.speed_sentence(speed)))

# %% tags=["hide-input", "full-width"]
growth = pd.read_csv(asset("results/benchmarks/growth.csv"))
with plot.theme():
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.6))
    plot.plot_growth(speed.query("case == 'ratio' and device == 'cpu'"), axes[0])
    plot.plot_exponents(noise_report.growth_rows(speed, growth), axes[1])
    for ax in axes:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
plt.show()

# %% [markdown]
# **Figure 5.** *Seconds against size*, both axes logarithmic. Left: ours (solid) and the dense
# reference (dashed), closure and one iteration of refinement. Right: how ours grows with genes
# (regulators fixed) and with regulators (genes fixed), with the fitted power and its 95% interval.

# %% [markdown]
# ## The claims

# %% tags=["full-width"]
verdicts = scorecard({edition: noise}).drop(columns="edition")
wrapped = {"white-space": "normal", "min-width": "11rem"}
styled(verdicts, precision=3).set_properties(subset=["statement", "published", "reason"], **wrapped)

# %% [markdown]
# ## Answer

# %%
reply = prose(noise_report.answer(noise))
glue("answer_refinement", reply, display=False)
reply

# %% [markdown]
# **What would change our mind.** A network whose responses were measured, not deduced, and whose
# edges are known by another road: the noise experiment shows what refinement can do when the world
# follows the network's logic, and no more. The hidden edges show how far the world is from that.
