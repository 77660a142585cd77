"""Architectures to an :class:`alignment.outcome.Alignment`."""

from collections.abc import Sequence

from alignment.arrays import FloatArray, IntArray
from alignment.layers import Architecture
from alignment.needleman_wunsch import Scoring
from alignment.options import Options, variants
from alignment.outcome import NAMED, Alignment, Variant
from alignment.representatives import Clusters, cluster, prefer_cheap
from alignment.similarity import normalize, score_tokens
from alignment.tokens import Tokens, tokenize


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
            :func:`alignment.tokens.tokenize`.
    """
    options = options or Options()
    options.check(len(architectures))
    aligner = _Aligner(architectures, options.threads)
    scores, similarity = aligner.similarity(options)
    count = options.representatives or min(10, len(architectures))
    clusters, chosen = aligner.choose(options, count)
    if with_variants is None:
        with_variants = len(architectures) <= NAMED
    others = [
        Variant(name, aligner.similarity(other)[1], *aligner.choose(other, count))
        for name, other in (variants(options) if with_variants else [])
    ]
    return Alignment(
        options=options,
        architectures=tuple(architectures),
        tokenized=aligner.tokens(options.scheme),
        score_matrix=scores,
        similarity_matrix=similarity,
        clusters=clusters,
        chosen=chosen,
        variants=tuple(others),
    )


class _Aligner:
    """Aligns the same architectures under several options, and does nothing twice."""

    def __init__(self, architectures: Sequence[Architecture], threads: int) -> None:
        self._architectures = architectures
        self._threads = threads
        self._tokens: dict[str, Tokens] = {}
        self._scores: dict[tuple[str, Scoring, int | None], IntArray] = {}

    def tokens(self, scheme: str) -> Tokens:
        if scheme not in self._tokens:
            self._tokens[scheme] = tokenize(self._architectures, scheme)
        return self._tokens[scheme]

    def similarity(self, options: Options) -> tuple[IntArray, FloatArray]:
        tokens = self.tokens(options.scheme)
        # Tokens of the scheme "layer" have no geometry to give partial credit to.
        partial = None if options.scheme == "layer" else options.partial
        key = (options.scheme, options.scoring, partial)
        if key not in self._scores:
            self._scores[key] = score_tokens(
                tokens, options.scoring, partial=partial, threads=self._threads
            )
        lengths = [len(one) for one in tokens.sequences]
        scores = self._scores[key]
        return scores, normalize(scores, lengths, options.scoring, options.normalization)

    def choose(self, options: Options, count: int) -> tuple[Clusters, IntArray]:
        _, similarity = self.similarity(options)
        clusters = cluster(similarity, count, options.clustering)
        if options.prefer == "medoid":
            return clusters, clusters.medoids
        costs = [one.flops for one in self._architectures]
        return clusters, prefer_cheap(similarity, clusters, costs, options.within)
