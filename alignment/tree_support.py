"""Bootstrap support of the tree of an alignment that has been computed."""

from alignment.measures import rule_of, substitution_of
from alignment.outcome import Alignment
from alignment.support import Support, branch_support


def support_of(outcome: Alignment, *, replicates: int = 100, seed: int = 0) -> Support:
    """Bootstrap support of each merge of the outcome's tree.

    Every two different sequences are traced back once: a second for the 44, and for N
    architectures as N squared.

    Args:
        outcome: of at least one architecture.
        replicates: at least 1.
        seed: 0 or above.

    Returns:
        Its ``tree`` is :func:`alignment.representatives.linkage` of the outcome's similarities.

    Raises:
        AlignmentError: as :func:`alignment.support.branch_support`.
    """
    tokens, options = outcome.tokenized, outcome.options
    return branch_support(
        tokens.sequences,
        rule_of(tokens, options),
        options.scoring,
        substitution_of(tokens, options),
        replicates=replicates,
        seed=seed,
    )
