"""The rows of an alignment's tables."""

from typing import NamedTuple


class SequenceRow(NamedTuple):
    """One architecture and its sequence of tokens: a row of ``tokens.csv``."""

    name: str
    family: str
    length: int
    params: int
    flops: int
    sequence: str


class MemberRow(NamedTuple):
    """One architecture and the representative that stands for it: a row of its table."""

    cluster: int
    representative: str
    medoid: str
    size: int
    mean_distance: float
    stability: float
    member: str
    distance: float


class NeighbourRow(NamedTuple):
    """A known architecture that one of a search resembles: a row of ``nearest.csv``."""

    found: str
    rank: int
    nearest: str
    family: str
    similarity: float
