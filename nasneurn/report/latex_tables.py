"""Tables as LaTeX, and text that LaTeX takes for text."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasneurn.report.tables import ReportTable

#: What means something in LaTeX, and how it is written.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def latex(table: "ReportTable") -> str:
    """A table as LaTeX, its caption a comment above it."""
    frame = table.frame.rename(columns=lambda name: _cell(str(name).replace("_", " ")))
    # Not by pandas, which leaves <, > and | as they are.
    frame = frame.map(_cell)
    text = frame.to_latex(index=False, escape=False, na_rep="--", float_format="{:.4g}".format)
    return f"% {' '.join(table.caption.split())}\n{text}"


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = escape_latex(value)
    # In a first cell a bracket would be an option of the line break before it.
    return f"{{}}{text}" if text.startswith("[") else text


def escape_latex(text: object) -> str:
    r"""Text that LaTeX takes for text.

    >>> print(escape_latex("50% of $x_1"))
    50\% of \$x\_1
    """
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(str(text).split()))
