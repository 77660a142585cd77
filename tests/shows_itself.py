"""What every object of results does: it prints the command's words, and a table in notebooks."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasneurn.report.findings import Findings


def check_shown(found: Findings) -> None:
    """It says what was found, and a notebook shows its main table below that, row by row."""
    lines = list(found.summary())
    assert repr(found) == str(found) == "\n".join(lines)
    page = found._repr_html_()
    assert page.index("<p>") < page.index("<table")
    assert page.count("<tr") == len(found.main_table()) + 1


def other_axes() -> Axes:
    """Axes of a figure of someone else's."""
    return Figure().subplots()
