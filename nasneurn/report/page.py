"""The report of one study or several as one file: a page, Markdown or LaTeX."""

import base64
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nasneurn.files import written_atomically
from nasneurn.report.content import Content
from nasneurn.report.tables import latex

#: The formats of a report.
FORMATS = ("html", "md", "tex")

#: What means something in LaTeX, and how it is written.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def write_report(contents: Sequence[Content], path: Path, format: str = "html") -> None:
    """Write the report of studies and alignments.

    Args:
        contents: what it shows of each.
        path: the file.
        format: one of :data:`FORMATS`; the page alone has figures.

    Raises:
        InputError: the file cannot be written.
    """
    text = rendered(contents, format)
    with written_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8")


def rendered(contents: Sequence[Content], format: str = "html") -> str:
    """The report as text."""
    environment = Environment(
        loader=PackageLoader("nasneurn.report"),
        autoescape=format == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "anchor": anchor,
        "base64": lambda data: base64.b64encode(data).decode("ascii"),
        "markdown": escape_markdown,
        "tex": escape_latex,
        "latex_table": latex,
    }
    environment.filters.update(filters)
    environment.globals["asset"] = _asset
    return environment.get_template(f"report.{format}").render(
        studies=contents,
        suites=list(dict.fromkeys(content.suite for content in contents if content.suite)),
        title=", ".join(Path(content.name).name or content.name for content in contents),
    )


def anchor(text: str) -> str:
    """A name that may stand in an address.

    >>> anchor("Same domain <b>")
    'same-domain-b'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def escape_markdown(text: object) -> str:
    r"""Text that Markdown takes for text, also in a cell of a table.

    >>> print(escape_markdown("a|b_c <b>"))
    a\|b\_c \<b\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|$~&])", r"\\\1", " ".join(str(text).split()))


def escape_latex(text: object) -> str:
    r"""Text that LaTeX takes for text.

    >>> print(escape_latex("50% of $x_1"))
    50\% of \$x\_1
    """
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(str(text).split()))


def _asset(name: str) -> Markup:
    """A style or script of this package as it is."""
    text = files("nasneurn.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # files of this package, no text of a study
