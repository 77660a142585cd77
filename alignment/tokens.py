"""Layers to tokens: named schemes, the vocabulary, and partial credit between tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignment.arrays import IntArray
from alignment.errors import AlignmentError, check_known
from alignment.layers import Architecture, Layer
from alignment.listings import library_tokens, published_tokens
from alignment.needleman_wunsch import Scoring


def layer_token(layer: Layer) -> str:
    """The kind alone: ``conv2d``."""
    return layer.kind


def geometry_token(layer: Layer) -> str:
    """The kind, its window and stride, and how a convolution is grouped.

    >>> geometry_token(Layer("conv2d", kernel=(3, 3), stride=(1, 1), groups=8, channels_in=8))
    'conv2d 3x3 depthwise'
    """
    words = [layer.kind]
    if layer.kernel:
        step = "" if all(s == 1 for s in layer.stride) else f"/{_compact(layer.stride)}"
        words.append("x".join(map(str, layer.kernel)) + step)
    if layer.groups > 1:
        words.append("depthwise" if layer.groups == layer.channels_in else "grouped")
    return " ".join(words)


def _compact(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))


@dataclass(frozen=True)
class Scheme:
    """How an architecture is written as tokens.

    Attributes:
        words: an architecture to its tokens.
        folded: whether blocks that are repeated become one block.
        listed: whether the tokens are of the library's listing, not of the traced layers.
        geometry: whether tokens name windows and strides after the kind.
        meaning: in a few words.
    """

    words: Callable[[Architecture], list[str]]
    folded: bool
    listed: bool
    geometry: bool
    meaning: str


def _each(token: Callable[[Layer], str]) -> Callable[[Architecture], list[str]]:
    return lambda one: [token(layer) for layer in one.layers]


SCHEMES: dict[str, Scheme] = {
    "layer": Scheme(_each(layer_token), False, False, False, "the kind of each executed layer"),
    "geometry": Scheme(
        _each(geometry_token), False, False, True, "kind, kernel, stride and groups of each layer"
    ),
    "block": Scheme(
        _each(geometry_token),
        True,
        False,
        True,
        "kind, kernel, stride and groups of each layer, repeated blocks once",
    ),
    "library": Scheme(
        lambda one: library_tokens(one.listing),
        False,
        True,
        False,
        "layers as the library lists them",
    ),
    "published": Scheme(
        lambda one: published_tokens(one.listing),
        False,
        True,
        False,
        "layers as the library lists them, less some that the paper seems to leave out",
    ),
}


@dataclass(frozen=True)
class Tokens:
    """Architectures as sequences of whole numbers.

    Attributes:
        names, families: of the architectures.
        vocabulary: what each number stands for; sorted, so the same in every process.
        sequences: one an architecture.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    vocabulary: tuple[str, ...]
    sequences: tuple[npt.NDArray[np.int32], ...]

    def words(self, index: int) -> list[str]:
        """The tokens of one architecture, as words."""
        return [self.vocabulary[token] for token in self.sequences[index]]


def tokenize(architectures: Sequence[Architecture], scheme: str = "layer") -> Tokens:
    """Write ``architectures`` in one of :data:`SCHEMES`.

    Args:
        architectures: as :func:`alignment.serialize` gives them.
        scheme: what a token tells of a layer, a name of :data:`SCHEMES`.

    Raises:
        AlignmentError: an unknown scheme, no architecture, one without layers, one name twice,
            or a name that is not a line of letters that can be printed.
    """
    check_known("scheme", scheme, SCHEMES)
    if not architectures:
        raise AlignmentError("no architectures to align")
    names = tuple(architecture.name for architecture in architectures)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise AlignmentError(f"two architectures are called {twice!r}")
    for text in (*names, *(one.family for one in architectures)):
        if not text or not text.isprintable():
            raise AlignmentError(
                f"{text!r} cannot name an architecture or a family; it must be one line of letters "
                "that can be printed"
            )
    chosen = SCHEMES[scheme]
    words = [chosen.words(one) for one in architectures]
    for one, sequence in zip(architectures, words, strict=True):
        if not sequence:
            lacks = "it has none as its library lists them" if one.layers else "it has none"
            raise AlignmentError(f"{one.name} has no layers of the scheme {scheme}: {lacks}")
    vocabulary = sorted({word for sequence in words for word in sequence})
    number = {word: index for index, word in enumerate(vocabulary)}
    sequences = [np.array([number[word] for word in row], np.int32) for row in words]
    if chosen.folded:
        from alignment.kernels import fold_repeats

        sequences = [fold_repeats(sequence) for sequence in sequences]
    families = tuple(architecture.family for architecture in architectures)
    return Tokens(names, families, tuple(vocabulary), tuple(sequences))


def partial_credit(vocabulary: Sequence[str], scoring: Scoring, partial: int) -> IntArray:
    """Substitution scores that give ``partial`` to two tokens of one kind and another geometry.

    Raises:
        AlignmentError: ``partial`` is not between ``mismatch`` and ``match``.
    """
    if not scoring.mismatch <= partial <= scoring.match:
        raise AlignmentError(
            f"partial is {partial}; it must lie between mismatch ({scoring.mismatch}) and match "
            f"({scoring.match})"
        )
    kinds = np.array([word.split(" ")[0] for word in vocabulary])
    matrix = np.where(kinds[:, None] == kinds[None], partial, scoring.mismatch).astype(np.int64)
    np.fill_diagonal(matrix, scoring.match)
    return matrix
