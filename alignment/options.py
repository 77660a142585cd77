"""What an alignment computes, and the other options that its result is compared with."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from alignment.arrays import BoolArray
from alignment.errors import AlignmentError, check_known
from alignment.layers import Architecture
from alignment.needleman_wunsch import BORDERS, Scoring
from alignment.representatives import METHODS
from alignment.similarity import NORMALIZATIONS, SIMILARITIES
from alignment.tokens import SCHEMES, partial_credit

PREFERENCES = ("medoid", "cheap")
BRANCHES = ("execution", "canonical")


@dataclass(frozen=True)
class Options:
    """What is computed.

    Attributes:
        scheme: of :data:`alignment.tokens.SCHEMES`.
        scoring: scores and borders.
        partial: score of two tokens of one kind and another geometry, in schemes of tokens that
            name it; None is ``mismatch``.
        normalization: of :data:`alignment.similarity.NORMALIZATIONS`.
        similarity: of :data:`alignment.similarity.SIMILARITIES`.
        branches: the order of parallel branches, that of "execution", or a "canonical" one that
            depends on the graph alone.
        representatives: how many to choose; None is 10, or all that may be chosen if there are
            fewer.
        max_params: only architectures of so many parameters or fewer are chosen; None is no limit.
        max_flops: the same of multiply-adds, for one image of the size that each was traced with.
        clustering: of :data:`alignment.representatives.METHODS`.
        prefer: "medoid", or "cheap": the cheapest member ``within`` that distance of the medoid.
        within: see ``prefer``.
        threads: threads that score.
    """

    scheme: str = "block"
    scoring: Scoring = field(default_factory=lambda: Scoring(4, -2, -6, -1))
    partial: int | None = None
    normalization: str = "range"
    similarity: str = "normalized"
    branches: str = "execution"
    representatives: int | None = None
    max_params: int | None = None
    max_flops: int | None = None
    clustering: str = "medoids"
    prefer: str = "medoid"
    within: float = 0.1
    threads: int = 1

    def check(self, count: int | None = None) -> None:
        """Refuse what cannot be computed, before any work is done.

        Args:
            count: how many architectures there are; None if that is not known yet.

        Raises:
            AlignmentError: an unknown name, or a number outside of its range.
        """
        check_known("scheme", self.scheme, SCHEMES)
        check_known("normalization", self.normalization, NORMALIZATIONS)
        check_known("similarity", self.similarity, SIMILARITIES)
        check_known("order of branches", self.branches, BRANCHES)
        check_known("clustering", self.clustering, METHODS)
        check_known("preference", self.prefer, PREFERENCES)
        if self.representatives is not None:
            most = count if count is not None else self.representatives
            if not 1 <= self.representatives <= max(most, 1):
                raise AlignmentError(
                    f"cannot choose {self.representatives} representatives of {most} "
                    f"architectures; from 1 to {most}"
                )
        for name in ("max_params", "max_flops"):
            limit = getattr(self, name)
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or limit < 1:
                raise AlignmentError(f"{name} is {limit!r}; it must be a whole number of 1 or more")
        if self.partial is not None:
            if not SCHEMES[self.scheme].geometry:
                able = [name for name, scheme in SCHEMES.items() if scheme.geometry]
                raise AlignmentError(
                    f"partial is {self.partial}, and tokens of the scheme {self.scheme!r} have no "
                    f"geometry to differ in; leave it out, or take the scheme {' or '.join(able)}"
                )
            partial_credit([], self.scoring, self.partial)  # refuses what does not fit the scores
        if not 0 <= self.within <= 2:
            raise AlignmentError(f"within is {self.within}; it is a distance, from 0 to 2")
        if self.threads < 1:
            raise AlignmentError(f"threads is {self.threads}; it must be at least 1")

    def plain(self) -> dict[str, Any]:
        """All by name as plain data, scores too; not threads, which change no result."""
        content = asdict(self)
        del content["threads"]
        content |= content.pop("scoring")
        # NumPy's numbers, too, are numbers.
        return {
            name: getattr(value, "item", lambda v=value: v)() for name, value in content.items()
        }

    def allowed(self, architectures: Sequence[Architecture]) -> BoolArray:
        """(N,), which of ``architectures`` satisfy the limits of a representative."""
        fits = [
            (self.max_params is None or one.params <= self.max_params)
            and (self.max_flops is None or one.flops <= self.max_flops)
            for one in architectures
        ]
        return np.array(fits, np.bool_)

    def limits(self) -> str:
        """The limits in words; nothing if there are none.

        >>> Options(max_params=5_000_000).limits()
        'at most 5,000,000 parameters'
        """
        named = ((self.max_params, "parameters"), (self.max_flops, "multiply-adds"))
        parts = [f"{limit:,} {what}" for limit, what in named if limit is not None]
        return "at most " + " and ".join(parts) if parts else ""

    def scores_title(self) -> str:
        """How tables and figures name the scores."""
        one = self.scoring
        gaps = f"gap {one.gap}" + (f" extend {one.extend}" if one.extend != one.gap else "")
        order = "" if self.branches == "execution" else f", {self.branches} branches"
        partial = "" if self.partial is None else f" partial {self.partial}"
        return (
            f"{self.scheme}{order}; match {one.match} mismatch {one.mismatch}{partial} {gaps}; "
            f"{one.borders} borders"
        )

    def words(self) -> str:
        """How figures name the similarities to those who did not choose the options.

        >>> Options().words().split("; ")[0]
        'similarity: scores divided by the range of possible ones'
        """
        by = {
            "range": "divided by the range of possible ones",
            "longer": "divided by that of the longer sequence with itself",
            "shorter": "divided by that of the shorter sequence with itself",
            "mean": "divided by the mean of both sequences' scores with themselves",
            "geometric": "divided by the geometric mean of both sequences' scores with themselves",
        }[self.normalization]
        similarity = {
            "normalized": f"similarity: scores {by}",
            "correlation": f"similarity: correlation of rows of scores {by}",
            "corrected": "similarity: scores beside those of shuffled sequences",
        }[self.similarity]
        one = self.scoring
        further = f", each further {one.extend}" if one.extend != one.gap else ""
        partial = "" if self.partial is None else f", equal kind {self.partial}"
        order = "" if self.branches == "execution" else f" in {self.branches} order of branches"
        free = "; gaps at the beginning are free" if one.borders == "zero" else ""
        return (
            f"{similarity}; tokens: {SCHEMES[self.scheme].meaning}{order}; scores: equal tokens "
            f"{one.match}, different {one.mismatch}{partial}, gap {one.gap}{further}{free}"
        )

    def choice_title(self) -> str:
        """How tables name the choice of representatives."""
        limits = self.limits()
        return self.title() + (f"; representatives of {limits}" if limits else "")

    def title(self) -> str:
        """How tables and figures name the similarities."""
        by = {
            "normalized": self.normalization,
            "correlation": f"correlation of rows of {self.normalization}",
            "corrected": "corrected by shuffles",
        }
        return f"{by[self.similarity]}; {self.scores_title()}"


#: Options by name. "paper" is what the authors' page shows and its figure agrees with; what speaks
#: for "recommended" is in docs/alignment.md.
PRESETS: dict[str, Options] = {
    "paper": Options(
        scheme="published",
        scoring=Scoring(match=1, mismatch=-2, gap=-2),
        normalization="mean",
        similarity="correlation",
    ),
    "recommended": Options(),
}


def variants(options: Options) -> list[tuple[str, Options]]:
    """Other reasonable options, each with one thing changed; for the stability of a choice."""
    one = options.scoring
    found: list[tuple[str, Options]] = []

    def add(name: str, **changes: Any) -> None:
        changed = replace(options, **changes)
        unused = changed.similarity == "corrected" and "normalization" in changes
        if changed != options and not unused:
            found.append((name, changed))

    for borders in BORDERS:
        add(f"{borders} borders", scoring=replace(one, borders=borders))
    # One kind with another geometry must not score less than two kinds.
    partial = options.partial if options.partial is None else max(options.partial, 0)
    add("mismatch 0", scoring=replace(one, mismatch=0), partial=partial)
    add("match doubled", scoring=replace(one, match=2 * one.match))
    doubled = None if one.gap_extend is None else 2 * one.gap_extend
    add("gap doubled", scoring=replace(one, gap=2 * one.gap, gap_extend=doubled))
    for name in NORMALIZATIONS:
        add(f"normalized by {name}", normalization=name)
    for name in ("normalized", "correlation"):
        add(f"similarity {name}", similarity=name)
    for name, scheme in SCHEMES.items():
        add(f"scheme {name}", scheme=name, partial=options.partial if scheme.geometry else None)
    return found
