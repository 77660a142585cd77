"""Architecture alignment: architectures as token sequences, scores and representatives.

Importing this package imports nothing heavy: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ZOO": "alignment.zoo",
    "Alignment": "alignment.needleman_wunsch",
    "AlignmentError": "alignment.errors",
    "Architecture": "alignment.layers",
    "Layer": "alignment.layers",
    "Options": "alignment.run",
    "Scoring": "alignment.needleman_wunsch",
    "TraceError": "alignment.errors",
    "align": "alignment.needleman_wunsch",
    "catalogue": "alignment.sequences",
    "cluster": "alignment.representatives",
    "compute": "alignment.run",
    "layer_graph": "alignment.graphs",
    "normalize": "alignment.similarity",
    "resolve": "alignment.zoo",
    "score": "alignment.needleman_wunsch",
    "score_matrix": "alignment.needleman_wunsch",
    "serialize": "alignment.sequences",
    "serialize_model": "alignment.sequences",
    "similarities": "alignment.similarity",
    "tokenize": "alignment.tokens",
    "write_figures": "alignment.run",
    "write_tables": "alignment.run",
}

__all__ = [
    "ZOO",
    "Alignment",
    "AlignmentError",
    "Architecture",
    "Layer",
    "Options",
    "Scoring",
    "TraceError",
    "align",
    "catalogue",
    "cluster",
    "compute",
    "layer_graph",
    "normalize",
    "resolve",
    "score",
    "score_matrix",
    "serialize",
    "serialize_model",
    "similarities",
    "tokenize",
    "write_figures",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
