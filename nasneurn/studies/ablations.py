"""The ablations of NeuRN as a table of variants, and a study of them as grids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from nasneurn.choices import check_known, split_list
from nasneurn.networks.places import FRONT, Placement
from nasneurn.stems import STEMS
from nasneurn.studies.grids import Grid
from nasneurn.studies.named_protocols import NamedProtocol, named_protocol


@dataclass(frozen=True)
class Variant:
    """One form of NeuRN: its group, what it is called there, and how it is made."""

    group: str
    label: str
    stem: str
    placement: Placement = FRONT

    @property
    def key(self) -> tuple[str, str]:
        """The columns ``stem`` and ``placement`` of its rows."""
        return str(STEMS.choose(self.stem)), self.placement


#: What all variants are compared with.
NONE = Variant("control", "none", "none")
PLAIN = Variant("control", "plain NeuRN", "neurn")

VARIANTS = (
    Variant("patch", "k = 5", "neurn:k=5"),
    Variant("patch", "k = 7", "neurn:k=7"),
    Variant("patch", "k = 9", "neurn:k=9"),
    Variant("patch", "k = 11", "neurn:k=11"),
    Variant("scope", "c of each channel", "neurn:scope=channel"),
    Variant("scope", "c of the batch", "neurn:scope=batch"),
    Variant("scope", "c is the 0.999 quantile", "neurn:quantile=0.999"),
    Variant("scope", "c is the 0.99 quantile", "neurn:quantile=0.99"),
    Variant("mode", "reciprocal", "neurn:mode=reciprocal"),
    Variant("mode", "local, without c", "neurn:mode=local"),
    Variant("border", "border zero", "neurn:border=zero"),
    Variant("border", "border replicate", "neurn:border=replicate"),
    Variant("placement", "beside the image", "neurn", "concatenate"),
    Variant("placement", "mixed with the image", "neurn", "mix"),
    Variant("placement", "after the first convolution", "neurn", "after_first"),
    Variant("scale", "mean of k = 3, 5, 9", "neurn_scales"),
    Variant("scale", "maximum of k = 3, 5, 9", "neurn_scales:by=maximum"),
    Variant("colour", "of the grey image", "neurn_grey"),
    Variant("phase", "in training only", "neurn", "training"),
    Variant("phase", "in testing only", "neurn", "testing"),
    Variant("order", "16 pixels, before nearest", "neurn_resized"),
    Variant("order", "16 pixels, after nearest", "neurn_resized:order=after"),
    Variant("order", "16 pixels, before bilinear", "neurn_resized:by=bilinear"),
    Variant("order", "16 pixels, after bilinear", "neurn_resized:by=bilinear,order=after"),
)

#: In the order of the table.
GROUPS = tuple(dict.fromkeys(variant.group for variant in VARIANTS))

#: What ``nasneurn ablate`` is where no protocol is named.
SMALL = NamedProtocol(
    about="a small network, one source of the built-in domains, a few passes",
    sources="optdigits",
    seeds=3,
    changes={"train_images": 500, "epochs": 5, "batch_size": 32, "hold_out": 0.1},
)


def usual_of(protocol: str | None, budget: str | None) -> NamedProtocol:
    """What an ablation is where its options do not say otherwise.

    Raises:
        InputError: there is no such protocol.
    """
    if protocol is None and budget is None:
        return SMALL
    return named_protocol(protocol)


def parse_groups(words: str | Sequence[str]) -> tuple[str, ...]:
    """Groups by name, in the order of the table; ``all`` is every one.

    Raises:
        InputError: there is no such group, or none is named.

    >>> parse_groups("mode,patch")
    ('patch', 'mode')
    """
    listed = [words] if isinstance(words, str) else words
    names = [part for word in listed for part in split_list(word)]
    if names == ["all"]:
        return GROUPS
    for name in names or [""]:
        check_known("group of ablations", name, GROUPS)
    return tuple(group for group in GROUPS if group in names)


def variants_of(groups: Iterable[str]) -> tuple[Variant, ...]:
    """The controls, and the variants of the groups."""
    chosen = set(groups)
    return (NONE, PLAIN, *(variant for variant in VARIANTS if variant.group in chosen))


def variants_in(grids: Iterable[Grid]) -> tuple[Variant, ...]:
    """The controls and variants that a study of these grids has."""
    there = {
        (str(stem), place) for grid in grids for stem in grid.stems for place in grid.placements
    }
    return tuple(variant for variant in (NONE, PLAIN, *VARIANTS) if variant.key in there)


def grids_of(variants: Iterable[Variant]) -> dict[tuple[Placement, ...], tuple[str, ...]]:
    """The variants as products: stems by the placements that each of them has."""
    places: dict[str, tuple[Placement, ...]] = {}
    for variant in variants:
        if variant.placement != FRONT:
            places[variant.stem] = (*places.get(variant.stem, ()), variant.placement)
    stems = tuple(dict.fromkeys(one.stem for one in variants if one.placement == FRONT))
    grids: dict[tuple[Placement, ...], tuple[str, ...]] = {(FRONT,): stems}
    for stem, placements in places.items():
        grids[placements] = (*grids.get(placements, ()), stem)
    return grids


def rows_of_variants(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of variants and controls, with ``group`` and ``variant`` in place of the stem.

    Other rows of the study are left out. Those of before do not say where the stem stood.
    """
    known = {variant.key: variant for variant in (NONE, PLAIN, *VARIANTS)}
    rows = rows.assign(
        placement=rows["placement"].replace("", FRONT) if "placement" in rows else FRONT
    )
    found = [known.get(key) for key in zip(rows["stem"], rows["placement"], strict=True)]
    kept = [place for place, one in enumerate(found) if one is not None]
    own = rows.iloc[kept].drop(columns=[*{"stem", "applied_stem", "placement"} & {*rows}])
    named = [one for one in found if one is not None]
    return own.assign(
        group=[one.group for one in named], variant=[one.label for one in named]
    ).reset_index(drop=True)
