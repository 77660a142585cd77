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
# # NeuRN in a training loop of your own
#
# A stem needs nothing else of this package. Here it stands in front of a network of timm, in a
# plain loop of PyTorch: trained on handwriting, measured on print and on house numbers.

# %%
import timm
import torch
from torch.nn import functional as F

import nasneurn

# %% tags=["parameters"]
EPOCHS = 5
TRAIN_IMAGES = 1200
TEST_IMAGES = 500

# %%
suite = nasneurn.load_suite("builtin")


def tensors(domain: str, part: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, 32, 32) from 0 to 1, and labels."""
    split = suite.images(domain, part)
    images = torch.from_numpy(split.images[:count]).permute(0, 3, 1, 2) / 255
    return images, torch.from_numpy(split.labels[:count])


images, labels = tensors("optdigits", "train", TRAIN_IMAGES)

# %% [markdown]
# ## The same network, twice
#
# `with_stem` gives a new module that shares the network's weights. What leaves NeuRN is not on the
# scale of pixels. So that the stem does not gain or lose by that alone, both networks get inputs
# with a mean of 0 and a deviation of 1, measured on the training images.


# %%
def network(stem: str) -> torch.nn.Module:
    """A small network behind a stem; its weights are those of the seed."""
    torch.manual_seed(0)
    plain = timm.create_model("lcnet_050", num_classes=10)
    answers = nasneurn.create_stem(stem)(images)
    return nasneurn.with_stem(
        plain,
        stem,
        mean=answers.mean((0, 2, 3)).tolist(),
        std=answers.std((0, 2, 3)).tolist(),
    )


# %% [markdown]
# ## The loop


# %%
def train(model: torch.nn.Module) -> None:
    """Some epochs of AdamW, in an order that is the same for each network."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(images[rows]), labels[rows]).backward()
            optimizer.step()


@torch.no_grad()
def accuracy(model: torch.nn.Module, domain: str) -> float:
    """Share of a domain's test images that are recognized."""
    pictures, right = tensors(domain, "test", TEST_IMAGES)
    return float((model.eval()(pictures).argmax(1) == right).float().mean())


results = {}
for stem in ("none", "neurn"):
    model = network(stem)
    train(model)
    results[stem] = {domain: accuracy(model, domain) for domain in suite.domains}
results

# %% [markdown]
# One seed and a few epochs show how it is written, and nothing else. A claim needs several seeds,
# paired, with an interval: that is what `nasneurn.bench` does. The weights can be saved without the
# stem, since a stem has none.

# %%
plain = timm.create_model("lcnet_050", num_classes=10)
plain.load_state_dict(model.state_dict())
