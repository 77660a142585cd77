"""What is written and said of a prediction."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from nasneurn.prediction.model_file import ModelFile
from nasneurn.prediction.predicting import Prediction
from nasneurn.report.figure_captions import write_captions
from nasneurn.report.prediction_figure import draw_prediction
from nasneurn.report.style import write_figure
from nasneurn.report.table_files import write_csv_files

#: Groups that are named as those where it cannot predict.
WORST = 3


def write_prediction(
    found: Prediction, model: ModelFile, out: Path, figure_format: str = "png"
) -> None:
    """Write tables as CSV files, the figure, and the model by which ``advise`` advises.

    Args:
        found, model: what is written.
        out: where to write.
        figure_format: ``pdf`` or ``svg`` for a vector copy beside the figure.
    """
    tables = {
        "pairs": found.pairs,
        "left_out": found.left_out,
        "scores": found.scores,
        "groups": found.groups,
        "coefficients": found.coefficients,
    }
    write_csv_files(tables, out)
    draw = partial(draw_prediction, found.left_out, found.scores)
    write_figure(draw, out / "predicted.png", figure_format)
    write_captions(out)
    model.write(out / "model.json")


def summary(found: Prediction) -> Iterator[str]:
    """The result in plain words, a line for each stem and way of leaving out."""
    for _, one in found.scores.iterrows():
        yield (
            f"{one['stem']}, each {one['left_out']} left out ({one['groups']} groups, "
            f"{one['pairs']} pairs): mean error {_interval(one, 'mae', '.1f')} points, of the mean "
            f"gain {one['mae_of_mean']:.1f}; R2 {_interval(one, 'r2', '.2f')}; right sign "
            f"{one['sign']:.0%}, of the mean {one['sign_of_mean']:.0%}; rank correlation "
            f"{one['spearman']:.2f}"
        )
        own = found.groups
        own = own[(own["stem"] == one["stem"]) & (own["left_out"] == one["left_out"])]
        worse = own[own["mae"] > own["mae_of_mean"]].sort_values("mae", ascending=False)
        if len(worse):
            told = ", ".join(
                f"{group} ({error:.1f} against {mean:.1f})"
                for group, error, mean in zip(
                    worse["group"][:WORST], worse["mae"], worse["mae_of_mean"], strict=False
                )
            )
            yield f"  worse than the mean gain on {len(worse)} of {one['groups']}: {told}"
    for model in found.models:
        judged = "predicts better" if model.beats_mean else "does not predict better"
        yield (
            f"{model.stem}: the model {judged} than the mean gain on unknown domains; 90% of the "
            f"gains are within {model.reach:.1f} points of what it predicts"
        )
    yield from found.notes


def _interval(one: "pd.Series[float]", name: str, form: str) -> str:
    low, high = one[f"{name}_low"], one[f"{name}_high"]
    return f"{one[name]:{form}} ({low:{form}} to {high:{form}})"
