"""Docstrings of this project, as mkdocstrings is to read them.

Roles of Sphinx become code, with a link where the reference has the name. Examples for doctest
become blocks of code, and arguments that share a line (``suite, seeds: as in ...``) get one each.
What plans a study, and is decorated to run it, gives a study.
"""

import re
from typing import Any

from griffe import Docstring, ExprName, Extension, Function, Object

_ROLE = re.compile(r":(?:func|class|data|meth|mod|attr|exc):`~?\.?([^`]+)`")
_DOCTEST = re.compile(r"^>>> .*(?:\n\S.*)*", re.MULTILINE)
_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+):(.*(?:\n\1 +.*)*)", re.MULTILINE)


class PlainDocstrings(Extension):
    """Rewrites each docstring when it is read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            _rewrite(obj.docstring)

    def on_function_instance(self, *, func: Function, **_: Any) -> None:
        """Say what a decorated function returns, which its own lines do not."""
        if any(str(one.value) == "finishing" for one in func.decorators):
            func.returns = ExprName("Study", parent=func.package)


def _rewrite(docstring: Docstring) -> None:
    text = _ROLE.sub(r"<autoref optional identifier='\1'>`\1`</autoref>", docstring.value)
    text = _DOCTEST.sub(r"```pycon\n\g<0>\n```", text)
    docstring.value = _SHARED.sub(_one_each, text)


def _one_each(found: re.Match[str]) -> str:
    indent, names, rest = found.groups()
    return "\n".join(f"{indent}{name}:{rest}" for name in names.split(", "))
