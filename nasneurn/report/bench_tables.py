"""Tables of a grid, made from its rows: as CSV, as LaTeX, and for the terminal."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from nasneurn.analysis.comparisons import compare_stems, cross_domain, same_domain
from nasneurn.analysis.published import beside_published
from nasneurn.analysis.ranks import rank_stems
from nasneurn.files import written_atomically

PERCENT = ("control_mean", "stem_mean", "difference", "low", "high")


def mean_accuracy(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy in percent by source and target (rows) and stem (columns)."""
    stems = list(dict.fromkeys(accuracy["stem"]))
    table = accuracy.pivot_table(
        index=["source", "target"], columns="stem", values="accuracy", sort=False
    )
    return (100 * table[stems]).round(1).reset_index().rename_axis(columns=None)


def ranks(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Average rank of each stem, with the test beside it."""
    ranking = rank_stems(accuracy)
    table = ranking.ranks.rename("average_rank").reset_index()
    table["trainings"] = ranking.blocks
    table["friedman_p"] = ranking.p
    table["critical_difference"] = ranking.critical_difference
    return table


def tables(accuracy: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every table by its name; those that need a control are missing where no row has none."""
    across, within = cross_domain(accuracy), same_domain(accuracy)
    found = {"accuracy": mean_accuracy(accuracy), "ranks": ranks(accuracy)}
    if accuracy["stem"].nunique() > 1 and "none" in set(accuracy["stem"]):
        found["overall"] = _percent(compare_stems(across))
        found["pairs"] = _percent(compare_stems(across, by=("source", "target")))
        found["architectures"] = _percent(compare_stems(across, by=("architecture",)))
        found["same_domain"] = _percent(compare_stems(within))
    if {"none", "neurn"} <= set(accuracy["stem"]):
        found["published"] = beside_published(accuracy)
    return {name: table for name, table in found.items() if len(table)}


def _percent(table: pd.DataFrame) -> pd.DataFrame:
    scaled = table.copy()
    for column in PERCENT:
        scaled[column] = (100 * scaled[column]).round(2)
    for column in ("p", "p_holm"):
        scaled[column] = scaled[column].map(lambda p: float(f"{p:.3g}"))
    return scaled


def write_tables(accuracy: pd.DataFrame, folder: Path) -> list[Path]:
    """Write every table as CSV and as LaTeX; accuracies and differences are in percent."""
    written = []
    for name, table in tables(accuracy).items():
        for path, text in (
            (folder / f"{name}.csv", table.to_csv(index=False)),
            (folder / f"{name}.tex", latex(table)),
        ):
            with written_atomically(path) as draft:
                draft.write_text(text)
            written.append(path)
    return written


def latex(table: pd.DataFrame) -> str:
    r"""A table for ``\usepackage{booktabs}``, text to the left and numbers to the right."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
        r"\toprule",
        " & ".join(_escaped(str(column).replace("_", " ")) for column in table) + r" \\",
        r"\midrule",
        *(
            " & ".join(_escaped(_shown(value)) for value in row) + r" \\"
            for row in table.itertuples(index=False)
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "--"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text


def overall_view(accuracy: pd.DataFrame) -> Table:
    """What each stem does to accuracy across domains, for the terminal."""
    across = cross_domain(accuracy)
    seeds = accuracy["seed"].nunique()
    over = "one seed, so no interval and no test" if seeds == 1 else f"{seeds} seeds"
    view = Table(title=f"Accuracy on domains never seen in training (%), {over}")
    view.add_column("stem", no_wrap=True)
    # In two lines, since 80 columns must hold it where there is no terminal.
    for heading in ("mean", "against\nnone", "95%\ninterval", "p\n(Holm)", "win/tie/\nloss"):
        view.add_column(heading, justify="right", no_wrap=True)
    means = across.groupby("stem", sort=False)["accuracy"].mean()
    stems = list(means.index)
    compared = pd.DataFrame()
    if len(stems) > 1 and "none" in stems:
        compared = _percent(compare_stems(across)).set_index("stem")
    for stem in stems:
        cells = [f"{100 * means[stem]:.1f}"]
        if stem in compared.index:
            row = compared.loc[stem]
            cells.append(f"{row['difference']:+.1f}")
            known = pd.notna(row["low"])
            cells.append(f"[{row['low']:+.1f}, {row['high']:+.1f}]" if known else "")
            cells.append(f"{row['p_holm']:.2g}" if pd.notna(row["p_holm"]) else "")
            cells.append("/".join(f"{row[count]:.0f}" for count in ("wins", "ties", "losses")))
        view.add_row(str(stem), *cells)
    return view
