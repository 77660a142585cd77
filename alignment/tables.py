"""An alignment as CSV files, each of which names the options in its first line."""

from itertools import combinations
from math import isnan
from pathlib import Path

from alignment.nulls import Null
from alignment.outcome import Alignment
from alignment.outputs import prepare_folder, write_matrix, write_table
from alignment.records import MemberRow


def write_tables(outcome: Alignment, folder: Path) -> list[Path]:
    """Write scores.csv, similarity.csv, tokens.csv and representatives.csv.

    Where there are architectures that a search found, also nearest.csv: the known ones most like
    each.

    Args:
        outcome: what is written.
        folder: where to; it is made if it is missing.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written.
    """
    prepare_folder(folder)
    options, names = outcome.options, outcome.names
    paths = [
        folder / f"{name}.csv" for name in ("scores", "similarity", "tokens", "representatives")
    ]
    scores, similarity, tokens, representatives = paths
    write_matrix(scores, f"score ({options.scores_title()})", names, outcome.score_matrix)
    write_matrix(similarity, f"similarity ({options.title()})", names, outcome.similarity_matrix)
    header = ["name", "family", "length", "params", "flops", f"sequence ({options.scheme})"]
    write_table(tokens, header, outcome.sequences())
    header = [
        "cluster",
        "representative",
        "medoid",
        "size",
        "mean distance to medoid",
        "stability",
        "member",
        f"distance to medoid ({options.choice_title()})",
    ]
    write_table(representatives, header, map(_member, outcome.members()))
    if neighbours := outcome.neighbours():
        nearest = folder / "nearest.csv"
        header = ["found", "rank", "nearest", "family", f"similarity ({options.title()})"]
        rows = ([*one[:-1], f"{one.similarity:.6f}"] for one in neighbours)
        write_table(nearest, header, rows)
        paths.append(nearest)
    return paths


def write_null(outcome: Alignment, null: Null, folder: Path) -> Path:
    """Write null.csv: for each pair its score, beside those of the same tokens in random order.

    Raises:
        AlignmentError: ``folder`` cannot be written.
    """
    path = folder / "null.csv"
    title = f"score ({outcome.options.scores_title()})"
    about = f"of {null.shuffles} shuffles"
    header = ["one", "other", title, f"mean {about}", f"standard deviation {about}", "z", "p"]
    rows = (
        [
            outcome.names[i],
            outcome.names[j],
            int(outcome.score_matrix[i, j]),
            f"{null.mean[i, j]:.3f}",
            f"{null.deviation[i, j]:.3f}",
            f"{null.z[i, j]:.3f}",
            f"{null.p[i, j]:.4f}",
        ]
        for i, j in combinations(range(len(outcome)), 2)
    )
    write_table(path, header, rows)
    return path


def _member(row: MemberRow) -> list[object]:
    return [
        row.cluster,
        row.representative,
        row.medoid,
        row.size,
        f"{row.mean_distance:.6f}",
        "" if isnan(row.stability) else f"{row.stability:.2f}",
        row.member,
        f"{row.distance:.6f}",
    ]
