"""The report of one study or several as one file: a page, Markdown or LaTeX."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from os.path import normpath
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nasneurn.files import written_atomically
from nasneurn.report.content import Content
from nasneurn.report.latex_tables import escape_latex, latex

#: The formats of a report.
FORMATS = ("html", "md", "tex")
#: What the names of their files end in.
SUFFIXES = {"html": (".html", ".htm"), "md": (".md", ".markdown"), "tex": (".tex",)}


def write_report(contents: Sequence[Content], path: Path, format: str = "html") -> None:
    """Write the report of studies and alignments.

    Args:
        contents: what it shows of each.
        path: the file.
        format: one of :data:`FORMATS`; the page alone has figures.

    Raises:
        InputError: the file cannot be written.
    """
    # Names of folders and values of others' files may be no text in UTF-8.
    page = rendered(contents, format).encode("utf-8", "backslashreplace")
    with written_atomically(path) as draft:
        draft.write_bytes(page)


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
    names = short_names([content.name for content in contents])
    return environment.get_template(f"report.{format}").render(
        studies=[replace(one, name=name) for one, name in zip(contents, names, strict=True)],
        suites=list(dict.fromkeys(content.suite for content in contents if content.suite)),
        title=", ".join(names),
    )


def short_names(folders: Sequence[str]) -> list[str]:
    """The last name of each folder, with as many before it as tell it from others of that name.

    >>> short_names(["/home/me/a/vgg19", "b/vgg19/", "b/photos"])
    ['a/vgg19', 'b/vgg19', 'photos']
    """
    whole = [Path(normpath(Path(folder).absolute())).parts for folder in folders]
    names = []
    for own in whole:
        others = {one for one in whole if one != own}
        length = 1
        while length < len(own) and any(one[-length:] == own[-length:] for one in others):
            length += 1
        names.append("/".join(own[-length:]))
    return names


def anchor(text: str) -> str:
    """A name that may stand in an address.

    >>> anchor("Same domain <b>"), anchor("фото")
    ('same-domain-b', 'фото')
    """
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def escape_markdown(text: object) -> str:
    r"""Text that Markdown takes for text, also in a cell of a table.

    >>> print(escape_markdown("a|b_c <b>"))
    a\|b\_c \<b\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|$~&])", r"\\\1", " ".join(str(text).split()))


def _asset(name: str) -> Markup:
    """A style or script of this package as it is."""
    text = files("nasneurn.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # files of this package, no text of a study
