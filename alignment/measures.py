"""What options make of sequences: how two tokens score, and what becomes of the scores.

An alignment's similarities and the support of its tree's branches are made by the same rule.
"""

from collections.abc import Callable
from typing import TypeAlias

from alignment.arrays import FloatArray, IntArray
from alignment.nulls import Null, corrected, permutation_null
from alignment.options import Options
from alignment.similarity import correlate, normalize
from alignment.tokens import Tokens, partial_credit

#: Scores (N, N) to similarities (N, N).
Rule: TypeAlias = Callable[[IntArray], FloatArray]

#: The seed of the shuffles, and how many the similarity "corrected" compares with.
SEED = 0
SHUFFLES = 100


def substitution_of(tokens: Tokens, options: Options) -> IntArray | None:
    """What two tokens score; None is match and mismatch alone.

    Raises:
        AlignmentError: as :func:`alignment.tokens.partial_credit`.
    """
    partial = options.partial
    return None if partial is None else partial_credit(tokens.vocabulary, options.scoring, partial)


def null_of(tokens: Tokens, options: Options, shuffles: int = SHUFFLES) -> Null:
    """What all pairs of ``tokens`` score with their tokens in random order.

    Raises:
        AlignmentError: too few shuffles.
    """
    return permutation_null(
        tokens.sequences,
        options.scoring,
        substitution_of(tokens, options),
        shuffles=shuffles,
        seed=SEED,
        threads=options.threads,
    )


def rule_of(tokens: Tokens, options: Options) -> Rule:
    """How scores of ``tokens`` become similarities.

    For the similarity "corrected", that takes as many alignments of all pairs as there are
    shuffles; the rule itself then takes none.
    """
    if options.similarity == "corrected":
        null = null_of(tokens, options)
        return lambda scores: corrected(scores, null)
    lengths = [len(one) for one in tokens.sequences]
    correlated = options.similarity == "correlation"

    def rule(scores: IntArray) -> FloatArray:
        values = normalize(
            scores, lengths, options.scoring, options.normalization, clipped=not correlated
        )
        return correlate(values) if correlated else values

    return rule
