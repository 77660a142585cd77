# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A search, and the network that it finds
#
# A supernet of the SPOS space is trained on handwriting, behind NeuRN. An evolution over its paths
# looks for the best one on handwriting that was held out. Only then are the other domains seen.

# %%
import nasneurn

# %% tags=["parameters"]
SPACE = "spos"
CHANGES: dict[str, object] = {}  # such as {"supernet.steps": 300}: less work
OUT = "results/notebook-search"

# %%
study = nasneurn.search(SPACE, sources="optdigits", changes=CHANGES, out=OUT)
study

# %% [markdown]
# Run the cell again: nothing is searched twice. `study` holds DataFrames. Each candidate of the
# evolution has its cost and its accuracy on held-out images of the source:

# %%
study.evolution.sort_values("held_out_accuracy", ascending=False).head()

# %% [markdown]
# The winner, measured on the test images of all domains with the weights that it inherits:

# %%
study.accuracy[["source", "target", "accuracy", "held_out_accuracy"]]

# %% [markdown]
# ## What was found
#
# The architecture is plain data, and its name builds the network with fresh weights.

# %%
found = study.found[0]
found.choices

# %%
network = nasneurn.create_network(f"{study.found_path}#{found.name}")
sum(weight.numel() for weight in network.parameters())

# %% [markdown]
# Which known networks is it like? Architectures are aligned as sequences of layers:

# %%
alignment = nasneurn.align(
    [f"{study.found_path}#{found.name}", "lcnet_050", "mobilenetv3_small_050", "resnet18"]
)
alignment.similarity.round(2)
