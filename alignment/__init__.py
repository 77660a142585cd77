"""Architecture alignment: architectures as token sequences, scores and representatives.

Importing this package imports nothing heavy: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignment.errors import AlignmentError, TraceError
    from alignment.graphs import layer_graph
    from alignment.layers import Architecture, Layer
    from alignment.needleman_wunsch import (
        PairAlignment,
        Scoring,
        align_pair,
        score,
        score_matrix,
    )
    from alignment.options import PRESETS, Options
    from alignment.outcome import Alignment
    from alignment.report import write_all, write_figures
    from alignment.representatives import cluster
    from alignment.run import compute
    from alignment.sequences import catalogue, serialize, serialize_model
    from alignment.similarity import normalize, similarities
    from alignment.tables import write_tables
    from alignment.tokens import tokenize
    from alignment.tree_support import support_of
    from alignment.zoo import KERAS, PUBLISHED, resolve

_HOME = {
    "KERAS": "alignment.zoo",
    "PRESETS": "alignment.options",
    "PUBLISHED": "alignment.zoo",
    "Alignment": "alignment.outcome",
    "AlignmentError": "alignment.errors",
    "Architecture": "alignment.layers",
    "Layer": "alignment.layers",
    "Options": "alignment.options",
    "PairAlignment": "alignment.needleman_wunsch",
    "Scoring": "alignment.needleman_wunsch",
    "TraceError": "alignment.errors",
    "align_pair": "alignment.needleman_wunsch",
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
    "support_of": "alignment.tree_support",
    "tokenize": "alignment.tokens",
    "write_all": "alignment.report",
    "write_figures": "alignment.report",
    "write_tables": "alignment.tables",
}

__all__ = [
    "KERAS",
    "PRESETS",
    "PUBLISHED",
    "Alignment",
    "AlignmentError",
    "Architecture",
    "Layer",
    "Options",
    "PairAlignment",
    "Scoring",
    "TraceError",
    "align_pair",
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
    "support_of",
    "tokenize",
    "write_all",
    "write_figures",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
