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
# For every gene of every knock-out there are two answers: the network's, learned from other
# experiments, and the one that the regulatory network deduces. The **adapter** chooses between
# them. It is never told which one is right; it learns from a loss with three terms: agree with
# knowledge (*Inc*), do not use symbols for more genes than a budget allows (*length*, budget θ),
# and trust symbols on well-known genes (weights *w*). Does it choose well? Which of these parts
# does the work? And can the way the paper trains it, REINFORCE, learn thousands of choices from
# one reward?
#
# | | |
# | --- | --- |
# | Data | the edition named below; `demo` is simulated, `ecoli` real knock-outs |
# | Budget | two cores: `demo` about 1 minute and 2 GB, `ecoli` about 30 minutes and 3 GB |
# | Replicates | seeds and held-out perturbations; intervals are 95%, bootstrap over both |

# %% tags=["parameters"]
edition = "demo"  # data set: an edition's name
tables = ""  # folder with finished tables to show; empty: compute them now
variants = []  # which parts to switch off; empty: all
split = "control_safe"
n_seeds = 2
folds = 5
n_networks = 3
n_boot = 1000
genes = [100, 300, 1000, 0]  # numbers of genes that the estimators learn on; 0: all
steps = 300  # training steps of each estimator; 0: leave them out
seed = 0
jobs = 2  # processes; one thread each
out = ""  # folder for the tables; empty: build/<edition>/tables/
device = "auto"

# %%
import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Markdown, display
from markdown_it import MarkdownIt
from myst_nb import glue

import aligned as al
from aligned import experiments as ex
from aligned import plotting
from aligned.book import workspace
from aligned.experiments import ablations_report as report
from aligned.experiments.ablations import FULL, PAPER_FORM
from aligned.records import run_record
from aligned.scorecard import scorecard

# %config InlineBackend.figure_formats = ["svg"]
pd.set_option("display.max_colwidth", None)

# %%
seeds = tuple(range(seed, seed + n_seeds))
settings = ex.AblationSettings(
    config=al.Config(device=device, n_networks=n_networks),
    variants=tuple(variants),
    split=split,
    seeds=seeds,
    n_folds=folds,
    n_boot=n_boot,
    n_jobs=jobs,
)
learning = ex.EstimatorSettings(
    config=al.Config(device=device, n_networks=1), genes=tuple(genes), seeds=seeds, steps=steps or 1
)
place = Path(out) if out else workspace(edition) / "tables" / "06_ablations"
if tables:
    results, record = ex.load_tables(ex.AblationTables, tables)
    learned = ex.load_tables(ex.EstimatorTables, f"{tables}/estimators")[0] if steps else None
else:
    start = time.monotonic()
    bundle = al.load(edition)
    memory: dict[int, float] = {}
    results = ex.run_ablations(bundle, settings, memory=memory)
    learned = ex.run_estimators(bundle, learning) if steps else None
    about = {"edition": edition, "settings": settings.to_dict(), "estimators": learning.to_dict()}
    record = run_record(about, bundle.data, bundle.kb, time.monotonic() - start)
    record["peak_memory_mb"] = sum({**memory, os.getpid(): record["peak_memory_mb"]}.values())
    ex.save_tables(results, place, record)
    if learned is not None:
        ex.save_tables(learned, place / "estimators", record)

# %% tags=["hide-input"]
source = f"read from `{tables}`" if tables else "computed by this notebook just now"
display(
    Markdown(
        f"These tables were {source}: {record['seconds']:,.0f} s and "
        f"{record['peak_memory_mb'] / 1024:.1f} GB on {record['machine']['cpus']} cores, "
        f"{record['created']}, commit `{str(record['commit'])[:10]}`, data "
        f"`{record['data_sha256'][:10]}`, network `{record['network_sha256'][:10]}`."
    )
)

# %% [markdown]
# ## Who is right?
#
# Only where network and symbols disagree is there anything to choose. Among these cells of the
# held-out conditions: how often does the chosen side agree with the measurement? Beside it what
# costs no learning: always the network, always the symbols, a fair coin; and what nobody has, an
# oracle that always chooses the right side where one is right.

# %%
Markdown(report.trust_sentence(results))

# %% tags=["hide-input", "full-width"]
wanted = [FULL, "no Inc", "w random", "θ = 0", PAPER_FORM, "random network"]
shown = [v for v in wanted if v in set(results.trust["variant"])]
with plotting.theme():
    fig, ax = plt.subplots(figsize=(8.0, 1.6 + 0.62 * len(shown)))
    plotting.plot_trust(report.trust_rows(results, shown), ax)
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# **Figure 1.** *Where network and symbols disagree: which side was right?* One row per form of the
# method; the square is the adapter's choice, the stars an oracle. A choice is worth having where
# the square lies right of both the circle (always the network) and the triangle (always the
# symbols).
#
# The loss does not ask who is right. Its first term rewards agreement with knowledge, so an adapter
# that minimises it perfectly takes the side of the symbols nearly everywhere: it is *consistent*
# by design, and *useful* only as far as the symbols are right. That choosing could pay is what the
# oracle shows.

# %% [markdown]
# ## What does each part bring?
#
# Each variant switches one part off and keeps all else: same folds, same seeds, and scores against
# the true network of the edition also where the variant was given another one.

# %% tags=["hide-input", "full-width"]
metrics = {"f_d": "data consistency", "f_k": "knowledge consistency", "balanced": "balanced"}
rows = {metric: report.change_rows(results, metric) for metric in metrics}
with plotting.theme():
    height = 1.4 + 0.27 * len(rows["f_d"]) + 0.15 * rows["f_d"]["group"].nunique()
    fig, axes = plt.subplots(1, 3, figsize=(12.0, height), sharey=True)
    for ax, (metric, title) in zip(axes, metrics.items(), strict=True):
        plotting.plot_ablations(rows[metric], ax)
        ax.set_title(title)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# **Figure 2.** *What is lost without a part?* Paired change of the integrated prediction after
# alignment, variant minus reference (the full method; for *symbols anywhere, no …* the form
# *symbols anywhere*). Left of the line the variant is worse. Filled: the interval is clear of
# zero.

# %% tags=["full-width"]
report.change_table(results).style.hide(axis="index")

# %% [markdown]
# The same for the network on its own after alignment (it learned from fused pseudo-labels):

# %% tags=["full-width"]
report.change_table(results, "neural").style.hide(axis="index")

# %% [markdown]
# How long may a path be? The closure with which the symbols deduce, against the yardstick of the
# edition:

# %% tags=["full-width"]
report.score_table(results, ["closure"]).style.hide(axis="index")

# %% [markdown]
# Two things to read off. *θ* is a share of the genes. On *E. coli* symbols speak of few genes, so a
# generous budget is never used up, and the price for length can only act where symbols may be used
# in their silence, too (*symbols anywhere*, the paper's form): there the best choice by the loss is
# to copy that silence, and it wipes out what the network knows of genes that knowledge does not
# reach. And the knowledge consistency of a variant with other paths is lower partly because the
# yardstick has paths of its own length: it measures agreement with *that* reading of the network.

# %% [markdown]
# ## Can the adapter be learned?
#
# Freeze the network's calls: then the best choices are known in closed form, and what an estimator
# of the gradient leaves is its **regret**, as a share of what there is to win (0: optimal; 1: no
# better than never using a symbol). *reinforce* is the paper's: one reward for all genes of a
# condition, with a moving baseline. *local* gives every gene its own part of the loss, in
# expectation the same gradient.

# %% tags=["hide-input", "full-width"]
if learned is not None:
    by_form = [(True, "symbols where they speak"), (False, "symbols anywhere")]
    largest = learned.curves["n_genes"].max()
    with plotting.theme():
        fig, axes = plt.subplots(2, 2, figsize=(10.0, 7.4))
        for (speaks, title), column in zip(by_form, axes.T, strict=True):
            curves, finals = (
                t[t["speak_only"].astype(bool) == speaks] for t in (learned.curves, learned.finals)
            )
            plotting.plot_regret(curves[curves["n_genes"] == largest], column[0])
            column[0].set_title(f"{title}: {largest:,} genes")
            plotting.plot_regret_by_size(finals, column[1])
            column[1].set_title(f"{title}: by number of genes")
        handles, labels = axes[1][0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3)
    plt.show()

# %% [markdown]
# **Figure 3.** *Regret of the two estimators.* Top: while training on all genes, a line per seed.
# Bottom: at the end, against the number of genes; dotted: before training (the head starts at *w*).
# Lower is better.

# %% tags=["full-width"]
if learned is not None:
    display(report.estimator_table(learned).style.hide(axis="index"))

# %% [markdown]
# Mean and range over seeds. *Gradient noise* is the variance of single draws over the squared mean
# gradient; empty where 32 draws do not show the mean. Seconds differ from machine to machine.

# %% [markdown]
# ## Why is knowledge consistency not circular here?
#
# A method that is given a network, and then scored by its agreement with that network, may look
# good for no reason. Three yardsticks, and a fourth kind of evidence, keep them apart:
#
# - **as given**: the network before any refinement. It was an input, so agreement with it is a
#   *choice* of the method, not a discovery. A prediction that only repeats the deductions scores 1;
#   that is why [balance](../book/glossary.md) asks for both, and why such copies are marked in
#   [the comparison with rivals](02_main_results.ipynb).
# - **as refined**: the network that this very fit has changed. Here the yardstick moves with the
#   method; the paper's figures after a refinement are of this kind. Never a headline of ours.
# - **held-out edges**: a share of the edges that no fit ever saw, added back for scoring. No copy
#   of the input can raise it.
# - **unseen knowledge**: edges found against a second network that was never shown
#   ([pathways](05_kegg_enrichment.ipynb)), and the measurements themselves.
#
# The loop on *E. coli* by yardstick, from [its own chapter](03_ecoli_iterations.ipynb):

# %% tags=["hide-input", "full-width"]
loop, _ = ex.load_tables(ex.IterationTables, "results/ecoli/03_ecoli_iterations")
display(report.yardstick_table(loop).style.hide(axis="index"))

# %% [markdown]
# ## The numbers in brief

# %% tags=["nbval-check-output"]
used = results.trust[results.trust["quantity"].eq("cells that use symbols")]
brief = used[used["variant"].isin([FULL, "θ = 0"])].set_index("variant")["value"]
print(brief.round(2).to_string())

# %% [markdown]
# ## The claims
#
# C9: *with a random network the method falls back to the network alone*; C10: *without Inc,
# alignment with knowledge is weaker*; C11: *without the price for length it relies on symbols too
# much*; C12: *random weights give worse balance*. A part matters where the whole interval of the
# paired change lies on one side of zero. C9 asks for two things: data consistency within 0.02 of
# the network alone, and symbols let go. C11 asks for symbols in more cells *and* a loss of data
# consistency.

# %% tags=["full-width"]
verdicts = scorecard({edition: results}).drop(columns="edition")
verdicts.style.format(precision=3).hide(axis="index").set_properties(
    subset=["statement", "reason"], **{"white-space": "normal", "min-width": "11rem"}
)

# %% [markdown]
# ## Answer

# %%
reply = HTML(MarkdownIt().render(report.answer(results, learned)))
glue("answer-ablations", reply, display=False)
reply

# %% [markdown]
# **What would change our mind.** An adapter whose choice is right more often than *always the
# network* on held-out knock-outs. A reward that knows the measurements of the training conditions
# instead of agreement with knowledge. REINFORCE with a reward per gene would no longer be one
# reward for all, and would not break as their number grows: that is what *local* is.
