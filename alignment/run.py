"""Architectures to an :class:`alignment.outcome.Alignment`."""

from collections.abc import Sequence
from dataclasses import replace

from alignment.arrays import FloatArray, IntArray
from alignment.errors import AlignmentError
from alignment.layers import Architecture
from alignment.measures import rule_of, substitution_of
from alignment.needleman_wunsch import Scoring, score_matrix
from alignment.options import Options, variants
from alignment.outcome import NAMED, Alignment, Variant
from alignment.representatives import Clusters, cluster, prefer_cheap
from alignment.similarity import LEAST_ROWS
from alignment.tokens import SCHEMES, Tokens, tokenize


def compute(
    architectures: Sequence[Architecture],
    options: Options | None = None,
    *,
    with_variants: bool | None = None,
) -> Alignment:
    """Align all pairs, and choose representatives.

    Args:
        architectures: at least one, with different names.
        options: what to compute; by default :class:`alignment.options.Options` as it is.
        with_variants: repeat the choice under other options; by default for up to
            :data:`alignment.outcome.NAMED` architectures.

    Raises:
        AlignmentError: see :meth:`alignment.options.Options.check`, and
            :func:`alignment.tokens.tokenize`; fewer architectures satisfy the limits than are to
            be chosen.
    """
    options = options or Options()
    options.check(len(architectures))
    count = _count(options, architectures)
    aligner = Aligner(architectures, options.threads)
    scores, similarity = aligner.similarity(options)
    clusters, chosen = aligner.choose(options, count)
    if with_variants is None:
        with_variants = len(architectures) <= NAMED
    others = [
        Variant(name, aligner.similarity(other)[1], *aligner.choose(other, count))
        for name, other in (variants(options) if with_variants else [])
        if aligner.allows(other)
    ]
    return Alignment(
        options=options,
        architectures=tuple(architectures),
        tokenized=aligner.tokens(options),
        score_matrix=scores,
        similarity_matrix=similarity,
        clusters=clusters,
        chosen=chosen,
        variants=tuple(others),
    )


def _count(options: Options, architectures: Sequence[Architecture]) -> int:
    """How many representatives to choose.

    Raises:
        AlignmentError: fewer architectures satisfy the limits.
    """
    allowed = int(options.allowed(architectures).sum())
    count = options.representatives or min(10, max(1, allowed))
    if architectures and allowed < count:
        raise AlignmentError(
            f"{allowed} of {len(architectures)} architectures have {options.limits()}, fewer than "
            f"the {count} to choose; the least parameters are "
            f"{min(one.params for one in architectures):,}, the least multiply-adds "
            f"{min(one.flops for one in architectures):,}"
        )
    return count


def ordered(architecture: Architecture, branches: str) -> Architecture:
    """An architecture with its layers in that order of parallel branches.

    Raises:
        AlignmentError: it has no canonical order.
    """
    if branches == "execution":
        return architecture
    if not architecture.canonical:
        raise AlignmentError(
            f"{architecture.name} has no canonical order of its branches; take the order execution"
        )
    layers = tuple(architecture.layers[place] for place in architecture.canonical)
    return replace(architecture, layers=layers)


class Aligner:
    """Aligns the same architectures under several options, and does nothing twice."""

    def __init__(self, architectures: Sequence[Architecture], threads: int) -> None:
        self._architectures = architectures
        self._threads = threads
        self._similarities: dict[Options, FloatArray] = {}
        self._tokens: dict[tuple[str, str], Tokens] = {}
        self._scores: dict[tuple[str, str, Scoring, int | None], IntArray] = {}

    def tokens(self, options: Options) -> Tokens:
        """The sequences in the scheme and the order of branches of ``options``."""
        key = (options.scheme, options.branches)
        if key not in self._tokens:
            written = [ordered(one, options.branches) for one in self._architectures]
            self._tokens[key] = tokenize(written, options.scheme)
        return self._tokens[key]

    def similarity(self, options: Options) -> tuple[IntArray, FloatArray]:
        """Scores and similarities, both (N, N)."""
        tokens = self.tokens(options)
        key = (options.scheme, options.branches, options.scoring, options.partial)
        if key not in self._scores:
            self._scores[key] = score_matrix(
                tokens.sequences,
                options.scoring,
                substitution_of(tokens, options),
                threads=self._threads,
            )
        scores = self._scores[key]
        if options not in self._similarities:
            self._similarities[options] = rule_of(tokens, options)(scores)
        return scores, self._similarities[options]

    def allows(self, options: Options) -> bool:
        """Whether these architectures can be compared so."""
        listed = all(one.listing for one in self._architectures)
        rows = len(self._architectures) >= LEAST_ROWS
        return (listed or not SCHEMES[options.scheme].listed) and (
            rows or options.similarity != "correlation"
        )

    def choose(self, options: Options, count: int) -> tuple[Clusters, IntArray]:
        """So many clusters, and the place of each one's representative."""
        _, similarity = self.similarity(options)
        allowed = options.allowed(self._architectures)
        clusters = cluster(similarity, count, options.clustering, allowed=allowed)
        if options.prefer == "medoid":
            return clusters, clusters.medoids
        costs = [one.flops for one in self._architectures]
        chosen = prefer_cheap(similarity, clusters, costs, options.within, allowed=allowed)
        return clusters, chosen
