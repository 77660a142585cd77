"""What was found, as objects that show themselves: in words, and in notebooks with a table."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any, Self

from nasneurn.correlation.gain_correlation import GainCorrelation
from nasneurn.diagnosis.diagnose import Diagnosis
from nasneurn.prediction.predicting import Prediction

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Findings(ABC):
    """What a command found: it prints what the command prints."""

    @abstractmethod
    def summary(self) -> Sequence[str]:
        """What was found in plain words, a line each."""

    @abstractmethod
    def main_table(self) -> "pd.DataFrame":
        """What a notebook shows below these."""

    @classmethod
    def of(cls, found: Any) -> Self:
        """The same found things, with these ways to show them."""
        return cls(**{one.name: getattr(found, one.name) for one in fields(found)})

    def __repr__(self) -> str:
        return "\n".join(self.summary())

    def _repr_html_(self) -> str:
        told = "<br>".join(map(escape, self.summary()))
        return f"<div><p>{told}</p>{self.main_table().to_html(index=False, escape=True)}</div>"


class ShownDiagnosis(Findings, Diagnosis):
    """What is known of a study's stems; see :class:`nasneurn.diagnosis.diagnose.Diagnosis`."""

    def summary(self) -> Sequence[str]:
        """A line for each thing that a stem changes."""
        from nasneurn.report.diagnosis_summary import summary

        return summary(self)

    def main_table(self) -> "pd.DataFrame":
        """How right and how sure answers are, for each pair and stem."""
        return self.tables["calibration"]


class ShownPrediction(Findings, Prediction):
    """How well gains are predicted; see :class:`nasneurn.prediction.predicting.Prediction`."""

    def summary(self) -> Sequence[str]:
        """A line for each stem and way of leaving out."""
        from nasneurn.report.prediction_files import summary

        return list(summary(self))

    def main_table(self) -> "pd.DataFrame":
        """How good predictions are."""
        return self.scores

    def plot_predicted(
        self, ax: "Axes | None" = None, *, stem: str | None = None, left_out: str = "domain"
    ) -> "Axes":
        """Draw predicted against measured gains, of what the model had not seen.

        Args:
            ax: drawn into these axes; None makes a figure, which pyplot does not know of.
            stem: the first of the studies by default.
            left_out: domain, shift or suite.
        """
        from nasneurn.report.prediction_figure import draw_predicted

        return draw_predicted(self.left_out, self.scores, stem, left_out, ax)


class ShownCorrelation(Findings, GainCorrelation):
    """Whether alignment says who gains; see :class:`nasneurn.correlation.gain_correlation`."""

    def summary(self) -> Sequence[str]:
        """The answer, and what stands beside it."""
        from nasneurn.report.correlation_report import summary

        return summary(self)

    def main_table(self) -> "pd.DataFrame":
        """All tests."""
        return self.tests

    def plot_map(self, ax: "Axes | None" = None) -> "Axes":
        """Draw architectures near each other if aligned so, coloured by what they gain.

        Args:
            ax: drawn into these axes; None makes a figure, which pyplot does not know of.
        """
        from nasneurn.report.correlation_figures import draw_map, draw_map_on

        return draw_map(self).axes[0] if ax is None else draw_map_on(self, ax)
