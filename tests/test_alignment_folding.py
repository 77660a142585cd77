"""Repeated blocks become one block: to a fixed point, by one rule."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignment import Architecture, Layer, resolve, serialize, tokenize
from alignment.kernels import fold_repeats

words = st.lists(st.integers(0, 3), max_size=60)


def fold(tokens: Sequence[int]) -> list[int]:
    return fold_repeats(np.array(tokens, np.int32)).tolist()


def first_repeat(tokens: Sequence[int]) -> tuple[int, int] | None:
    """(end, period) of the repeat that ends first, and of these of the shortest; by trying all."""
    for end in range(len(tokens) + 1):
        for period in range(1, end // 2 + 1):
            if tokens[end - period : end] == tokens[end - 2 * period : end - period]:
                return end, period
    return None


def fold_as_defined(tokens: Sequence[int]) -> list[int]:
    """Drop the second block of the first repeat, and look again from the beginning."""
    tokens = list(tokens)
    while found := first_repeat(tokens):
        end, period = found
        del tokens[end - period : end]
    return tokens


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("a", "a"),
        ("aaaa", "a"),
        ("ababab", "ab"),
        ("ababa", "aba"),
        ("abcabd", "abcabd"),
        ("xababcabcy", "xabcy"),  # ab twice, and then abc twice
        ("aabaabaab", "ab"),  # a block with a repeat inside
        ("abcbabcbabc", "abcbabc"),
        ("abbcabc", "abc"),  # a repeat that appears when another is folded
    ],
)
def test_by_hand(text: str, folded: str) -> None:
    assert "".join(map(chr, fold([ord(letter) for letter in text]))) == folded


def test_all_short_sequences_fold_as_defined() -> None:
    for letters, most in ((2, 11), (3, 8), (4, 6)):
        for length in range(1, most + 1):
            for tokens in product(range(letters), repeat=length):
                assert fold(tokens) == fold_as_defined(tokens)


@settings(max_examples=300, deadline=None)
@given(words)
def test_longer_sequences_fold_as_defined(tokens: list[int]) -> None:
    assert fold(tokens) == fold_as_defined(tokens)


@settings(max_examples=300, deadline=None)
@given(words, st.integers(1, 5))
def test_nothing_is_left_to_fold(block: list[int], times: int) -> None:
    tokens = block * times
    folded = fold(tokens)
    assert first_repeat(folded) is None
    assert fold(folded) == folded
    assert set(folded) == set(tokens)
    assert folded[:1] == tokens[:1]
    assert folded[-1:] == tokens[-1:]


@settings(max_examples=300, deadline=None)
@given(words, words)
def test_a_beginning_folds_the_same_whatever_follows(a: list[int], b: list[int]) -> None:
    assert fold(a + b) == fold(fold(a) + b)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12, unique=True), st.integers(1, 9))
def test_a_block_without_repeats_is_what_its_repetition_folds_to(block, times: int) -> None:
    assert fold(block * times) == block


def thue(length: int) -> list[int]:
    """A sequence of three tokens without equal neighbouring blocks (Thue, 1906)."""
    tokens = [0]
    while len(tokens) < length:
        tokens = [t for one in tokens for t in ((0, 1, 2), (0, 2), (1,))[one]]
    return tokens[:length]


def test_long_sequences_are_folded_in_less_than_cubic_time() -> None:
    """Cubic time would be hours. Nothing can be folded, and everything."""
    word = thue(15_000)
    assert fold(word) == word
    assert fold([0] * 100_000) == [0]
    assert fold(word[:4000] * 3)[:4000] == word[:4000]


def test_types_and_emptiness_are_kept() -> None:
    assert fold([]) == []
    for dtype in (np.int16, np.int32, np.int64):
        assert fold_repeats(np.array([5, 5, 6], dtype)).dtype == dtype


def test_depth_folds_away() -> None:
    """Two networks of one design and two depths, with repeats inside of their blocks."""
    three, one, relu = (
        Layer("conv2d", (3, 3), (1, 1)),
        Layer("conv2d", (1, 1), (1, 1)),
        Layer("relu"),
    )
    block = (one, relu, three, relu, three, relu)
    between = (Layer("avg_pool", (2, 2), (2, 2)),)
    networks = [
        Architecture(str(depth), "design", (three, *block * depth, *between, *block * (2 * depth)))
        for depth in (1, 3, 8)
    ]
    sequences = [sequence.tolist() for sequence in tokenize(networks, "block").sequences]
    assert sequences[0] == sequences[1] == sequences[2]
    assert first_repeat(sequences[0]) is None


@pytest.mark.slow
def test_the_depths_of_densenet_fold_to_one_sequence() -> None:
    names = ["densenet121", "densenet169", "densenet201"]
    tokens = tokenize(serialize(resolve(names, list)).architectures, "block")
    lengths = [len(sequence) for sequence in tokens.sequences]
    assert lengths == sorted(lengths)
    assert tokens.sequences[0].tolist() == tokens.sequences[2].tolist()
