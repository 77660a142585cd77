"""Names that mean something else to Matplotlib, Rich, HTML, XML, YAML, CSV or Newick."""

import numpy as np

from alignment import Architecture, Layer

NAMES = [
    "$x_1$ and $",
    "[/bold] [red]x :smile:",
    "<!--<script>alert(1)</script>",
    "it's (a), b: [c];",
    '"quoted", \\ and &amp;',
    "_under score_",
    "模型 ü 🙂",
    "%s {0} #",
    "$DATA",
    "=1+1",
    "null",
]


def nasty_zoo(more: int = 0) -> list[Architecture]:
    """Architectures with these names, and families with others, and ``more`` plain ones."""
    random = np.random.default_rng(0)
    kinds = ["conv2d", "relu", "add", "batch_norm"]
    names = [*NAMES, *(f"model{k}" for k in range(more))]
    return [
        Architecture(
            name,
            f"${NAMES[place % 3]}" if place % 2 else "_family<b>",
            tuple(Layer(kinds[k]) for k in random.integers(0, 4, 6 + place % 40)),
        )
        for place, name in enumerate(names)
    ]
