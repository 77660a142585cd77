"""Is a similarity worth anything? Families, trees, and what it adds to lengths and composition.

    python benchmarks/random_features.py --out results/align/random_features.csv
    python benchmarks/alignment_worth.py --out results/align/worth.csv [--jobs 2] [--quick]
    python benchmarks/alignment_worth.py --decide results/align/worth.csv --out FILE.csv

Sets may be measured one by one, and decided upon together.

Each way of comparing is one row for each of three sets: "all" (the published 44), "keras" (the
other 44), and "timm", every ninth name that timm knows. Ways are all combinations of schemes,
orders of branches, scorings, partial credit, normalizations and similarities that are listed
below; and, without an alignment, counts of tokens, the graphs of layers, lengths, parameters and
multiply-adds.

What decides was written down before the first row was seen. Candidates for the preset
`recommended` are the ways whose similarity of two networks does not depend on which others are
compared with them, so that `--pair` has one and a new network changes none; correlations of rows
are no candidates. Each has the mean over the three sets of the share of networks whose nearest one
is of their own family. Differences of about one standard error of the best one's (binomial, within
sets) are no differences: among the candidates within that, the one with the highest mean of
support and stability, over both 44s, is chosen. Of ties the plainer one, which is listed first.
Silhouettes are not counted: they change with any stretching of distances, which changes no order.

Written after the table: the first choices are none that a default can be. `longer` and `geometric`
cut most pairs off to 0, where no map or tree can tell them apart (and support passes over branches
without length, which favours them); the correction aligns all pairs a hundred times, minutes for
all of timm; and the default borders are the classic ones. `recommended` is the first that remains.

Columns: `set`; `way` ("alignment", or what takes its place); `preset`, if it is one; `scheme`,
`branches`, `match`, `mismatch`, `gap`, `extend`, `borders`, `partial`, `normalization`,
`similarity`: its options; `networks`; `family`, of how many networks with relatives (`related`) the
nearest one is a relative; `silhouette` of ten clusters; `support`, the mean bootstrap support of
the tree's branches that have a length; `stability`, the mean share of ten representatives that are
chosen again from 25 of the replicates; `null_spearman`, the rank correlation with the same
similarity of shuffled sequences (mean of five shuffles); `beyond`, how many of the `pairs` beat 95%
of their shuffles; `bag`, `graph`, `params`, `flops` and `cka`: rank correlations with counts of
layers (Bray-Curtis), the Weisfeiler-Lehman kernel of the graphs of layers, ratios of parameters and
of multiply-adds, and `random_features.py`; `p_bag`, `p_graph`, `p_params`, `p_flops` and `p_cka`,
the same by Mantel's test (one-sided, 999 permutations); `score`, the mean share of `family` over
sets, and `choice`, the place of a candidate among those within the standard error. Support,
stability, `beyond`, `cka` and p-values are of the 44s alone.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_rows import report
from scipy.stats import rankdata

from alignment import Architecture, Options, Scoring, cluster, normalize, resolve, serialize
from alignment.measures import substitution_of
from alignment.needleman_wunsch import score_matrix
from alignment.nulls import Null, corrected, permutation_null
from alignment.options import PRESETS
from alignment.run import ordered
from alignment.sensitivity import relatives, silhouette
from alignment.similarity import correlate
from alignment.support import bootstrap_scores, drawn_support
from alignment.tokens import SCHEMES, Tokens, tokenize
from alignment.unordered import bag_similarity, graph_similarity
from nasneurn.paths import cache_dir

OPTIONS = (
    "scheme", "branches", "match", "mismatch", "gap", "extend", "borders", "partial",
    "normalization", "similarity",
)  # fmt: skip
COLUMNS = (
    "set", "way", "preset", "scheme", "branches", "match", "mismatch", "gap", "extend", "borders",
    "partial", "normalization", "similarity", "networks", "family", "related", "silhouette",
    "support", "stability", "null_spearman", "beyond", "pairs", "bag", "p_bag", "graph", "p_graph",
    "params", "p_params", "flops", "p_flops", "cka", "p_cka", "score", "choice",
)  # fmt: skip

SETS = ("all", "keras", "timm")
#: Of all names of timm, every so many.
EVERY = 9
SHUFFLES = {"all": 100, "keras": 100, "timm": 20}
REPLICATES, CHOICES, CLUSTERS, PERMUTATIONS, DRAWS = 100, 25, 10, 999, 5
RANDOM_FEATURES = Path("results/align/random_features.csv")

#: Plainer ones first.
SCORINGS = (
    Scoring(1, -1, -1),
    Scoring(2, -1, -1),
    Scoring(1, -2, -2),
    Scoring(2, -1, -3, -1),
    Scoring(4, -2, -6, -1),
    Scoring(1, -1, -1, borders="zero"),
)
NORMALIZED = ("range", "longer", "geometric")
WAYS = (
    *(("normalized", name) for name in NORMALIZED),
    ("corrected", "range"),
    ("correlation", "range"),
    ("correlation", "geometric"),
    ("correlation", "mean"),
)
#: Of the canonical order, no more than its effect is asked.
CANONICAL = (SCORINGS[0], SCORINGS[3])


def scored_ways() -> list[Options]:
    """Options that give different scores: scheme, branches, scoring and partial credit."""
    ways = []
    for scheme, kind in SCHEMES.items():
        for scoring in SCORINGS:
            partials = (None, scoring.match // 2)[: 1 + kind.geometry]
            ways += [Options(scheme, scoring, partial) for partial in partials]
        if not kind.listed:
            ways += [Options(scheme, scoring, branches="canonical") for scoring in CANONICAL]
    return ways


# ---------------------------------------------------------------- what is compared


@dataclass(frozen=True)
class Sample:
    """One set, and what its similarities are compared with.

    Attributes:
        name: of :data:`SETS`.
        architectures: its networks.
        functional: a measure by name: the places of its networks, and their similarities.
    """

    name: str
    architectures: tuple[Architecture, ...]
    functional: dict[str, tuple[np.ndarray, np.ndarray]]


def sample(name: str, features: Path) -> Sample:
    from alignment import catalogue
    from alignment.builders import build
    from alignment.graphs import layer_graph

    folder = cache_dir() / "alignment"
    words = catalogue(folder)[::EVERY] if name == "timm" else [name]
    requests = resolve(words, lambda: catalogue(folder))
    found = serialize(requests, folder)
    for failed, reason in found.failures:
        print(f"{name}: left out: {failed} {reason}", file=sys.stderr)
    few = found.architectures
    kept = {one.name for one in few}
    built = [build(request)[:2] for request in requests if request.name in kept]
    every = np.arange(len(few))
    functional = {
        "bag": (every, bag_similarity(tokenize(few, "layer"))),
        "graph": (every, graph_similarity([layer_graph(*one) for one in built])),
        "params": (every, ratios([one.params for one in few])),
        "flops": (every, ratios([one.flops for one in few])),
    }
    if name != "timm" and features.exists():
        functional["cka"] = random_features(name, [one.name for one in few], features)
    return Sample(name, few, functional)


def ratios(sizes: Sequence[int]) -> np.ndarray:
    """(N, N), the smaller over the larger of two sizes."""
    values = np.array(sizes, np.float64)
    return np.minimum.outer(values, values) / np.maximum.outer(values, values)


def random_features(name: str, names: Sequence[str], path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name]
    seen = {row[key] for row in rows for key in ("network", "other")}
    places = np.array([place for place, one in enumerate(names) if one in seen])
    number = {names[place]: rank for rank, place in enumerate(places)}
    values = np.eye(len(places))
    for row in rows:
        i, j = number[row["network"]], number[row["other"]]
        values[i, j] = values[j, i] = float(row["cka"])
    return places, values


# ---------------------------------------------------------------- what is measured


def ranks(matrix: np.ndarray) -> np.ndarray:
    """(N, N), the ranks of all pairs, with mean 0 and norm 1 over the upper half."""
    upper = np.triu_indices(len(matrix), 1)
    values = rankdata(matrix[upper].round(9))
    values -= values.mean()
    values /= max(np.linalg.norm(values), 1e-30)
    full = np.zeros(matrix.shape)
    full[upper] = values
    return full + full.T


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float((ranks(a) * ranks(b)).sum() / 2)


def mantel(a: np.ndarray, b: np.ndarray) -> float:
    """The p-value of Spearman's correlation of two matrices, by permutations of the networks."""
    one, other = ranks(a), ranks(b)
    observed = (one * other).sum()
    random = np.random.default_rng(0)
    orders = [random.permutation(len(one)) for _ in range(PERMUTATIONS)]
    as_high = sum((one * other[np.ix_(o, o)]).sum() >= observed - 1e-12 for o in orders)
    return (1 + as_high) / (PERMUTATIONS + 1)


def described(values: np.ndarray, one: Sample) -> dict[str, Any]:
    """What can be said of any similarities."""
    families = [architecture.family for architecture in one.architectures]
    family, related = relatives(values, families)
    labels = cluster(values, CLUSTERS).labels
    row: dict[str, Any] = {
        "set": one.name,
        "networks": len(values),
        "family": family,
        "related": related,
        "silhouette": f"{silhouette(values, labels):.3f}",
        "pairs": len(values) * (len(values) - 1) // 2,
    }
    for name, (places, measure) in one.functional.items():
        few = values[np.ix_(places, places)]
        row[name] = f"{spearman(few, measure):.3f}"
        if one.name != "timm":
            row[f"p_{name}"] = f"{mantel(few, measure):.3f}"
    return row


def rule(options: Options, lengths: Sequence[int], null: Null) -> Any:
    if options.similarity == "corrected":
        return lambda scores: corrected(scores, null)
    scoring, method = options.scoring, options.normalization
    if options.similarity == "correlation":
        return lambda s: correlate(normalize(s, lengths, scoring, method, clipped=False))
    return lambda s: normalize(s, lengths, scoring, method)


def shuffled(tokens: Tokens, random: np.random.Generator) -> list[np.ndarray]:
    """Each sequence in random order; equal ones in the same."""
    known: dict[bytes, np.ndarray] = {}
    return [known.setdefault(one.tobytes(), random.permutation(one)) for one in tokens.sequences]


def aligned(one: Sample, options: Options) -> list[dict[str, Any]]:
    """A row for each similarity that is made of the same scores."""
    tokens = tokenize([ordered(a, options.branches) for a in one.architectures], options.scheme)
    scoring, substitution = options.scoring, substitution_of(tokens, options)
    scores = score_matrix(tokens.sequences, scoring, substitution)
    shuffles = SHUFFLES[one.name]
    null = permutation_null(tokens.sequences, scoring, substitution, shuffles=shuffles)
    random = np.random.default_rng(0)
    mixed = [score_matrix(shuffled(tokens, random), scoring, substitution) for _ in range(DRAWS)]
    small = one.name != "timm"
    drawn = np.empty(0)
    if small:
        drawn = bootstrap_scores(
            tokens.sequences, scores, scoring, substitution, replicates=REPLICATES
        )
    lengths = [len(sequence) for sequence in tokens.sequences]
    rows = []
    for similarity, normalization in WAYS:
        chosen = replace(options, similarity=similarity, normalization=normalization)
        make = rule(chosen, lengths, null)
        values = make(scores)
        row = described(values, one)
        row["null_spearman"] = f"{np.mean([spearman(values, make(s)) for s in mixed]):.3f}"
        if small:
            again = [make(replicate) for replicate in drawn]
            row["support"] = f"{np.nanmean(drawn_support(values, again).share[:-1]):.3f}"
            row["stability"] = f"{stability(values, again[:CHOICES]):.3f}"
            upper = np.triu_indices(len(values), 1)
            row["beyond"] = int((null.p[upper] <= 0.05).sum())
        rows.append({"way": "alignment", **option_cells(chosen), **row})
    return rows


def stability(values: np.ndarray, again: Sequence[np.ndarray]) -> float:
    first, *others = (set(cluster(one, CLUSTERS).medoids.tolist()) for one in (values, *again))
    return float(np.mean([len(first & one) / CLUSTERS for one in others]))


def unaligned(one: Sample) -> list[dict[str, Any]]:
    """Rows of what needs no alignment."""
    few = one.architectures
    ways = {
        f"bag, {method}, {scheme}": bag_similarity(tokenize(few, scheme), method)
        for scheme in SCHEMES
        for method in ("bray-curtis", "cosine")
    }
    ways["graph kernel"] = one.functional["graph"][1]
    for scheme in SCHEMES:
        lengths = [len(sequence) for sequence in tokenize(few, scheme).sequences]
        ways[f"lengths, {scheme}"] = ratios(lengths)
    ways["parameters"] = one.functional["params"][1]
    ways["multiply-adds"] = one.functional["flops"][1]
    return [{"way": way, **described(values, one)} for way, values in ways.items()]


def option_cells(one: Options) -> dict[str, Any]:
    values = one.scoring
    used = "" if one.similarity == "corrected" else one.normalization
    cells = (
        one.scheme, one.branches, values.match, values.mismatch, values.gap, values.extend,
        values.borders, "" if one.partial is None else one.partial, used, one.similarity,
    )  # fmt: skip
    return dict(zip(OPTIONS, cells, strict=True))


# ---------------------------------------------------------------- what is decided


def key(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["way"], *(str(row.get(name, "")) for name in OPTIONS))


def decide(rows: Sequence[dict[str, Any]]) -> None:
    """Write `preset`, `score` and `choice` into the rows, as the text above says."""
    ways: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        ways.setdefault(key(row), []).append(row)
    presets = {
        key({"way": "alignment", **option_cells(one)}): name for name, one in PRESETS.items()
    }
    scores, errors, firm = {}, {}, {}
    for way, its in ways.items():
        shares = np.array([int(row["family"]) / int(row["related"]) for row in its])
        related = np.array([int(row["related"]) for row in its])
        scores[way] = float(shares.mean())
        errors[way] = float(np.sqrt((shares * (1 - shares) / related).sum()) / len(its))
        found = [
            float(row[name]) for row in its for name in ("support", "stability") if row.get(name)
        ]
        firm[way] = float(np.mean(found)) if found else 0.0
    candidates = [way for way in ways if way[0] == "alignment" and "correlation" not in way]
    best = max(candidates, key=lambda way: scores[way])
    near = [way for way in candidates if scores[way] >= scores[best] - errors[best]]
    places = {way: place for place, way in enumerate(sorted(near, key=lambda way: -firm[way]), 1)}
    for way, its in ways.items():
        for row in its:
            row["preset"] = presets.get(way, "")
            row["score"] = f"{scores[way]:.3f}"
            row["choice"] = places.get(way, "")


# ---------------------------------------------------------------- the command

_samples: dict[str, Sample] = {}


def _start(samples: dict[str, Sample]) -> None:
    _samples.update(samples)


def _work(task: tuple[str, Options | None]) -> list[dict[str, Any]]:
    name, options = task
    one = _samples[name]
    return unaligned(one) if options is None else aligned(one, options)


def measure(sets: Sequence[str], features: Path, jobs: int, quick: bool) -> list[dict[str, Any]]:
    samples = {name: sample(name, features) for name in sets}
    ways = [None, *scored_ways()][: 3 if quick else None]
    tasks = [(name, options) for name in samples for options in ways]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(jobs, initializer=_start, initargs=(samples,)) as pool:
        for done, found in enumerate(pool.map(_work, tasks), 1):
            print(f"{done} of {len(tasks)}", end="\r", file=sys.stderr)
            rows += found
    return [{column: row.get(column, "") for column in COLUMNS} for row in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--features", type=Path, default=RANDOM_FEATURES, help="the table of CKA")
    parser.add_argument(
        "--decide", type=Path, nargs="+", help="measure nothing, decide again from these tables"
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--quick", action="store_true", help="the first ways alone")
    options = parser.parse_args(arguments)
    if options.decide:
        texts = [path.read_text() for path in options.decide]
        rows: list[dict[str, Any]] = [
            row for text in texts for row in csv.DictReader(text.splitlines())
        ]
    else:
        rows = measure(options.sets, options.features, options.jobs, options.quick)
    decide(rows)
    report(rows, COLUMNS, "What similarities are worth", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
