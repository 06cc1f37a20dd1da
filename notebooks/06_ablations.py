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
# # Who is right, gene by gene, and does choosing pay?
#
# A network trained on data and a network of knowledge often disagree. The *adapter* decides, gene
# by gene, whom to believe, and its choices teach the network. Three questions follow. Is its trust
# deserved: is the side that it chooses right more often than a coin would be? What does each part
# of the method bring, if it is taken away and all else is kept? And how well does the adapter learn
# what it is asked to learn, as the number of genes grows?
#
# | | |
# | --- | --- |
# | Data | the edition named below; `demo` is simulated, `ecoli` real knock-outs |
# | Budget | two cores: `demo` about 1 minute and 1 GB, `ecoli` about 40 minutes and 3 GB |
# | Replicates | seeds, and what the split keeps together; 95% intervals draw both again |

# %% tags=["parameters"]
edition = "demo"  # data set: an edition's name
tables = ""  # folder with finished tables to show; empty: compute them now
variants = []  # parts to switch off, by name; empty: all of them
split = "control_safe"
n_seeds = 2
folds = 5
n_networks = 3
n_boot = 1000
trusted = ["full", "no Inc"]  # variants whose choices are looked at cell by cell
genes = [100, 300, 1000, 0]  # genes to choose for, 0: all of them
n_rows = 32  # conditions in the comparison of estimators
steps = 400
estimator_seeds = 3
seed = 0
jobs = 2  # processes; one thread each
out = ""  # folder for the tables; empty: build/<edition>/tables/
device = "auto"

# %% tags=["hide-input"]
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from myst_nb import glue

import aligned as al
import companion as co
from aligned.records import run_record
from companion import plot
from companion.ablations import report
from companion.book import workspace
from companion.claims import scorecard
from companion.literal import prose, styled

# %config InlineBackend.figure_formats = ["svg"]
pd.set_option("display.max_colwidth", None)

# %% [markdown] tags=["walk"]
# ## In a few lines
#
# The library, `aligned`, is imported as `al`. One fold, one alignment, and of its test conditions
# the one of which the symbols say most: what do the adapter's choices cost ($L_a$), what do the
# best ones, and which would be best without the term for inconsistency (Inc)?

# %% tags=["walk"]
bundle = al.load(edition)
data = bundle.data.copy()
data.obs["split"] = al.folds(data, split, folds)["0"]
quick = al.Config(n_networks=1, align_steps=20, seed=seed, device=device)
fitted = al.Aligned(quick).fit(data, bundle.kb, "A", yardstick=bundle.yardstick)

x = data.obsm["perturbation"][np.flatnonzero(data.obs["split"] == "test")]
speaks = np.count_nonzero(fitted.predict(x).symbolic, axis=1)
said, w = fitted.predict(x[[speaks.argmax()]]), fitted.problem.w
choices = {
    "learned": said.adapter,
    "best": al.optimal_adapter(said.neural, said.symbolic, w, quick),
    "best without Inc": al.optimal_adapter(said.neural, said.symbolic, w, quick.replace(c_inc=0)),
    "never symbols": np.zeros_like(said.adapter),
}
cost = {n: al.adapter_loss(a, said.neural, said.symbolic, w, quick) for n, a in choices.items()}
rows = [{"choices": n, "symbols used": a.sum(), "L_a": cost[n][0]} for n, a in choices.items()]
styled(pd.DataFrame(rows), precision=2)

# %% [markdown]
# ## The whole analysis
#
# As the parameters above ask; where they name finished tables, these are read instead.

# %%
shared = {"split": split, "n_folds": folds, "n_boot": n_boot, "n_jobs": jobs}
config = al.Config(device=device, n_networks=n_networks)
seeds = tuple(range(seed, seed + n_seeds))
parts = co.AblationSettings(config, tuple(variants), tuple(trusted), seeds=seeds, **shared)
learning = co.EstimatorSettings(
    al.Config(device=device, n_networks=1),
    genes=tuple(genes),
    seeds=tuple(range(seed, seed + estimator_seeds)),
    n_rows=n_rows,
    steps=steps,
)
place = Path(out) if out else workspace(edition) / "tables" / "06_ablations"
if tables:
    results, record = co.load_tables(co.AblationTables, tables)
    trust, _ = co.load_tables(co.ReliabilityTables, tables)
    estimators, learning_record = co.load_tables(co.EstimatorTables, Path(tables) / "estimators")
else:
    bundle = al.load(edition)
    counts = co.run_ablations(bundle, parts, cache=workspace(edition) / "fits")
    record = co.record_of(counts, bundle, edition, parts)
    co.save_tables(counts, place, record)
    start = time.monotonic()
    estimators = co.run_estimators(bundle, learning)
    about = {"edition": edition, "settings": learning.to_dict()}
    learning_record = run_record(about, bundle.data, bundle.kb, time.monotonic() - start)
    co.save_tables(estimators, place / "estimators", learning_record)
    results = co.AblationTables.of(counts, n_boot)
    trust = co.ReliabilityTables.of(counts, n_boot)
records = [record, learning_record]

# %% tags=["hide-input"]
source = f"read from `{tables}`" if tables else "computed by this notebook just now"
runs = "; ".join(
    f"{name}: {r['seconds']:,.0f} s, {r['created']}, commit `{str(r['commit'])[:10]}`"
    for name, r in zip(("parts", "estimators"), records, strict=True)
)
display(
    prose(
        f"These tables were {source}, on {records[0]['machine']['cpus']} cores ({runs}); data "
        f"`{records[0]['data_sha256'][:10]}`, network `{records[0]['network_sha256'][:10]}`."
    )
)

# %% [markdown]
# ## Who is right?
#
# Only cells count where there is something to choose: the symbols speak, and say something else
# than the network (its call as the symbols' partner). There the response is known, since all
# conditions here are held out. Five ways to choose stand side by side: always the network, always
# the symbols, a fair coin, the adapter's choice, and an oracle that picks whoever is right.
#
# **Mind what is counted.** Most genes do not change, so whoever says "unchanged" is right most of
# the time. Hence the second panel: cells whose gene *had* changed. There the network is hardly ever
# right, by construction: as the symbols' partner it calls few genes, so where it disagrees with
# symbols that speak it nearly always says "unchanged".

# %% tags=["hide-input", "full-width"]
panels = {"all": "all cells of disagreement", "changed": "genes that had changed"}
with plot.theme():
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 2.9), sharey=True)
    for ax, (cells, title) in zip(axes, panels.items(), strict=True):
        rows = report.right_rows(trust, cells)
        plot.plot_rules(rows, ax)
        ax.set_title(f"{title} ({rows['n'].iloc[0]:,.0f})")
plt.show()

# %% [markdown]
# **Figure 1.** *Whom to believe where network and symbols disagree.* The share of cells in which
# each way to choose names the measured response, with 95% intervals; in brackets cells per seed.
# Choosing pays where *chosen side* lies right of the coin and of both "always".

# %%
prose(report.trust_sentence(trust))

# %% [markdown]
# ## Does the adapter know when it is right?
#
# A trust of 0.9 is deserved if the symbols are right nine times in ten. The adapter was never asked
# for that: it is paid for agreement with the symbols and for following the weights, not for being
# right. So its trust is set against two simpler reasons: the gene's weight *w*, known before any
# alignment, and the network's own *doubt*.

# %% tags=["hide-input", "full-width"]
shown = list(trust.bins["variant"].unique())
with plot.theme():
    fig, axes = plt.subplots(
        1, len(shown), figsize=(5.25 * len(shown), 4.2), sharey=True, squeeze=False
    )
    for ax, variant in zip(axes[0], shown, strict=True):
        plot.plot_reliability(trust.bins[trust.bins["variant"] == variant], ax)
        ax.set_title(f"variant: {variant}")
        ax.label_outer()
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# **Figure 2.** *Trust given against trust deserved.* Cells of disagreement in bins of each reason;
# larger marks stand for more cells. On the dotted line trust is deserved; a curve that rises at
# least puts the cells in the right order, a flat one tells nothing.

# %%
styled(report.ranking_rows(trust))

# %% [markdown]
# The table is the same in one number: the chance that a cell where the symbols are right stands
# above one where the network is. An interval that holds ½ is no better than a coin.

# %% [markdown]
# ## What each part brings
#
# One part is switched off, everything else stays, and the same folds and seeds are fitted again.
# All are scored against the *true* network of the edition, also where a variant was given another
# one, after one alignment (A).

# %% tags=["hide-input", "full-width"]
heads = {"f_d": "data $F_d$", "f_k": "knowledge $F_k$", "balanced": "balanced"}
with plot.theme():
    count = results.changes["variant"].nunique()
    fig, axes = plt.subplots(1, 3, figsize=(11.5, 1.8 + 0.34 * count), sharey=True)
    for ax, (metric, title) in zip(axes, heads.items(), strict=True):
        plot.plot_parts(report.change_rows(results, metric), ax, names=metric == "balanced")
        ax.set_title(title)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# **Figure 3.** *What is lost without it, paired by seed and perturbation.* Left of the line the
# variant is worse than the method as it is (\*: than *symbols anywhere*, the paper's form of the
# adapter). An interval that touches the line decides nothing.

# %% tags=["full-width"]
wrapped = {"white-space": "normal", "min-width": "6.5rem"}
asked = ["reference", "loss", "knowledge", "estimator"]
styled(report.variant_rows(results, asked)).set_properties(**wrapped)

# %% [markdown]
# *Cells with symbols*: the share of all cells in which the deduction is used. Which side the
# variants choose, and how often it is right (here, for *symbols anywhere*, cells also count where
# the symbols are silent):

# %% tags=["full-width"]
styled(report.choice_rows(results))

# %% [markdown]
# **A random network**, its edges rewired and every degree kept, should make the adapter turn away
# from the symbols:

# %%
styled(report.random_rows(results))

# %% [markdown]
# ## How far to follow paths, how much to use, whom to trust
#
# **Paths.** With longer paths the network of knowledge speaks more often, and contradicts itself
# more often. The method chooses path length and rule on training folds; here they are forced.
#
# **The budget θ** is the share of a condition's genes that may use symbols for free. Where symbols
# are used only where they speak, θ binds only if it is smaller than what they speak of.
#
# **The weights w** join three things: how often training data agree with the symbols, annotations,
# in-degrees.

# %% tags=["full-width"]
asked = ["reference", "closure", "budget θ", "weights w"]
styled(report.variant_rows(results, asked)).set_properties(**wrapped)

# %% [markdown]
# ## Learning to choose
#
# With the network's calls frozen, the best choices are known in closed form, so what an estimator
# leaves on the table can be measured. *Regret* is 0 at the optimum and 1 where nothing is gained
# over never using a symbol. `reinforce`, the paper's, moves all choices of a condition by its one
# total loss; `local` works out what switching each single gene would change, the others as drawn.
# Sub-samples of the genes show what happens as there is more to choose.

# %% tags=["hide-input", "full-width"]
forms = {True: "where they speak", False: "anywhere (the paper's form)"}
with plot.theme():
    fig, axes = plt.subplots(2, 2, figsize=(10.5, 7.0))
    for row, (form, title) in zip(axes, forms.items(), strict=True):
        curves = estimators.curves[estimators.curves["speak_only"] == form]
        most = curves["n_genes"].max()
        plot.plot_learning(curves[curves["n_genes"] == most], row[0])
        plot.plot_regret(estimators.finals[estimators.finals["speak_only"] == form], row[1])
        row[0].set_title(f"symbols {title}: {most:,} genes")
        row[1].set_title(f"symbols {title}")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# **Figure 4.** *Where REINFORCE breaks.* Left: regret while the adapter learns, with all genes; one
# pale line per seed. Right: regret at the end against the number of genes; small marks are seeds.
# Dotted: 5%, where an estimator counts as having arrived.

# %% tags=["full-width"]
styled(report.estimator_rows(estimators))

# %% [markdown]
# Start and end: mean over seeds, in brackets the least and the largest. Steps and seconds are
# medians of the seeds that arrive. The last column is the variance of the gradient with respect to
# the adapter's logits over its squared mean: with a thousand, a thousand draws are needed to see
# which way is down. It is 0 for `local` where the budget does not bind, since nothing is drawn then
# that matters.

# %% [markdown]
# ## Why is knowledge consistency not circular here?
#
# A prediction that uses the network of knowledge and is then scored against that network agrees
# with itself. Three **yardsticks** keep that apart:
#
# * the network **as given**: agreement shows that the method follows what it was told. A plain copy
#   scores 1, so the copy stands in every table of rivals ([main results](02_main_results));
# * the network **refined**: the yardstick moves with the method. Its rise alone is no finding, so
#   the number of edits stands beside it ([A-R-A-R](03_ecoli_iterations));
# * knowledge **unseen**: edges hidden before training, scored only where they change the deduction.
#   No method can copy what it was never given. [Refinement](04_refinement_noise) ranks hidden
#   edges, and [the first chapter](01_inconsistency) holds the data against a second network.
#
# And *data* consistency needs no network at all. The same predictions on *E. coli*, from the
# committed tables of A-R-A-R, whichever edition this page shows:

# %% tags=["full-width"]
loop, _ = co.load_tables(co.IterationTables, "results/ecoli/03_ecoli_iterations")
styled(report.yardstick_rows(loop, str(loop.scores["split"].iloc[0])))

# %% [markdown]
# Read it from left to right. What is high in the first column and low in the last follows the
# network, and does not know more than the network said. (*not run*: the control A-A had no edges
# hidden.)

# %% [markdown]
# ## The numbers in brief

# %% tags=["nbval-check-output"]
brief = results.scores[results.scores["stage"] == "A"].set_index(["variant", "score"])
print(brief[["f_d", "f_k", "balanced"]].round(2).to_string())

# %% [markdown]
# ## The claims
#
# C9: *with a random network the method falls back to the network alone*: supported where the whole
# interval of the difference in data consistency lies within ±0.02. C10: *without the term for
# inconsistency knowledge is aligned less*, and C12: *random weights, worse balance*: supported
# where what the part brings is above 0.02, contradicted where it is not, undecided in between. C11:
# *without the price of length, symbols are relied on too much*: more of them, and lower data
# consistency; not testable where the network speaks in fewer cells than are free. The published
# figures are of another data set.

# %% tags=["full-width"]
verdicts = scorecard({edition: results}).drop(columns="edition")
styled(verdicts, precision=3).set_properties(
    subset=["statement", "published", "reason"], **{"white-space": "normal", "min-width": "11rem"}
)

# %% [markdown]
# ## Answer

# %%
reply = prose(report.answer(results, trust, estimators))
glue("answer-ablations", reply, display=False)
reply

# %% [markdown]
# **What would change our mind.** A chosen side that is right more often than both "always" on
# held-out genes that had changed. An adapter whose trust ranks cells better than the network's own
# doubt, with intervals apart. A random network that makes the adapter turn away. An estimator
# without knowledge of the loss that reaches 5% regret with thousands of genes.
