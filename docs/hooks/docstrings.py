"""Docstrings of this project, as mkdocstrings is to read them.

Roles of Sphinx become code, examples for doctest blocks of it, and arguments that share a line
(``suite, seeds: as in ...``) get one each.
"""

import re
from typing import Any

from griffe import Docstring, Extension, Object

_ROLE = re.compile(r":(?:func|class|data|meth|mod|attr|exc):`~?\.?([^`]+)`")
_DOCTEST = re.compile(r"^>>> .*(?:\n\S.*)*", re.MULTILINE)
_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+):(.*(?:\n\1 +.*)*)", re.MULTILINE)


class PlainDocstrings(Extension):
    """Rewrites each docstring when it is read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            _rewrite(obj.docstring)


def _rewrite(docstring: Docstring) -> None:
    text = _ROLE.sub(r"`\1`", docstring.value)
    text = _DOCTEST.sub(r"```pycon\n\g<0>\n```", text)
    docstring.value = _SHARED.sub(_one_each, text)


def _one_each(found: re.Match[str]) -> str:
    indent, names, rest = found.groups()
    return "\n".join(f"{indent}{name}:{rest}" for name in names.split(", "))
