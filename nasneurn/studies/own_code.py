"""Code of one's own, which a study names by import path: whether it is what the study began with.

It is no part of an identity: a training is named by its import path. A study whose code has changed
since something of it was finished is refused, as one whose images have changed.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nasneurn.choices import imported
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.studies.sameness import REMEDY
from nasneurn.studies.units import Unit

#: What stands before an import path in the versions that ``config.yaml`` keeps.
KEY = "code of "

_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def code_digests(names: Iterable[str]) -> dict[str, str]:
    """Digests of the definitions of import paths, each under :data:`KEY` and the path.

    A digest is of the definition and of all that it uses of its module, without comments and
    docstrings. Other modules that it imports are not looked at. What has no source has no digest.

    Args:
        names: ``package.module:Name``; they are imported.

    Raises:
        InputError: one cannot be imported.
    """
    sources = {name: _source(name) for name in dict.fromkeys(names)}
    return {
        KEY + name: hashlib.sha256(source.encode()).hexdigest()[:16]
        for name, source in sources.items()
        if source
    }


def kept_digests(config_path: Path) -> dict[str, str]:
    """The digests that a ``config.yaml`` has; none of one from before there were any."""
    about = read_yaml(config_path).get("environment")
    if not isinstance(about, dict):
        return {}
    return {key: str(value) for key, value in about.items() if str(key).startswith(KEY)}


def changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The import paths whose digests differ."""
    return [
        key.removeprefix(KEY) for key, digest in before.items() if key in now and now[key] != digest
    ]


def refuse_other_code(before: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuse code that is another than that by which something was trained.

    Raises:
        InputError: it is, or it cannot be imported.
    """
    if changed := changed_code(before, code_digests(names)):
        raise InputError(
            f"the code of {', '.join(changed)} is not what it was in the training; bring that back"
        )


def refuse_changed_code(folder: Path, changed: Sequence[str], finished: Iterable[Unit]) -> None:
    """Refuse to go on with code that is another than that of what is finished.

    Args:
        folder: where the study is.
        changed: import paths.
        finished: the units that are done.

    Raises:
        InputError: one of them is of such code.
    """
    units = list(finished)
    mixed = [name for name in changed if any(uses(unit, [name]) for unit in units)]
    if mixed:
        raise InputError(
            f"the code of {', '.join(mixed)} is not what it was when the study in {folder} began; "
            f"{REMEDY}"
        )


def uses(unit: Unit, names: Sequence[str]) -> bool:
    """Whether a unit names one of these import paths."""
    content = unit.model_dump_json()
    return any(f'"{name}"' in content for name in names)


def _source(path: str) -> str:
    """The definition of an import path with all that it uses of its module; empty without one."""
    found = imported(path, "code")
    # What a module only imports is defined elsewhere.
    elsewhere = [str(getattr(found, name, "")) for name in ("__module__", "__qualname__")]
    for module, name in (path.split(":", 1), elsewhere):
        statements = _statements(module)
        root = name.partition(".")[0]
        if any(root in defined and not isinstance(one, _IMPORTS) for one, defined in statements):
            return _with_what_it_uses(root, statements)
    return ""


def _statements(module: str) -> list[tuple[ast.stmt, set[str]]]:
    """The statements of a module, and the names that each defines."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, TypeError, OSError, SyntaxError, ValueError):  # there is none
        return []
    return [(one, set(_defined(one))) for one in tree.body]


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
    elif isinstance(statement, _IMPORTS):
        for one in statement.names:
            yield (one.asname or one.name).partition(".")[0]
    else:
        for node in ast.iter_child_nodes(statement):
            if isinstance(node, ast.stmt):  # of an if, a try, ...
                yield from _defined(node)
            else:
                yield from _named(node, ast.Store)


def _named(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, context):
            yield one.id


def _with_what_it_uses(name: str, statements: Sequence[tuple[ast.stmt, set[str]]]) -> str:
    wanted, taken = [name], set()
    while wanted:
        sought = wanted.pop()
        for place, (statement, defined) in enumerate(statements):
            if sought in defined and place not in taken:
                taken.add(place)
                wanted += _named(statement, ast.Load)
    return "\n".join(ast.unparse(_bare(statements[place][0])) for place in sorted(taken))


def _bare(statement: ast.stmt) -> ast.stmt:
    """A statement without docstrings."""
    for node in ast.walk(statement):
        if isinstance(node, _DEFINITIONS):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return statement
