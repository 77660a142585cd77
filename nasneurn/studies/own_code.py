"""Code of one's own, named by import path or registered: whether it is what the study began with.

It is no part of an identity: a training has its name alone. A study whose code has changed since
something of it was finished is refused, as one whose images have changed.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nasneurn.algorithms import ALGORITHMS
from nasneurn.choices import imported
from nasneurn.configuration import read_yaml
from nasneurn.errors import InputError
from nasneurn.networks.own import NETWORKS
from nasneurn.networks.spaces import registered_space
from nasneurn.stems.registry import STEMS
from nasneurn.studies.sameness import REMEDY
from nasneurn.studies.units import Unit

#: What stands before a name in the versions that ``config.yaml`` keeps.
KEY = "code of "

_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def code_digests(names: Iterable[str]) -> dict[str, str]:
    """Digests of the definitions of one's own code, each under :data:`KEY` and the name.

    A digest is of the definition and of all that it uses of its module, without comments and
    docstrings. Other modules that it imports are not looked at. What has no source has no digest;
    of what a notebook defines it is of the definition alone.

    Args:
        names: ``package.module:Name``, which are imported, and names that may be registered; names
            of this package have no digest.

    Raises:
        InputError: one cannot be imported.
    """
    sources = {name: _source(name) for name in dict.fromkeys(names)}
    return {
        KEY + name: hashlib.sha256(source.encode()).hexdigest()[:16]
        for name, source in sources.items()
        if source
    }


def refuse_registered(names: Iterable[str]) -> None:
    """Refuse names that other processes than this do not know.

    Raises:
        InputError: one of the names is registered.
    """
    if held := [name for name in dict.fromkeys(names) if _registered(name)]:
        raise InputError(
            f"{', '.join(held)} {'is' if len(held) == 1 else 'are'} registered in this process "
            "alone, and workers are others; name the import path, package.module:Name, or leave "
            "--workers and --engine out"
        )


def kept_digests(config_path: Path) -> dict[str, str]:
    """The digests that a ``config.yaml`` has; none of one from before there were any."""
    about = read_yaml(config_path).get("environment")
    if not isinstance(about, dict):
        return {}
    return {key: str(value) for key, value in about.items() if str(key).startswith(KEY)}


def changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names whose digests differ."""
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
        changed: names of such code.
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
    """Whether a unit has one of these names."""
    content = unit.model_dump_json()
    return any(f'"{name}"' in content for name in names)


def _registered(name: str) -> list[Any]:
    """What people added under a name: a stem, an algorithm, a network, a space."""
    made = [one.registered(name) for one in (STEMS, ALGORITHMS, NETWORKS)]
    return [one for one in (*made, registered_space(name)) if one is not None]


def _source(name: str) -> str:
    """The definition of what has a name, with all that it uses of its module; empty without one."""
    if ":" not in name:
        return "\n".join(map(_definition, _registered(name)))
    return _definition(imported(name, "code"), *name.split(":", 1))


def _definition(found: Any, module: str = "", name: str = "") -> str:
    if isinstance(found, partial):
        return f"{_definition(found.func)}\n{found.args} {found.keywords}"
    # What a module only imports is defined elsewhere.
    elsewhere = [str(getattr(found, name, "")) for name in ("__module__", "__qualname__")]
    for home, path in ((module, name), elsewhere):
        statements = _statements(home)
        root = path.partition(".")[0]
        if any(root in one.binds and not isinstance(one.tree, _IMPORTS) for one in statements):
            return _with_what_it_uses(root, statements)
    return "" if module else _in_a_notebook(found)


def _in_a_notebook(found: Any) -> str:
    """The text of a definition whose module has no file."""
    functions = vars(found).values() if inspect.isclass(found) else [found]
    texts = []
    for one in filter(inspect.isfunction, functions):
        with suppress(OSError, TypeError):
            texts.append(inspect.getsource(one))
    return "\n".join(texts)


@dataclass(frozen=True)
class _Statement:
    """One of a module: the names that it gives a value, and those whose values it changes."""

    tree: ast.stmt
    binds: frozenset[str]
    changes: frozenset[str]


def _statements(module: str) -> list[_Statement]:
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, TypeError, OSError, SyntaxError, ValueError):  # there is none
        return []
    imported_names = {
        name for one in tree.body if isinstance(one, _IMPORTS) for name in _bound(one)
    }
    changed = partial(_changed, imported_names)
    return [
        _Statement(one, frozenset(_within(one, _bound)), frozenset(_within(one, changed)))
        for one in tree.body
    ]


def _within(statement: ast.stmt, names: Callable[[ast.stmt], Iterator[str]]) -> Iterator[str]:
    """Names of a statement, and of those inside of an if, a try and so on."""
    yield from names(statement)
    if not isinstance(statement, _DEFINITIONS):
        for node in ast.iter_child_nodes(statement):
            inside = [node] if isinstance(node, ast.stmt) else getattr(node, "body", [])
            for one in inside if isinstance(inside, list) else ():  # not that of a lambda
                yield from _within(one, names)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
    elif isinstance(statement, _IMPORTS):
        for one in statement.names:
            yield (one.asname or one.name).partition(".")[0]
    else:
        for node in ast.iter_child_nodes(statement):
            if not isinstance(node, ast.stmt):
                yield from _named(node, ast.Store)


def _changed(modules: Collection[str], statement: ast.stmt) -> Iterator[str]:
    """Names whose values are changed in place: ``X[0] = 1``, ``X.y = 1``, ``X.append(1)``, ..."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called, given = statement.value.func, statement.value.args
        # A function of a module changes what it is given, if anything.
        yield from (name for name in _root(called) if name not in modules)
        word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if given and (word == "setattr" or word.endswith("_")):  # as torch.nn.init.zeros_
            yield from _root(given[0])
    elif isinstance(statement, ast.Assign | ast.Delete):
        for target in statement.targets:
            yield from _root(target)
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        yield from _root(statement.target)


def _root(node: ast.expr) -> Iterator[str]:
    """``X`` of ``X.y[0].z``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _named(node: ast.AST, context: type[ast.expr_context]) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, context):
            yield one.id


def _with_what_it_uses(name: str, statements: Sequence[_Statement]) -> str:
    wanted, taken = [name], set()
    while wanted:
        sought = wanted.pop()
        for place, one in enumerate(statements):
            if sought in one.binds | one.changes and place not in taken:
                taken.add(place)
                wanted += _named(one.tree, ast.Load)
    return "\n".join(ast.unparse(_bare(statements[place].tree)) for place in sorted(taken))


def _bare(statement: ast.stmt) -> ast.stmt:
    """A statement without docstrings."""
    for node in ast.walk(statement):
        if isinstance(node, _DEFINITIONS):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return statement
