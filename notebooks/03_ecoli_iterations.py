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
# # Does aligning and refining, again and again, make the prediction better?
#
# The paper's Table 1 follows one model through its stages: the *network* alone, after alignment
# (**A**), after refinement of the knowledge base (**A-R**), and after a second round (**A-R-A-R**).
# It reports that knowledge consistency climbs from stage to stage while data consistency stays.
# Here every stage is measured on held-out perturbations, against three *named* yardsticks, beside a
# control that aligns twice **without** refining (**A-A**), and beside methods that need no network
# at all.
#
# | | |
# | --- | --- |
# | Data | the edition named below; `demo` is simulated, `ecoli` and `human_*` are real |
# | Budget | two cores: `demo` about 2 minutes and 2 GB, `ecoli` at most 10 minutes and 3 GB |
# | Replicates | seeds, and what the split keeps together; 95% intervals draw both again |

# %% tags=["parameters"]
edition = "demo"  # data set: an edition's name
tables = ""  # folder with finished tables to show; empty: compute them now
model = "gnn"  # or "mlp"
estimator = "local"  # or "reinforce" (the paper's), "exact"
schedule = "A-R-A-R"
splits = ["control_safe", "perturbation"]  # the first one is the headline
seed = 0  # the first seed
n_seeds = 3
folds = 5
k = "auto"  # longest path, or "auto": chosen on training folds
rule = "auto"  # "boolean", "majority", or "auto"
n_networks = 3
align_steps = 60
refine_rows = "evidence"  # explain training conditions; "all": every regulator (the paper's)
refine_candidates = "known"  # or "perturbed"
refine_edit_cost = "auto"
heldout_share = 0.2  # share of edges hidden in the second set of fits
jobs = 2  # processes; one thread each
out = ""  # folder for the tables; empty: build/<edition>/tables/
device = "auto"

# %% tags=["hide-input"]
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from myst_nb import glue

import aligned as al
import companion as co
from companion import plot
from companion.book import workspace
from companion.claims import published_stages, scorecard
from companion.literal import prose, styled
from companion.loop import report

# %config InlineBackend.figure_formats = ["svg"]
pd.set_option("display.max_colwidth", None)

# %% [markdown] tags=["walk"]
# ## In a few lines
#
# The library, `aligned`, is imported as `al`. One fold of one split: fit on its training
# conditions, look at the scores of every stage on its test conditions, and at the edit that
# explains most.

# %% tags=["walk"]
bundle = al.load(edition)
data = bundle.data.copy()
data.obs["split"] = al.folds(data, splits[0], folds)["0"]
quick = al.Config(n_networks=1, align_steps=20, seed=seed, device=device)
fitted = al.Aligned(quick).fit(data, bundle.kb, "A-R-A-R", yardstick=bundle.yardstick)
stages = fitted.history.query("score == 'integrated' and yardstick == 'original'")
styled(stages[["stage", "f_d", "f_k", "balanced", "n_edits"]], precision=3)

# %% tags=["walk"]
for edit in fitted.edits.nlargest(1, "gain").itertuples():
    source, target = (bundle.kb.names.get(gene, gene) for gene in (edit.source, edit.target))
    states = f"`{edit.before}` became `{edit.after}` in {edit.stage}"
    display(prose(f"{source} → {target}: {states}, which {edit.evidence}."))
    why = fitted.explain({source: -1}, target)
    sides = f"network {why.neural}, symbols {why.symbolic}, chosen {why.fused}"
    display(prose(f"{target} after a knock-out of {source}: {sides}. The paths there:"))
    closure, networks = fitted.problem.closing, {"as given": bundle.kb, "refined": fitted.kb}
    paths = [
        kb.explain({source: -1}, target, k=closure, limit=3).assign(network=name)
        for name, kb in networks.items()
    ]
    display(styled(pd.concat(paths)[["network", "path", "sign", "evidence"]]))

# %% [markdown]
# ## The fits
#
# One fit per split, seed and fold. On the headline split a second set of fits sees a network from
# which a share of the edges is **hidden**: what the complete network says beyond the visible one is
# the held-out yardstick.

# %%
config = al.Config(
    model=model,
    estimator=estimator,
    k=k,
    rule=rule,
    n_networks=n_networks,
    align_steps=align_steps,
    refine_rows=refine_rows,
    refine_candidates=refine_candidates,
    refine_edit_cost=refine_edit_cost,
    device=device,
    seed=seed,
)
settings = co.IterationSettings(
    config=config,
    splits=tuple(splits),
    seeds=tuple(range(seed, seed + n_seeds)),
    n_folds=folds,
    schedule=schedule,
    heldout_share=heldout_share,
    n_jobs=jobs,
)
if tables:
    results, record = co.load_tables(co.IterationTables, tables)
else:
    bundle = al.load(edition)
    counts = co.run_iterations(bundle, settings, cache=workspace(edition) / "fits")
    record = co.record_of(counts, bundle, edition, settings)
    place = Path(out) if out else workspace(edition) / "tables" / "03_ecoli_iterations"
    co.save_tables(counts, place, record)
    results = co.IterationTables.of(counts)
headline = results.scores["split"].iloc[0]
published = published_stages(edition, model.upper())

# %% tags=["hide-input"]
source = f"read from `{tables}`" if tables else "computed by this notebook just now"
display(
    prose(
        f"These tables were {source}: {record['seconds']:.0f} s and "
        f"{record['peak_memory_mb'] / 1024:.1f} GB on {record['machine']['cpus']} cores, "
        f"{record['created']}, commit `{str(record['commit'])[:10]}`, data "
        f"`{record['data_sha256'][:10]}`, network `{record['network_sha256'][:10]}`."
    )
)

# %% [markdown]
# ## The data
#
# What the numbers below are made from. The *yardstick* is the closure that knowledge consistency is
# measured with; it belongs to the edition and is the same for all methods.

# %% tags=["nbval-check-output"]
print(results.card.to_string(index=False, header=False))

# %% [markdown]
# ## Which closure?
#
# How far along regulatory paths should the network of knowledge reason? The model chooses the path
# length *k* and the rule on the **training** conditions of each fold, for its objective (balanced
# consistency). The columns ending in `_all` show, for information only, what each closure's
# deductions score on all conditions: $F_d$ against the data, $F_k$ against the yardstick.

# %%
styled(results.closures, precision=3)

# %% tags=["hide-input"]
with plot.theme():
    fig, ax = plt.subplots(figsize=(7.0, 3.4))
    plot.plot_closures(results.closures, ax)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %% [markdown]
# **Figure 1.** *Longer paths say more and are right less often.* Macro-F1 of the deductions alone
# by longest path *k*: against the data (blue) and against the yardstick (orange), for the Boolean
# rule (solid) and the damped majority (dashed).

# %% [markdown]
# ## Every stage on the headline split
#
# The headline split keeps together all conditions that share a knocked-out gene **or** a control
# sample. $F_k$ *original* is measured against the network as given, *refined* against the network
# the method itself has edited, *held-out* where hidden edges speak. An edited yardstick can be
# matched by editing, so the number of edits stands beside every stage.

# %% tags=["full-width"]
display(prose(report.replicates(results, headline)))
styled(report.stage_table(results, headline, published))

# %% tags=["hide-input", "full-width"]
shown = results.scores.query("split == @headline and subset == 'all'")
stages = [s for s in co.STAGES if s != "init"]
with plot.theme():
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 4.0))
    for ax, metric in zip(axes, ("f_d", "f_k", "balanced"), strict=True):
        plot.plot_stages(
            shown.query("yardstick == 'original'"),
            metric,
            stages,
            ax,
            baselines=["class frequencies", "direct edges, else frequencies"],
        )
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# **Figure 2.** *What each stage brings, against the original network.* Data, knowledge and balanced
# consistency with 95% intervals; circles: the network alone, squares: its fusion with the symbols.
# A-A, set apart, aligns twice without refining. Grey lines: two methods without a neural network.

# %% tags=["hide-input", "full-width"]
with plot.theme():
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), sharey=True)
    for ax, score in zip(axes, ("neural", "integrated"), strict=True):
        plot.plot_yardsticks(shown, score, [s for s in stages if s != "A-A"], ax)
        ax.set_title(score, pad=26)
    axes[0].legend(title="yardstick")
plt.show()

# %% [markdown]
# **Figure 3.** *The same prediction against three yardsticks.* Where the refined network (orange)
# climbs and the original one (blue) does not, it is the yardstick that has moved. The held-out
# yardstick (green) counts only cells where hidden edges speak; no method can copy the answer there.

# %% tags=["hide-input", "full-width"]
with plot.theme():
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.4), sharey=True)
    for ax, (metric, name) in zip(
        axes, (("f_d", "data consistency"), ("f_k", "knowledge consistency")), strict=True
    ):
        plot.plot_changes(report.change_rows(results, headline, metric, "original"), ax)
        ax.set_title(name)
    axes[1].legend()
plt.show()

# %% [markdown]
# **Figure 4.** *Changes from stage to stage, paired by seed and perturbation, against the original
# network.* An interval that crosses zero is no finding. `A-A → A-R-A` is the question whether
# refinement in between helps the second alignment.

# %% tags=["hide-input"]
with plot.theme():
    fig, ax = plt.subplots(figsize=(6.2, 5.0))
    plot.plot_map(report.map_rows(results, headline), ax)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
plt.show()

# %% [markdown]
# **Figure 5.** *Data against knowledge: every method a point.* Grey lines join points of equal
# balanced consistency. Up is easy (copy the network of knowledge), right is hard.

# %% [markdown]
# ## The other split, and conditions apart
#
# Splitting by perturbation alone lets a held-out condition share its **control samples** with a
# training condition. The line marked *leakage* uses nothing but that.

# %% tags=["full-width"]
for split in results.scores["split"].unique()[1:]:
    display(prose(f"**{report.SPLIT_NAMES.get(split, split)}**"))
    display(styled(report.stage_table(results, split, published)))

# %% [markdown]
# On conditions whose perturbed gene is no regulator of the network, symbols say nothing: whatever
# is gained there is gained by the network alone. Where a data set mixes measured and reconstructed
# expression, the measured rows stand apart, too.

# %% tags=["full-width"]
styled(report.subset_table(results, headline))

# %% [markdown]
# ## What was edited
#
# Refinement proposes edits; here is what it added, dropped or flipped over all fits of the headline
# split, the measured effect behind each (`log2fc`: mean change of the target where the source alone
# was perturbed, in the direction of *more* source), and the sign of the pair in the other network
# (`0`: absent there, too).

# %%
said = prose(report.edit_sentence(results))
glue("edits-found", said, display=False)
display(said)
styled(results.support, precision=3, na_rep="")

# %%
top = ["source_name", "target_name", "before", "after", "fits", "gain", "log2fc", "conditions"]
styled(results.edits.head(15)[[*top, "other"]], precision=2, na_rep="")

# %% [markdown]
# ## The claims
#
# Verdicts are computed from the tables by `companion.claims`: a rise is *supported* where the whole
# interval of the paired change lies above 0.02, and *contradicted* where it lies at or below; *not
# lower* asks for an interval above -0.02, *stable* for one within ±0.02; anything else is
# *undecided*, and of several parts the worst decides. *Published* is the paper's change on *E.
# coli* with the GNN and the verdict it would get, *ours* the paired change that decides, on the
# headline split.

# %% tags=["full-width"]
verdicts = scorecard({edition: results}).drop(columns="edition")
wrapped = {"white-space": "normal", "min-width": "11rem"}
styled(verdicts, precision=3).set_properties(subset=["statement", "published", "reason"], **wrapped)

# %% [markdown]
# ## Answer

# %%
reply = prose(report.answer(results, headline))
glue("answer", reply, display=False)
reply

# %% [markdown]
# **What would change our mind.** More knocked-out regulators with controls of their own: the
# intervals here are as wide as they are because few perturbations are independent. An independent
# network in which refinement's new edges are found far more often than chance gives. A data set in
# which the gain from A to A-R holds against the *original* network.
