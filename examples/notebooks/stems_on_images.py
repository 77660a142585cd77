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
# # What stems make of images
#
# A stem is what an image goes through before a network sees it. Here some stems are laid beside
# each other, on four domains of digits that come with the package, and one number says how far
# each brings the domains together.

# %%
import pandas as pd
import torch
from matplotlib.figure import Figure

import nasneurn

# %% tags=["parameters"]
IMAGES = 300  # of each domain, for the numbers at the end

# %%
suite = nasneurn.load_suite("builtin")
stems = ["none", "neurn", "neurn:k=7", "instance_norm", "local_contrast_norm", "sobel"]


def some_images(domain: str, count: int) -> torch.Tensor:
    """Test images of a domain, float (N, 3, H, W) from 0 to 1."""
    images = torch.from_numpy(suite.images(domain, "test").images[:count])
    return images.permute(0, 3, 1, 2) / 255


# %% [markdown]
# ## To look at
#
# A row for each domain, a column for each stem. Answers of some stems have no fixed range, so each
# picture is stretched to its own.

# %%
figure = Figure(figsize=(1.6 * len(stems), 1.6 * len(suite.domains)), layout="constrained")
axes = figure.subplots(len(suite.domains), len(stems), squeeze=False)
for row, domain in enumerate(suite.domains):
    image = some_images(domain, 1)
    for column, name in enumerate(stems):
        answer = nasneurn.create_stem(name)(image)[0].permute(1, 2, 0)
        answer = (answer - answer.min()) / (answer.max() - answer.min()).clamp(min=1e-6)
        ax = axes[row, column]
        ax.imshow(answer.numpy())
        ax.set(xticks=[], yticks=[])
        if row == 0:
            ax.set_title(name, fontsize=8)
        if column == 0:
            ax.set_ylabel(domain, fontsize=8)
figure

# %% [markdown]
# ## A number
#
# The mean picture of a domain is what all its images have in common. How far two mean pictures are
# apart, as a share of how far single images are from their own, says how much a stem leaves of the
# difference between domains. It looks at no label, and says nothing of what a network needs in
# order to tell digits apart. A study does.


# %%
def distance(stem: torch.nn.Module, one: str, other: str) -> float:
    """Distance of two domains' mean pictures, in units of the spread within them."""
    first, second = (stem(some_images(domain, IMAGES)).flatten(1) for domain in (one, other))
    within = torch.cat([first - first.mean(0), second - second.mean(0)])
    apart = first.mean(0) - second.mean(0)
    return float(apart.norm() / within.norm(dim=1).mean())


pairs = [("optdigits", other) for other in suite.domains if other != "optdigits"]
table = pd.DataFrame(
    {
        f"{one} / {other}": [distance(nasneurn.create_stem(name), one, other) for name in stems]
        for one, other in pairs
    },
    index=pd.Index(stems, name="stem"),
)
table.round(2)

# %% [markdown]
# `nasneurn diagnose` measures more of this kind on a study that is done, inside its networks too.
