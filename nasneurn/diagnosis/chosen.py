"""Which rows of a study are looked at: its pairs of domains and its stems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from nasneurn.analysis.cells import designs, levels, varied
from nasneurn.choices import split_choices, split_list
from nasneurn.errors import InputError

#: The stem that the others are compared with.
CONTROL = "none"

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The rows that are looked at.

    Attributes:
        rows: those of ``accuracy.csv``; of a search the space stands for what it found.
        keys: the columns that tell trainings of one kind from others, beside source, target, stem
            and seed: settings that vary, and the architecture.
        stems: the control first, where the study has it.
        pairs: source and target.
    """

    rows: pd.DataFrame
    keys: tuple[str, ...]
    stems: tuple[str, ...]
    pairs: tuple[Pair, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The stems that are compared with the control; none where that is missing."""
        found = CONTROL in self.stems
        return tuple(stem for stem in self.stems if stem != CONTROL) if found else ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the pairs."""
        return tuple(dict.fromkeys(source for source, _ in self.pairs))

    def targets(self, source: str) -> tuple[str, ...]:
        """The targets of a source."""
        return tuple(target for one, target in self.pairs if one == source)

    @property
    def trainings(self) -> pd.DataFrame:
        """A row for each training; one without a stem has one beside each placement of stems."""
        return self.rows.drop_duplicates([*self.keys, "training"])

    def images(self, training: str, target: str) -> int:
        """How many images of a target a training was measured on."""
        there = (self.rows["training"] == training) & (self.rows["target"] == target)
        return int(self.rows.loc[there, "n"].iloc[0])

    def kinds(self) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
        """The rows of each kind of training, and the values of its keys."""
        for values, part in self.rows.groupby(list(self.keys), sort=False, dropna=False):
            yield dict(zip(self.keys, map(str, values), strict=True)), part


def choose(rows: pd.DataFrame, pairs: Sequence[str] = (), stems: Sequence[str] = ()) -> Chosen:
    """Choose rows of ``accuracy.csv``.

    Args:
        rows: all of a study.
        pairs: ``source:target``; all of the study if there are none.
        stems: as the study names them; all if there are none. The control is always among them,
            where the study has it.

    Raises:
        InputError: a pair or stem that the study does not have, or it has no rows at all.
    """
    if rows.empty:
        raise InputError("no training of the study has been measured yet")
    rows = designs(rows)
    there = list(dict.fromkeys(zip(rows["source"], rows["target"], strict=True)))
    chosen_pairs = _pairs([part for word in pairs for part in split_list(word)], there)
    found = levels(rows)
    asked = split_choices(list(stems))
    for stem in asked:
        if stem not in found:
            raise InputError(f"stem {stem!r} is not in the study; it has {', '.join(found)}")
    chosen_stems = [one for one in found if not asked or one in asked or one == CONTROL]
    of_pairs = pd.MultiIndex.from_frame(rows[["source", "target"]]).isin(chosen_pairs)
    return Chosen(
        rows[of_pairs & rows["stem"].isin(chosen_stems)].reset_index(drop=True),
        (*varied(rows), "architecture"),
        tuple(chosen_stems),
        tuple(chosen_pairs),
    )


def _pairs(words: Sequence[str], there: Sequence[Pair]) -> list[Pair]:
    """Names of domains may hold colons, so that words are looked up and not cut."""
    known = {f"{source}:{target}": (source, target) for source, target in there}
    for word in words:
        if word not in known:
            raise InputError(f"pair {word!r} is not in the study; it has {', '.join(known)}")
    return [known[word] for word in dict.fromkeys(words)] or list(there)
