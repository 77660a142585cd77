"""One alignment from architectures to files: what ``nasneurn align`` does."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alignment.errors import AlignmentError
from alignment.layers import Architecture
from alignment.needleman_wunsch import BORDERS, IntArray, Scoring
from alignment.outputs import prepare_folder, write_matrix, write_table
from alignment.representatives import (
    METHODS,
    Clusters,
    FloatArray,
    cluster,
    prefer_cheap,
    silhouette,
    stability,
)
from alignment.similarity import NORMALIZATIONS, normalize, score_tokens
from alignment.tokens import SCHEMES, Tokens, tokenize

#: Up to so many architectures a figure can name them, and the choice is repeated under other
#: options; above, a map takes the place of the heatmap.
NAMED = 150

#: Values of k for which the silhouette is computed.
SILHOUETTE_KS = range(2, 21)

PREFERENCES = ("medoid", "cheap")

#: The family of architectures that a search found, and how many known ones are named for each.
FOUND = "found"
NEAREST = 3


@dataclass(frozen=True)
class Options:
    """What is computed.

    Attributes:
        scheme: of :data:`alignment.tokens.SCHEMES`.
        scoring: scores and borders.
        partial: score of two tokens of one kind and another geometry; None is ``mismatch``.
        normalization: of :data:`alignment.similarity.NORMALIZATIONS`.
        representatives: how many to choose; None is 10, or all if there are fewer.
        clustering: of :data:`alignment.representatives.METHODS`.
        prefer: "medoid", or "cheap": the cheapest member ``within`` that distance of the medoid.
        within: see ``prefer``.
        threads: threads that score.
    """

    scheme: str = "layer"
    scoring: Scoring = field(default_factory=Scoring)
    partial: int | None = None
    normalization: str = "range"
    representatives: int | None = None
    clustering: str = "medoids"
    prefer: str = "medoid"
    within: float = 0.1
    threads: int = 1

    def check(self, count: int | None = None) -> None:
        """Raise AlignmentError for what cannot be computed, before any work is done."""
        for what, value, known in (
            ("scheme", self.scheme, SCHEMES),
            ("normalization", self.normalization, NORMALIZATIONS),
            ("clustering", self.clustering, METHODS),
            ("preference", self.prefer, PREFERENCES),
        ):
            if value not in known:
                raise AlignmentError(f"unknown {what} {value!r}; choose of {', '.join(known)}")
        if self.representatives is not None:
            most = count if count is not None else self.representatives
            if not 1 <= self.representatives <= max(most, 1):
                raise AlignmentError(
                    f"cannot choose {self.representatives} representatives of {most} "
                    f"architectures; from 1 to {most}"
                )
        if not 0 <= self.within <= 1:
            raise AlignmentError(f"within is {self.within}; it is a distance, from 0 to 1")
        if self.threads < 1:
            raise AlignmentError(f"threads is {self.threads}; it must be at least 1")

    def scores_title(self) -> str:
        """How tables and figures name the scores."""
        one = self.scoring
        gaps = f"gap {one.gap}" + (f" extend {one.extend}" if one.extend != one.gap else "")
        partial = "" if self.partial is None else f" partial {self.partial}"
        return (
            f"{self.scheme}; match {one.match} mismatch {one.mismatch}{partial} {gaps}; "
            f"{one.borders} borders"
        )

    def title(self) -> str:
        """How tables and figures name the similarities."""
        return f"{self.normalization}; {self.scores_title()}"


def variants(options: Options) -> list[tuple[str, Options]]:
    """Other reasonable options, each with one thing changed; for the stability of a choice."""
    one = options.scoring
    found: list[tuple[str, Options]] = []

    def add(name: str, **changes: Any) -> None:
        changed = replace(options, **changes)
        if changed != options:
            found.append((name, changed))

    for borders in BORDERS:
        add(f"{borders} borders", scoring=replace(one, borders=borders))
    add("mismatch 0", scoring=replace(one, mismatch=0))
    add("match doubled", scoring=replace(one, match=2 * one.match))
    doubled = None if one.gap_extend is None else 2 * one.gap_extend
    add("gap doubled", scoring=replace(one, gap=2 * one.gap, gap_extend=doubled))
    for name in NORMALIZATIONS:
        add(f"normalized by {name}", normalization=name)
    for name in SCHEMES:
        add(f"scheme {name}", scheme=name)
    return found


@dataclass(frozen=True)
class Variant:
    """What one of :func:`variants` leads to."""

    name: str
    similarity: FloatArray
    clusters: Clusters
    representatives: IntArray


@dataclass(frozen=True)
class Outcome:
    """What was computed.

    Attributes:
        architectures: in the order of every matrix.
        tokens: their sequences.
        scores, similarity: (N, N).
        clusters: with the medoids.
        representatives: one for each cluster, in the order of the medoids.
        variants: the same under other options; empty if that was not computed.
    """

    options: Options
    architectures: tuple[Architecture, ...]
    tokens: Tokens
    scores: IntArray
    similarity: FloatArray
    clusters: Clusters
    representatives: IntArray
    variants: tuple[Variant, ...] = ()

    @property
    def stability(self) -> list[float]:
        """For each representative, the share of variants that choose it; NaN without variants."""
        return stability(
            self.representatives.tolist(), [one.representatives for one in self.variants]
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the architectures."""
        return self.tokens.names


def compute(
    architectures: Sequence[Architecture], options: Options, *, with_variants: bool | None = None
) -> Outcome:
    """Align all pairs, and choose representatives.

    Args:
        architectures: at least one, with different names.
        options: what to compute.
        with_variants: repeat the choice under other options; by default for up to
            :data:`NAMED` architectures.

    Raises:
        AlignmentError: see :meth:`Options.check`, and :func:`alignment.tokens.tokenize`.
    """
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
    return Outcome(
        options,
        tuple(architectures),
        aligner.tokens(options.scheme),
        scores,
        similarity,
        clusters,
        chosen,
        tuple(others),
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


def write_tables(outcome: Outcome, folder: Path) -> list[Path]:
    """Write scores.csv, similarity.csv, tokens.csv and representatives.csv.

    Where there are architectures that a search found, also nearest.csv: the known ones most like
    each.

    Raises:
        AlignmentError: ``folder`` cannot be written.
    """
    prepare_folder(folder)
    paths = {
        name: folder / f"{name}.csv"
        for name in ("scores", "similarity", "tokens", "representatives")
    }
    options, names = outcome.options, outcome.names
    write_matrix(paths["scores"], f"score ({options.scores_title()})", names, outcome.scores)
    write_matrix(paths["similarity"], f"similarity ({options.title()})", names, outcome.similarity)
    write_table(
        paths["tokens"],
        ["name", "family", "length", "params", "flops", f"sequence ({options.scheme})"],
        (
            [
                one.name,
                one.family,
                len(outcome.tokens.sequences[index]),
                one.params,
                one.flops,
                "; ".join(outcome.tokens.words(index)),
            ]
            for index, one in enumerate(outcome.architectures)
        ),
    )
    write_table(
        paths["representatives"],
        [
            "cluster",
            "representative",
            "medoid",
            "size",
            "mean distance to medoid",
            "stability",
            "member",
            f"distance to medoid ({options.title()})",
        ],
        _members(outcome),
    )
    if nearest := _nearest(outcome):
        paths["nearest"] = folder / "nearest.csv"
        header = ["found", "rank", "nearest", "family", f"similarity ({options.title()})"]
        write_table(paths["nearest"], header, nearest)
    return list(paths.values())


def _nearest(outcome: Outcome) -> list[list[object]]:
    """Of each architecture that a search found, the known ones that resemble it most."""
    families = np.array(outcome.tokens.families)
    known = np.flatnonzero(families != FOUND)
    rows: list[list[object]] = []
    for found in np.flatnonzero(families == FOUND):
        likeness = outcome.similarity[found, known]
        for rank, place in enumerate(np.argsort(-likeness, kind="stable")[:NEAREST], start=1):
            other = known[place]
            names = outcome.names[found], rank, outcome.names[other], families[other]
            rows.append([*names, f"{likeness[place]:.6f}"])
    return rows


def _members(outcome: Outcome) -> list[list[object]]:
    rows: list[list[object]] = []
    names = outcome.names
    firmness = outcome.stability
    for place, (medoid, chosen) in enumerate(
        zip(outcome.clusters.medoids, outcome.representatives, strict=True)
    ):
        members = outcome.clusters.members(place)
        distances = 1.0 - outcome.similarity[members, medoid]
        firm = firmness[place]
        head = [
            place + 1,
            names[chosen],
            names[medoid],
            len(members),
            f"{distances.mean():.6f}",
            "" if np.isnan(firm) else f"{firm:.2f}",
        ]
        rows += [
            [*head, names[members[rank]], f"{distances[rank]:.6f}"]
            for rank in np.argsort(distances, kind="stable")
        ]
    return rows


def kendall(a: FloatArray, b: FloatArray) -> float:
    """Kendall's tau-b of the similarities of all pairs; NaN if either ranks nothing.

    >>> same = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.1], [0.2, 0.1, 1.0]])
    >>> kendall(same, same**2)
    1.0
    """
    pairs = np.triu_indices(len(a), 1)
    first, second = (
        np.sign(np.subtract.outer(one[pairs], one[pairs])).astype(np.int8) for one in (a, b)
    )
    ranked = float(np.count_nonzero(first)) * float(np.count_nonzero(second))
    agree = float((first * second).sum(dtype=np.int64))
    return agree / ranked**0.5 if ranked else float("nan")


def relatives(similarity: FloatArray, families: Sequence[str]) -> tuple[int, int]:
    """Of how many architectures the most similar one is of their family, and of how many at all.

    Counted are those whose family has others.
    """
    labels = np.array(families)
    others = similarity.copy()
    np.fill_diagonal(others, -1.0)
    nearest = others.argmax(1)
    counted = [one for one in range(len(labels)) if (labels == labels[one]).sum() > 1]
    return sum(bool(labels[nearest[one]] == labels[one]) for one in counted), len(counted)


def settings_table(outcome: Outcome) -> list[list[object]]:
    """One row for the chosen options, and one for each variant."""
    chosen = Variant("as chosen", outcome.similarity, outcome.clusters, outcome.representatives)
    rows: list[list[object]] = []
    for one in (chosen, *outcome.variants):
        found, counted = relatives(one.similarity, outcome.tokens.families)
        rows.append(
            [
                one.name,
                f"{kendall(outcome.similarity, one.similarity):.4f}",
                f"{np.median(one.similarity[np.triu_indices(len(one.similarity), 1)]):.4f}",
                found,
                counted,
                f"{silhouette(one.similarity, one.clusters.labels):.4f}",
                "; ".join(outcome.names[k] for k in one.representatives),
            ]
        )
    return rows


def silhouette_curve(outcome: Outcome) -> list[tuple[int, float]]:
    """(k, mean silhouette) for each k of :data:`SILHOUETTE_KS` that the architectures allow."""
    curve = []
    for k in SILHOUETTE_KS:
        if k < len(outcome.names):
            found = cluster(outcome.similarity, k, outcome.options.clustering)
            curve.append((k, silhouette(outcome.similarity, found.labels)))
    return curve


def write_figures(outcome: Outcome, folder: Path) -> list[Path]:
    """Write the figures: a heatmap and a tree, or, of very many architectures, a map and its page.

    Raises:
        AlignmentError: ``folder`` cannot be written.
    """
    from alignment import figures
    from alignment.outputs import write_with

    prepare_folder(folder)
    if len(outcome.names) > NAMED:
        from alignment.page import map_page

        points = figures.embed(outcome.similarity)
        page = folder / "map.html"
        text = map_page(outcome, points)
        write_with(page, lambda draft: draft.write_text(text, encoding="utf-8"))
        picture = folder / "map.png"
        write_with(picture, lambda draft: figures.draw_map(outcome, points, draft))
        return [picture, page]
    written = []
    if len(outcome.names) > 1:
        for name, draw in (("heatmap", figures.draw_heatmap), ("tree", figures.draw_tree)):
            path = folder / f"{name}.png"
            write_with(path, partial(draw, outcome))
            written.append(path)
    if len(outcome.names) > 1 and outcome.variants:
        path = folder / "settings.csv"
        header = [
            "changed",
            f"kendall tau with ({outcome.options.title()})",
            "median similarity",
            "nearest of own family",
            "of",
            "silhouette",
            "representatives",
        ]
        write_table(path, header, settings_table(outcome))
        written.append(path)
    curve = silhouette_curve(outcome)
    if curve:
        table = folder / "silhouette.csv"
        header = ["k", f"mean silhouette ({outcome.options.clustering}; {outcome.options.title()})"]
        write_table(table, header, ((k, f"{value:.6f}") for k, value in curve))
        path = folder / "silhouette.png"
        write_with(path, lambda draft: figures.draw_silhouette(curve, outcome, draft))
        written += [table, path]
    return written
