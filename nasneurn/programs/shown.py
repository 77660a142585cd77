"""A study that shows itself, on a terminal and in a notebook."""

from functools import partial
from html import escape
from typing import TYPE_CHECKING, overload

from nasneurn.errors import InputError
from nasneurn.studies.folder import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nasneurn.report.ablation_files import Ablation


class ShownStudy(Study):
    """What a folder holds of a study, as files, as DataFrames, and as pictures.

    Args:
        folder: it need not hold a study yet; :func:`nasneurn.load_results` sees that it does.
    """

    def __repr__(self) -> str:
        """What ``print`` shows: what it is, how far it is, and the accuracy of each stem."""
        from nasneurn.report.result import study_text

        return study_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: how far it is, and the accuracy of each stem."""
        if not self.config_path.is_file():
            return f"<b>Study</b> {escape(str(self.folder))}: not begun"
        outcomes = self.store.outcomes()
        told = f"{len(outcomes.done)} units done, {len(outcomes.failed)} failed"
        head = f"<b>Study</b> {escape(str(self.folder))}<br><small>{told}</small>"
        if not self.has("accuracy") or self.accuracy.empty:
            return f"<div>{head}</div>"
        from nasneurn.analysis.chance import chance_note
        from nasneurn.report.stem_means import label_of, stem_means

        if note := chance_note(self.accuracy):
            head += f"<p><b>Caution</b>, {escape(note)}.</p>"
        rows = "".join(
            f"<tr><td>{escape(label_of(row))}</td>"
            + "".join(f"<td>{'' if share != share else f'{100 * share:.1f}'}</td>" for share in own)
            + "</tr>"
            for row, *own in stem_means(self.accuracy).itertuples()
        )
        return (
            f"<div>{head}<table><thead><tr><th>stem</th><th>other domains (%)</th>"
            f"<th>own domain (%)</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def stem_means(self) -> "pd.DataFrame":
        """Mean accuracy of each stem on other domains than its source, and on its own.

        Where algorithms, placements or weights differ, each has rows of its own, and is in the
        index before the stem.
        """
        from nasneurn.report.stem_means import stem_means

        return stem_means(self.accuracy)

    def plot_stems(self, ax: "Axes | None" = None) -> "Axes":
        """Draw :meth:`stem_means`.

        Args:
            ax: drawn into these axes; None makes a figure, which pyplot does not know of.

        Raises:
            InputError: no training has been measured.
        """
        from nasneurn.report.stem_means import draw_stem_means

        return draw_stem_means(self._measured(), ax)

    def _measured(self) -> "pd.DataFrame":
        rows = self.accuracy
        if rows.empty:
            raise InputError(f"{self.folder}: no training has been measured; nothing can be drawn")
        return rows

    @property
    def ablation(self) -> "Ablation":
        """Forms of NeuRN beside each other, as :func:`nasneurn.ablate` gives them.

        Raises:
            InputError: the study compares none.
        """
        from nasneurn.report.ablation_files import known_ablation

        return known_ablation(self)

    def plot_variants(self, ax: "Axes | None" = None, *, against: str = "none") -> "Axes":
        """Draw what each form of NeuRN gains, of an ablation: a dot with its interval.

        Args:
            ax: drawn into these axes; None makes a figure, which pyplot does not know of.
            against: ``none`` or ``plain NeuRN``.

        Raises:
            InputError: the study compares no forms of NeuRN, or none with that.
        """
        return self.ablation.plot_variants(ax, against=against)

    @overload
    def plot_gains(self, ax: None = None) -> "Figure": ...

    @overload
    def plot_gains(self, ax: "Axes") -> "Axes": ...

    def plot_gains(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """Draw what each stem gains on each pair of domains, a panel for each architecture.

        Where algorithms, placements or weights differ, each has panels of its own, but for those
        that no stem is compared in.

        Args:
            ax: a single panel is drawn into these axes; None makes a figure, which pyplot does not
                know of.

        Returns:
            The figure, or ``ax``.

        Raises:
            InputError: ``ax`` is given, and there are several panels; or there is nothing to draw.
        """
        from nasneurn.analysis.cells import cross_domain, designs, varied
        from nasneurn.analysis.comparisons import comparable
        from nasneurn.report.comparison_figures import draw_effects, draw_effects_on
        from nasneurn.report.figures import in_words, with_notes
        from nasneurn.report.style import in_panels

        rows = in_words(designs(self._measured()), self.words)
        if not len(cross_domain(rows)):
            raise InputError(f"{self.folder}: nothing is measured on domains not trained on")
        if several := varied(rows):
            import pandas as pd

            named = in_panels(rows, several)
            panels = [part for _, part in named.groupby("panel", sort=False)]
            rows = pd.concat([part for part in panels if comparable(part)] or panels)
        return (
            with_notes(partial(draw_effects, rows), rows)
            if ax is None
            else draw_effects_on(rows, ax)
        )

    @overload
    def plot_curves(self, ax: None = None) -> "Figure": ...

    @overload
    def plot_curves(self, ax: "Axes") -> "Axes": ...

    def plot_curves(self, ax: "Axes | None" = None) -> "Figure | Axes":
        """Draw held-out accuracy over the epochs, a panel for each architecture and source.

        Where algorithms, placements or weights differ, each has panels of its own.

        Args:
            ax: as of :meth:`plot_gains`.

        Returns:
            The figure, or ``ax``.

        Raises:
            InputError: ``ax`` is given, and there are several panels; or there is nothing to draw.
        """
        from nasneurn.analysis.cells import designs, varied
        from nasneurn.report.curve_figure import draw_curves, draw_curves_on
        from nasneurn.report.figures import in_words, with_notes
        from nasneurn.report.style import in_panels

        tables = (designs(one) for one in (self._measured(), self.history))
        rows, history = (in_words(one, self.words) for one in tables)
        several = [name for name in varied(rows) if name in history]
        rows, history = (in_panels(one, several) for one in (rows, history))
        if ax is not None:
            return draw_curves_on(history, rows, ax)
        return with_notes(partial(draw_curves, history), rows)
