"""The report of one study or several as one file: a page, Markdown or LaTeX."""

import base64
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nasneurn.choices import check_known
from nasneurn.errors import InputError
from nasneurn.files import written_atomically
from nasneurn.report.study_content import StudyContent, content_of
from nasneurn.report.tables import latex
from nasneurn.studies.config import StudyConfig
from nasneurn.studies.folder import Study

#: The formats of a report.
FORMATS = ("html", "md", "tex")

#: What means something in LaTeX, and how it is written.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def write_report(
    studies: Sequence[tuple[Study, StudyConfig]],
    path: Path,
    format: str = "html",
    *,
    trust_code: bool = False,
) -> list[StudyContent]:
    """Write the report of studies, finished or not, and return what it shows.

    Args:
        studies: each with its configuration.
        path: the file.
        format: one of :data:`FORMATS`; the page alone has figures.
        trust_code: also ask studies that name code of their own how far they are, which imports it.

    Raises:
        InputError: the format is unknown, a table of a study is damaged, or the file cannot be
            written.
    """
    check_known("format", format, FORMATS)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file for the report")
    contents = [
        content_of(study, config, trust_code=trust_code, figures=format == "html")
        for study, config in studies
    ]
    text = rendered(contents, format)
    with written_atomically(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return contents


def rendered(contents: Sequence[StudyContent], format: str = "html") -> str:
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
        suites=list(dict.fromkeys(content.suite for content in contents)),
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
