"""How fast all pairs are aligned, beside Biopython, scikit-bio, parasail and NumPy; on one core.

    python benchmarks/alignment.py [--out FILE.csv] [--catalogue] [--quick]

The sequences are those of the 44 architectures (with --catalogue also of all that timm knows; the
first time each is traced, and kept in the cache), match 1, mismatch -1, gap -1, classic borders.
Run it twice: in the process that compiles the kernel it is about half as fast as in all later ones,
which read the compiled code from numba's cache.

All ways are timed in one run, one call of each in turn; what counts is the least time of each, and
`ratio`, the cells that a way aligns in a second over those of this project's kernel. Slow ways
align fewer pairs, `pairs` says how many: every nth, so that short and long ones are in.

Every score of every way is compared with Biopython's before anything is timed: `wrong` counts the
pairs that differ. parasail's functions that are wrong anywhere (they are, where opening a gap
costs what extending it does) are listed, and not timed.

Columns: `what` ("zoo" or "catalogue"), `scheme`, `gaps` ("linear" or "affine"), `way`, `pairs`,
`cells`, `wrong`, `repeats`, `seconds` (least), `gcells_per_s`, `ratio`, `load` (the machine's load
average, when the run began, over its cores).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from benchmark_rows import load, report

from alignment import Scoring, catalogue, resolve, score_matrix, serialize, tokenize
from nasneurn.paths import cache_dir

COLUMNS = (
    "what", "scheme", "gaps", "way", "pairs", "cells", "wrong", "repeats", "seconds",
    "gcells_per_s", "ratio", "load",
)  # fmt: skip
KERNEL = "nasneurn"
GAPS = {"linear": Scoring(1, -1, -1), "affine": Scoring(2, -1, -3, -1)}
#: parasail's global functions that give scores alone, in 16 and 32 bits and its saturating form.
PARASAIL = [f"nw_{way}_{width}" for way in ("scan", "diag", "striped") for width in (16, 32, "sat")]

Sequences = Sequence[np.ndarray]
Pairs = list[tuple[int, int]]
#: Gives the scores of some pairs.
Way = Callable[[Pairs], list[int]]


# ---------------------------------------------------------------- the ways


def kernel(sequences: Sequences, scoring: Scoring) -> Way:
    def scores(pairs: Pairs) -> list[int]:
        matrix = score_matrix(sequences, scoring)  # all pairs are what it is made for
        return [int(matrix[i, j]) for i, j in pairs]

    return scores


def biopython(sequences: Sequences, scoring: Scoring) -> Way:
    from Bio.Align import PairwiseAligner

    aligner = PairwiseAligner(
        mode="global",
        match_score=scoring.match,
        mismatch_score=scoring.mismatch,
        open_gap_score=scoring.gap,
        extend_gap_score=scoring.extend,
    )
    narrow = [sequence.astype(np.int32) for sequence in sequences]
    return lambda pairs: [int(aligner.score(narrow[i], narrow[j])) for i, j in pairs]


def scikit_bio(sequences: Sequences, scoring: Scoring) -> Way:
    from skbio.alignment import pair_align

    lists = [sequence.tolist() for sequence in sequences]
    affine = scoring.gap != scoring.extend
    cost = (scoring.extend - scoring.gap, -scoring.extend) if affine else -scoring.gap
    options = {
        "sub_score": (scoring.match, scoring.mismatch),
        "gap_cost": cost,
        "free_ends": False,
        "max_paths": 0,
    }
    return lambda pairs: [round(pair_align(lists[i], lists[j], **options).score) for i, j in pairs]


def parasail_way(function: str) -> Callable[[Sequences, Scoring], Way]:
    def make(sequences: Sequences, scoring: Scoring) -> Way:
        import parasail

        size = 1 + max(int(sequence.max()) for sequence in sequences)
        letters = "".join(chr(65 + k) for k in range(size))
        matrix = parasail.matrix_create(letters, scoring.match, scoring.mismatch, True)
        texts = ["".join(letters[token] for token in sequence) for sequence in sequences]
        call = getattr(parasail, function)
        opened, extended = -scoring.gap, -scoring.extend
        return lambda pairs: [
            call(texts[i], texts[j], opened, extended, matrix).score for i, j in pairs
        ]

    return make


def numpy_rows(sequences: Sequences, scoring: Scoring) -> Way:
    """A row at a time: the gap along the row is a running maximum, once the gap's score is off."""

    def one(a: np.ndarray, b: np.ndarray) -> int:
        gap = scoring.gap
        slope = gap * np.arange(len(b) + 1)
        row = slope.copy()
        for i, token in enumerate(a, 1):
            best = np.empty_like(row)
            best[0] = gap * i
            diagonal = row[:-1] + np.where(b == token, scoring.match, scoring.mismatch)
            np.maximum(diagonal, row[1:] + gap, out=best[1:])
            row = np.maximum.accumulate(best - slope) + slope
        return int(row[-1])

    return lambda pairs: [one(sequences[i], sequences[j]) for i, j in pairs]


def rivals(gaps: str) -> dict[str, Callable[[Sequences, Scoring], Way]]:
    """The other ways that are installed."""
    known: dict[str, Callable[[Sequences, Scoring], Way]] = {}
    if find_spec("parasail"):
        known |= {f"parasail {name}": parasail_way(name) for name in PARASAIL}
    if find_spec("skbio"):
        known["scikit-bio"] = scikit_bio
    if gaps == "linear":
        known["numpy rows"] = numpy_rows
    return known


# ---------------------------------------------------------------- timing


def cells(sequences: Sequences, pairs: Pairs) -> int:
    return sum(len(sequences[i]) * len(sequences[j]) for i, j in pairs)


def measure(what: str, scheme: str, gaps: str, sequences: Sequences, quick: bool) -> list[dict]:
    scoring = GAPS[gaps]
    count = len(sequences)
    every = [(i, j) for i in range(count) for j in range(i, count)]
    # Of a catalogue nobody but the kernel aligns all pairs.
    few = every if count < 100 else every[:: len(every) // 1000]
    seldom = few[:: 33 if not quick else 99]
    ours, oracle = kernel(sequences, scoring), biopython(sequences, scoring)
    truth = dict(zip(few, oracle(few), strict=True))
    ways: dict[str, tuple[Way, Pairs]] = {KERNEL: (ours, every), "biopython": (oracle, few)}
    for name, make in rivals(gaps).items():
        ways[name] = (make(sequences, scoring), few if name.startswith("parasail") else seldom)
    wrong: dict[str, int] = {}
    for name, (way, pairs) in ways.items():
        checked = few if name == KERNEL else pairs
        wrong[name] = sum(
            truth[pair] != score for pair, score in zip(checked, way(checked), strict=True)
        )
    times: dict[str, list[float]] = {name: [] for name in ways if not wrong[name]}
    for _ in range(3 if quick else 7):
        for name, spent in times.items():
            way, pairs = ways[name]
            start = time.perf_counter()
            way(pairs)
            spent.append(time.perf_counter() - start)
    speeds = {name: cells(sequences, ways[name][1]) / min(spent) for name, spent in times.items()}
    busy = load()
    rows = []
    for name, (_, pairs) in ways.items():
        timed = name in times
        rows.append(
            {
                "what": what, "scheme": scheme, "gaps": gaps, "way": name, "pairs": len(pairs),
                "cells": cells(sequences, pairs), "wrong": wrong[name],
                "repeats": len(times[name]) if timed else 0,
                "seconds": f"{min(times[name]):.5f}" if timed else "",
                "gcells_per_s": f"{speeds[name] / 1e9:.4f}" if timed else "",
                "ratio": f"{speeds[name] / speeds[KERNEL]:.4f}" if timed else "",
                "load": busy,
            }
        )  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--catalogue", action="store_true", help="also all that timm knows")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    options = parser.parse_args(arguments)
    if find_spec("Bio") is None:
        print("the benchmark checks every score with Biopython: pip install biopython")
        return 2
    folder = cache_dir() / "alignment"
    rows: list[dict] = []
    for what, models in (("zoo", "all"), ("catalogue", "timm")):
        if what == "catalogue" and not options.catalogue:
            continue
        requests = resolve([models], lambda: catalogue(folder))
        found = serialize(requests, folder).architectures
        for scheme, gaps in (("layer", "linear"), ("layer", "affine"), ("geometry", "linear")):
            sequences = tokenize(found, scheme).sequences
            rows += measure(what, scheme, gaps, sequences, options.quick)
    report(rows, COLUMNS, "All pairs, on one core", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
