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
# # Where do measured responses and curated networks disagree?
#
# The paper starts from an observation (its Fig. 1): much of what perturbation experiments show is
# **absent** from the regulatory network, and part of it **conflicts** with it. Here every measured
# change is held against what the network deduces, for every path length and closure rule, with
# intervals, and beside what shuffled networks and shuffled experiments would give.
#
# | | |
# | --- | --- |
# | Data | the edition named below; `demo` is simulated, errors planted; `ecoli` real knock-outs |
# | Budget | one core: `demo` about 20 seconds, `ecoli` about 1 minute, 1 GB each |
# | Replicates | perturbations; intervals are 95% bootstrap over them |

# %% tags=["parameters"]
edition = "demo"  # data set: an edition's name
tables = ""  # folder with finished tables to show; empty: compute them now
network = "the network"  # what to call the edition's network
other_network = "the other network"  # and the second one, where there is one
ks = [1, 2, 3, 4, 5, 6]  # longest paths
rules = ["boolean", "majority"]
alpha = 0.5  # damping per step of the rule majority
n_null = 99  # draws per null distribution
n_boot = 1000
seed = 0
out = ""  # folder for the tables; empty: build/<edition>/tables/

# %% tags=["hide-input"]
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from myst_nb import glue

import aligned as al
from aligned.records import run_record
from companion.book import workspace
from companion.claims import scorecard
from companion.inconsistency import report
from companion.inconsistency.run import (
    SCOPES,
    InconsistencySettings,
    InconsistencyTables,
    run_inconsistency,
)
from companion.literal import prose, styled
from companion.plot import inconsistency as draw
from companion.plot import theme
from companion.tables import load_tables, save_tables

# %config InlineBackend.figure_formats = ["svg"]
pd.set_option("display.max_colwidth", None)

# %% [markdown] tags=["walk"]
# ## In a few lines
#
# The library, `aligned`, is imported as `al`. Under the edition's closure the network deduces every
# response (*δ*), which is then held against every measured change (*y*); and the same once more
# with signs that were dealt anew among the edges, as a first null.

# %% tags=["walk"]
bundle = al.load(edition)
data, kb = bundle.data, bundle.kb
x, y = data.obsm["perturbation"], data.X
measured = kb.columns(data.var_names)
delta = kb.deduce(x, **bundle.yardstick)[:, measured]
changed = (y != 0) & kb.scored_cells(x, data.var_names, data.layers["observed"])
kinds = {"consistent": delta == y, "conflicting": delta == -y, "absent": delta == 0}
styled(pd.DataFrame([{name: mask[changed].mean() for name, mask in kinds.items()}]), precision=3)

# %% tags=["walk"]
rng = np.random.default_rng(seed)
agreement = (delta == y)[changed & (delta != 0)].mean()
null = []
for _ in range(19):
    dealt = kb.state.copy()
    dealt.data = rng.permutation(dealt.data)  # every edge stays, its sign is another edge's
    said = kb.with_state(dealt).deduce(x, **bundle.yardstick)[:, measured]
    null.append((said == y)[changed & (said != 0)].mean())
p = (1 + sum(drawn >= agreement for drawn in null)) / (1 + len(null))
print(f"{agreement:.1%} agree where the network speaks; {np.mean(null):.1%} by chance, p = {p:.2f}")

# %% [markdown]
# ## The whole analysis
#
# As the parameters above ask; where they name finished tables, these are read instead.

# %%
settings = InconsistencySettings(
    ks=tuple(ks),
    rules=tuple(rules),
    alpha=alpha,
    n_null=n_null,
    n_boot=n_boot,
    network=network,
    other_network=other_network,
    seed=seed,
)
place = Path(out) if out else workspace(edition) / "tables" / "01_inconsistency"
if tables:
    results, record = load_tables(InconsistencyTables, tables)
else:
    start = time.monotonic()
    bundle = al.load(edition)
    results = run_inconsistency(bundle, settings)
    record = run_record(
        {"edition": edition, "settings": settings.to_dict()},
        bundle.data,
        bundle.kb,
        time.monotonic() - start,
    )
    save_tables(results, place, record)

# %% tags=["hide-input"]
source = f"read from `{tables}`" if tables else "computed by this notebook just now"
display(
    prose(
        f"These tables were {source}: {record['seconds']:.0f} s on "
        f"{record['machine']['cpus']} cores, {record['created']}, commit "
        f"`{str(record['commit'])[:10]}`, data `{record['data_sha256'][:10]}`, network "
        f"`{record['network_sha256'][:10]}`."
    )
)

# %% tags=["nbval-check-output"]
print(results.card.to_string(index=False, header=False))

# %% [markdown]
# ## What is counted
#
# A *measured change* is a gene that went up or down in a condition; the perturbed gene itself does
# not count. The network deduces a change along paths of up to *k* regulatory steps, and so the
# measured change is
#
# - **consistent**: deduced, in the same direction;
# - **conflicting**: deduced, in the opposite direction;
# - **absent**: not deduced. Either *not reached* by any path, or *ambiguous*: reached with both
#   signs.
#
# The other way round, a deduced change of a gene that stayed as it was is **unsupported**.
#
# The rule *boolean* lets any path speak; one path of each sign makes a gene ambiguous. The rule
# *majority* counts paths, longer ones less. (The published experiments counted paths too.)
#
# "Relationships in the data" can be read in two ways, and both are shown: the changes of **all
# conditions**; and those of **perturbed regulators only**, since of other perturbations a network
# cannot know anything.

# %% tags=["hide-input", "full-width"]
bars = {scope: report.bar_rows(results, scope) for scope in SCOPES}
with theme():
    rows = bars[SCOPES[0]]["label"].nunique()
    fig, axes = plt.subplots(1, 2, figsize=(10.5, 1.5 + 0.42 * rows), sharey=True)
    for ax, scope in zip(axes, SCOPES, strict=True):
        draw.plot_bars(bars[scope], ax)
        ax.set_title(scope)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
plt.show()

# %% [markdown]
# **Figure 1.** *What becomes of measured changes, in percent.* The star marks the edition's
# closure, with which everything below is counted; beneath it paths of up to five steps, under
# both rules.

# %% tags=["full-width"]
styled(report.share_rows(results))

# %% [markdown]
# The share of unchanged cells is the baseline of *unsupported*: a network that named genes
# blindly would be unsupported that often.

# %% tags=["nbval-check-output"]
print(report.share_rows(results).drop(columns="of").to_string(index=False))

# %% [markdown]
# ## How far should one follow the paths?

# %% tags=["hide-input", "full-width"]
bands = {
    "absent": report.PUBLISHED_ABSENT,
    "conflicting": (report.PUBLISHED_CONFLICT, 1.0),
    "conflicting where it speaks": None,
}
with theme():
    fig, axes = plt.subplots(2, 3, figsize=(10.5, 6.2), sharex=True, sharey="col")
    for row, scope in zip(axes, SCOPES, strict=True):
        for ax, (quantity, band) in zip(row, bands.items(), strict=True):
            lines = results.shares
            lines = lines[(lines["scope"] == scope) & (lines["quantity"] == quantity)]
            draw.plot_by_k(lines, ax, published=band)
            ax.set_ylim(0, 1.02 if quantity == "absent" else 0.6)
            ax.set_title(quantity)
            ax.set_xlabel("longest path k" if scope == SCOPES[1] else "")
        row[0].set_ylabel(f"{scope}\nshare")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=5)
plt.show()

# %% [markdown]
# **Figure 2.** *Shares by the longest path.* The band is what the paper reports: 42–71% absent, at
# least 14% in conflict. Last column: conflicts among the changes of which the network speaks; ½
# would be a coin. Longer paths reach more genes, but under *boolean* most become ambiguous.

# %% tags=["hide-input"]
found = report.definitions(results)
met = found[found["in_range"] & found["enough"]]
display(
    prose(
        f"Both of the paper's figures hold under **{len(met)} of {len(found)}** definitions: "
        f"{report.definitions_text(found)}."
    )
)

# %% [markdown]
# ## Is that more agreement than chance?
#
# Three nulls. *Signs*: every edge stays, its sign is another edge's. *Signs by regulator*: the
# same within each regulator, so that one that mostly activates still does. *Labels*: the network
# stays, the responses are given to other perturbations (all conditions of one perturbation
# together). The last keeps what all knock-outs have in common, such as a general stress response.

# %% tags=["hide-input", "full-width"]
names = list(dict.fromkeys(results.nulls["network"]))
first = results.nulls[["k", "rule"]].iloc[0]
with theme():
    fig, axes = plt.subplots(1, len(names), figsize=(5.2 * len(names), 4.2), squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        parts = [
            t[(t["network"] == name) & (t["k"] == first["k"]) & (t["rule"] == first["rule"])]
            for t in (results.draws, results.nulls[results.nulls["statistic"] == "agreement"])
        ]
        draw.plot_null(*parts, ax)
        ax.set_title(name)
        ax.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
plt.show()

# %% [markdown]
# **Figure 3.** *Agreement where the network speaks, ours and under three nulls.*

# %% tags=["full-width"]
styled(report.null_rows(results))

# %% [markdown]
# *p* is one-sided: how often a draw agrees at least as well, or leaves at most as much absent.
#
# ## Known relationships: are the network's edges seen?
#
# Every direct edge of a perturbed regulator, in every condition where its target was measured.
# *Other genes* is what the genes of the same condition that are no targets would show.

# %% tags=["hide-input", "full-width"]
with theme():
    fig, ax = plt.subplots(figsize=(8.0, 3.0))
    unit = results.retrieval[results.retrieval["unit"] == "condition × target"]
    draw.plot_retrieval(unit, ["expected sign", "opposite sign", "unchanged"], ax)
    fig.legend(loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# **Figure 4.** *How direct edges show.* Points with 95% intervals; the dark ticks are other genes
# of the same conditions.

# %% tags=["full-width"]
styled(report.retrieval_rows(results))

# %% [markdown]
# ## Which regulators?

# %% tags=["hide-input"]
ranked = report.regulator_rows(results)
with theme():
    fig, ax = plt.subplots(figsize=(7.6, 1.4 + 0.28 * len(ranked)))
    draw.plot_regulators(ranked, ax)
    fig.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# **Figure 5.** *Perturbations of whose changes the network says most, the least agreement on top.*
# Beside each bar: the share that agrees.

# %%
worst = results.regulators[results.regulators["network"] == names[0]]
worst = worst[worst["consistent"] + worst["conflicting"] > 0].head(10)
styled(worst.drop(columns=["network", "perturbation"]), {"agreement": "{:.0%}"})

# %% [markdown]
# By how many more changes conflict than agree, most first.
#
# ## Does annotation help?
#
# Genes without an annotation, and thirds of the others: by Gene Ontology terms, and by regulators
# in the network itself. Genes without a regulator are absent at *k* = 1 by definition.

# %% tags=["hide-input", "full-width"]
kinds = list(dict.fromkeys(results.annotation["by"]))
with theme():
    fig, axes = plt.subplots(2, 2, figsize=(9.5, 5.8), sharey="row")
    for row, quantity in zip(axes, ("absent", "conflicting where it speaks"), strict=True):
        for ax, by in zip(row, kinds, strict=True):
            part = results.annotation
            part = part[(part["by"] == by) & (part["quantity"] == quantity)]
            draw.plot_annotation(part, ax)
        row[0].set_ylabel(quantity)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# **Figure 6.** *Absent and conflicting shares by how well genes are annotated.*
#
# ## Where they disagree most, whose side does the other network take?
#
# Each edge of one sign counts once: *conflicting* where it conflicts with the data in more
# conditions than it agrees. An opposite sign in the other network would side with the data.
# Intervals draw regulators again.

# %% tags=["hide-input", "full-width"]
if len(results.sides):
    display(styled(report.sides_rows(results)))
else:
    display(prose("This edition has one network only."))

# %%
styled(report.edge_rows(results))

# %% [markdown]
# The edges that conflict in most conditions. A conflict is not yet an error of the network: a
# regulator may act the other way round in another medium, and an indirect effect may overrule the
# direct one.
#
# ## The claim
#
# C1: *42–71% of relationships in the data are absent from the knowledge base; at least 14%
# conflict*, once for all conditions and once for those that perturb a regulator of the network.
# **Supported** where the whole interval of the absent share lies between 42% and 71% and that of
# the conflicting share above 14%, **contradicted** where one of them lies wholly outside, else
# **undecided**; **not testable** where data and network were simulated. All at the edition's
# closure. How many other definitions meet both figures stands above, and decides nothing.

# %% tags=["full-width"]
verdicts = scorecard({edition: results}).drop(columns="edition")
styled(verdicts, precision=3).set_properties(
    subset=["statement", "reason"], **{"white-space": "normal", "min-width": "11rem"}
)

# %% [markdown]
# ## Answer

# %%
reply = prose(report.answer(results))
glue("answer-inconsistency", reply, display=False)
reply

# %% [markdown]
# **What would change our mind.** Agreement no better than with shuffled perturbations. Edges in
# conflict that a second, independently curated network gives the sign of the data. Shares that
# move into another range when a response is called by stricter thresholds.
