"""A comparison with a published matrix as files: every pair, every option, the rule, the figure."""

from pathlib import Path

from alignment.agreement import Agreement
from alignment.errors import check_known
from alignment.fidelity import AS_THEY_ARE, Fidelity, grid, rule_table
from alignment.outputs import FIGURE_FORMATS, prepare_folder, write_table

_NUMBERS = ["pearson", "spearman", "mean absolute difference", "mantel p"]


def write_fidelity(
    fidelity: Fidelity, folder: Path, *, figures: bool = True, figure_format: str = "png"
) -> list[Path]:
    """Write a comparison.

    - ``published.csv``: a row a pair, with the published value, ours and the difference.
    - ``fidelity.csv``: the agreement under every scheme, normalization and kind of similarity.
    - ``published_rule.csv``: what each part of the scheme ``published`` is worth; only where the
      listings of all networks are known and the matrix is the paper's.
    - ``published.png``: both matrices and the difference, and ``published_as_they_are.png`` where
      the networks are taken in two ways.

    Args:
        fidelity: what is written.
        folder: where to; it is made if it is missing.
        figures: whether to draw.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside each figure.

    Returns:
        The files.

    Raises:
        AlignmentError: ``folder`` cannot be written, or the format is unknown.
    """
    check_known("figure format", figure_format, FIGURE_FORMATS)
    prepare_folder(folder)
    options = fidelity.options
    paths = [folder / "published.csv", folder / "fidelity.csv"]
    ours = [
        f"{what}, networks {way}" for way in fidelity.compared for what in ("ours", "difference")
    ]
    header = ["a", "b", f"{fidelity.published.title}; ours is ({options.title()})", *ours]
    write_table(paths[0], header, fidelity.pairs())
    scores = options.scores_title().partition("; ")[2]
    header = ["networks", f"scheme ({scores})", "normalization", "similarity", *_NUMBERS]
    write_table(paths[1], header, ([*row[:-1], *_numbers(row.agreement)] for row in grid(fidelity)))
    if fidelity.published.substitutions and (rows := rule_table(fidelity)):
        paths.append(folder / "published_rule.csv")
        gain = rows[0].agreement.pearson
        header = ["change", "networks", "layers", *_NUMBERS, "pearson less that of the rule"]
        write_table(
            paths[-1],
            header,
            (
                [*row[:-1], *_numbers(row.agreement), f"{row.agreement.pearson - gain:+.4f}"]
                for row in rows
            ),
        )
    if figures:
        # Matplotlib takes a while to import.
        from alignment.fidelity_figure import draw_fidelity
        from alignment.pictures import write_captions, write_picture

        for way in fidelity.compared:
            lone = len(fidelity.compared) == 1 or way != AS_THEY_ARE
            path = folder / ("published.png" if lone else "published_as_they_are.png")
            paths += write_picture(draw_fidelity(fidelity, way), path, figure_format)
        paths += write_captions(folder)
    return paths


def _numbers(one: Agreement) -> list[str]:
    return [f"{one.pearson:.4f}", f"{one.spearman:.4f}", f"{one.error:.4f}", f"{one.mantel:.4g}"]
