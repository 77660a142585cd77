"""An architecture of each space, as a search finds it: fields of ``FoundArchitecture``."""

from typing import Any

SPACES: dict[str, dict[str, Any]] = {
    "spos": {
        "settings": {"width": 0.25, "blocks": [1, 1, 1, 1]},
        "choices": {"layer_1": "k3", "layer_2": "xcep", "layer_3": "k7", "layer_4": "k5"},
    },
    "autoformer": {
        "settings": {"depths": [1, 2], "patch_size": 8},
        "choices": {
            "embed_dim": 64, "depth": 2, "mlp_ratio_0": 1.5, "mlp_ratio_1": 3.0,
            "num_head_0": 2, "num_head_1": 4,
        },
    },
}  # fmt: skip
