import pytest

from alignment import AlignmentError, Architecture, Layer, Scoring, tokenize
from alignment.listings import UNCOUNTED, library_tokens
from alignment.tokens import SCHEMES, geometry_token, partial_credit

CONV = Layer("conv2d", (3, 3), (1, 1), 1, 8, 8)
WIDE = Layer("conv2d", (5, 5), (2, 2), 8, 8, 8)
RELU = Layer("relu")


def architecture(name: str, *layers: Layer) -> Architecture:
    return Architecture(name, "test", layers)


@pytest.mark.parametrize(
    ("layer", "token"),
    [
        (CONV, "conv2d 3x3"),
        (WIDE, "conv2d 5x5/2 depthwise"),
        (Layer("conv2d", (1, 7), (1, 2), 4, 8, 8), "conv2d 1x7/1x2 grouped"),
        (Layer("conv1d", (3,), (1,), 1, 1, 1), "conv1d 3"),
        (Layer("max_pool", (3, 3), (2, 2)), "max_pool 3x3/2"),
        (RELU, "relu"),
    ],
)
def test_geometry(layer: Layer, token: str) -> None:
    assert geometry_token(layer) == token


def test_schemes() -> None:
    listing = ("InputLayer", "Conv2D", "Activation", "GELU", "Dense", "Mine")
    layers = (CONV, RELU, WIDE, RELU, WIDE, RELU, WIDE, RELU)
    model = Architecture("a", "test", layers, listing)
    words = {scheme: tokenize([model], scheme).words(0) for scheme in SCHEMES}
    assert words["layer"] == ["conv2d", "relu"] * 4
    wide = "conv2d 5x5/2 depthwise"
    assert words["geometry"] == ["conv2d 3x3", "relu"] + [wide, "relu"] * 3
    assert words["block"] == ["conv2d 3x3", "relu", wide, "relu"]
    assert words["library"] == ["convolution", "activation", "GELU", "linear", "Mine"]
    assert words["published"] == library_tokens(one for one in listing if one not in UNCOUNTED)


def test_the_vocabulary_is_shared_and_sorted() -> None:
    tokens = tokenize([architecture("a", RELU), architecture("b", CONV, RELU)])
    assert tokens.vocabulary == ("conv2d", "relu")
    assert [sequence.tolist() for sequence in tokens.sequences] == [[1], [0, 1]]


def test_partial_credit() -> None:
    vocabulary = ["conv2d 1x1", "conv2d 3x3", "relu"]
    matrix = partial_credit(vocabulary, Scoring(4, -2, -1), 1)
    assert matrix.tolist() == [[4, 1, -2], [1, 4, -2], [-2, -2, 4]]
    with pytest.raises(AlignmentError, match="between mismatch"):
        partial_credit(vocabulary, Scoring(), 2)


@pytest.mark.parametrize(
    ("models", "scheme", "says"),
    [
        ([], "layer", "no architectures"),
        ([architecture("a")], "layer", "a has no layers"),
        ([architecture("a", RELU)] * 2, "layer", "two architectures are called 'a'"),
        ([architecture("a", RELU)], "letters", "layer, geometry, block"),
        ([architecture("a", RELU)], "library", "a has no layers .* as its library lists them"),
        ([architecture("", RELU)], "layer", "'' cannot name an architecture"),
        ([architecture("a\nb", RELU)], "layer", r"'a\\nb' cannot name an architecture"),
        ([architecture("a\x1b[31m", RELU)], "layer", "one line of letters that can be printed"),
        ([Architecture("a", "\udcff", (RELU,))], "layer", "or a family"),
    ],
)
def test_bad_input(models, scheme: str, says: str) -> None:
    with pytest.raises(AlignmentError, match=says):
        tokenize(models, scheme)


def test_rows_of_json() -> None:
    assert Layer.from_row(WIDE.as_row()) == WIDE
    with pytest.raises(TypeError):
        Layer.from_row([1, 2])
