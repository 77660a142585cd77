"""What a person names: a registered thing with options, or one of their own by import path.

Everything that can be chosen by name (a stem, an algorithm, a network, a space) is written in one
way: ``NAME``, ``NAME:option=value,option=value``, or ``package.module:Name`` in place of a name.

>>> str(Choice.parse("neurn:k=5,border=zero"))
'neurn:k=5,border=zero'
>>> Choice.parse("randconv:kernel_sizes=[1,3],scale=1e-3").options
{'kernel_sizes': [1, 3], 'scale': 0.001}
"""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from nasneurn.errors import InputError, one_line
from nasneurn.located import Located
from nasneurn.plain_values import Options, is_plain

T = TypeVar("T")


# ---------------------------------------------------------------- did you mean


def suggestion(value: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest of ``known``; nothing where none is near."""
    near = difflib.get_close_matches(str(value), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check_known(what: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is none of the known ones.

    Raises:
        InputError: with what is known, and the nearest.
    """
    names = list(known)
    if value not in names:
        raise InputError(
            f"{what} is {value!r}, must be one of {', '.join(names)}{suggestion(value, names)}"
        )


# ---------------------------------------------------------------- values in text


class _Values(yaml.SafeLoader):
    """YAML's plain values, and ``1e-3`` as the number that everybody means by it."""


_Values.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse_value(text: str) -> Any:
    """Read one value: a number, a word, true, false, null, or a list or mapping of these.

    Raises:
        InputError: the text is no such value.

    >>> parse_value("1e-3"), parse_value("[1, 3]"), parse_value("zero")
    (0.001, [1, 3], 'zero')
    """
    try:
        value = yaml.load(text, _Values)
        plain = is_plain(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        plain = False
    if not plain:
        raise InputError(f"{text!r} is no value: a number, a word, true, or a [list]")
    return value


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``name=value``.

    Raises:
        InputError: there is no ``=``, no name, or no such value.

    >>> parse_assignment("learning_rate=1e-3")
    ('learning_rate', 0.001)
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"{text!r} must be name=value")
    return name.strip(), parse_value(value.strip())


def split_list(text: str) -> list[str]:
    """Split at commas outside of brackets.

    >>> split_list("none, randconv:kernel_sizes=[1,3]")
    ['none', 'randconv:kernel_sizes=[1,3]']
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


# ---------------------------------------------------------------- a name with options


class Choice(BaseModel):
    """A thing by its name, with the options that are not left to their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: Options = {}

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Read ``NAME`` or ``NAME:option=value,option=value``.

        Raises:
            InputError: the text is no such thing.
        """
        if not isinstance(text, str):
            raise InputError(f"{text!r:.60} must be text, NAME or NAME:option=value")
        before, equals, _ = text.partition("=")
        if not equals:
            return cls(name=text.strip())
        name, colon, _ = before.rpartition(":")
        if not colon:
            raise InputError(f"{text!r} must be NAME or NAME:option=value")
        options: dict[str, Any] = {}
        for item in split_list(text[len(name) + 1 :]):
            try:
                option, value = parse_assignment(item)
            except InputError as error:
                raise InputError(f"{text!r}: {error}") from None
            if option in options:
                raise InputError(f"{text!r} gives {option!r} twice")
            options[option] = value
        try:
            return cls(name=name.strip(), options=options)
        except ValidationError as error:
            told = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InputError(f"options of {text!r} {told}") from None

    def __str__(self) -> str:
        if not self.options:
            return self.name
        listed = (f"{key}={_written(value)}" for key, value in self.options.items())
        return f"{self.name}:" + ",".join(listed)

    def __hash__(self) -> int:
        return hash(str(self))


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def split_choices(words: Sequence[str]) -> list[str]:
    """The texts of choices in ``words``; commas part choices, and the options of one.

    >>> split_choices(["none,neurn:k=5,border=zero", "sobel"])
    ['none', 'neurn:k=5,border=zero', 'sobel']
    """
    texts: list[str] = []
    for item in (part for word in words for part in split_list(word)):
        further = "=" in item and ":" not in item.partition("=")[0]
        if further and texts and "=" in texts[-1]:
            texts[-1] += f",{item}"  # a further option of the choice before
        else:
            texts.append(item)
    return texts


# ---------------------------------------------------------------- registries


class Registry(Generic[T]):
    """Makers of one kind of thing by name; ``package.module:Name`` is a maker of one's own.

    Args:
        what: what the things are called, in messages.
        makers: callables by name; their arguments are the options.
        hidden: arguments that the code gives and no option sets.
        elsewhere: names that are looked for here, and where to find them, in one line.
        later: by name, options that came later: they count in hashes where they are given.
    """

    def __init__(
        self,
        what: str,
        makers: Mapping[str, Callable[..., T]],
        hidden: Sequence[str] = (),
        elsewhere: Mapping[str, str] | None = None,
        later: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.what = what
        self._later = later or {}
        self._elsewhere = elsewhere or {}
        self._makers = dict(makers)
        self._built_in = frozenset(makers)
        self._hidden = frozenset(hidden)

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def register(self, name: str, maker: Callable[..., T]) -> None:
        """Add a maker under a name, for this process and none it starts.

        Raises:
            InputError: the name is taken by another maker, or holds one of ``:=,#``; or the maker
                is none.
        """
        if not isinstance(name, str) or not name or any(one in name for one in ":=,#"):
            raise InputError(f"{name!r} cannot name a {self.what}: text without ':', '=', ',', '#'")
        if not callable(maker):
            raise InputError(f"{maker!r} makes no {self.what}: a class or function does")
        held = self._makers.get(name, maker)
        if maker not in (held, held.maker if isinstance(held, Located) else held):
            raise InputError(f"there is a {self.what} {name!r} already; choose another name")
        self._makers[name] = maker

    def registered(self, name: str) -> Callable[..., T] | None:
        """What was added under a name; None if nothing was."""
        return None if name in self._built_in else self._makers.get(name)

    def maker(self, name: str) -> Callable[..., T]:
        """What makes the thing of a name, or of an import path.

        Raises:
            InputError: there is none.
        """
        if name in self._makers:
            return self._makers[name]
        if name in self._elsewhere:
            raise InputError(f"{self.what} is {name!r}, but {self._elsewhere[name]}")
        if ":" in name:
            before, _, after = name.partition(":")
            if before in self._makers:
                raise InputError(f"{self.what} {name!r}: {after!r} must be option=value")
            found = imported(name, self.what)
            if not callable(found):
                raise InputError(f"{self.what} {name!r} is a {type(found).__name__}, not callable")
            made: Callable[..., T] = found
            return made
        raise InputError(
            f"{self.what} is {name!r}, must be one of {', '.join(self._makers)}, "
            f"or package.module:Name{suggestion(name, self._makers)}"
        )

    def defaults(self, name: str) -> dict[str, Any]:
        """The options of a maker with their defaults; one without a default is ``...``."""
        maker = self.maker(name)
        try:
            parameters = inspect.signature(maker).parameters.values()
        except ValueError:  # of what is written in C
            raise InputError(
                f"{self.what} {name!r} does not tell its arguments; wrap it in a function"
            ) from None
        return {
            one.name: ... if one.default is inspect.Parameter.empty else one.default
            for one in parameters
            if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            and one.name not in self._hidden
        }

    def choose(self, text: "str | Choice") -> Choice:
        """A choice whose name and options exist, without options that equal their defaults.

        Raises:
            InputError: it names nothing, an option does not exist, or one is missing.
        """
        choice = text if isinstance(text, Choice) else Choice.parse(text)
        defaults = self.defaults(choice.name)
        for option in choice.options:
            if not defaults:
                raise InputError(
                    f"unknown option {option!r}: the {self.what} {choice.name} has none"
                )
            check_known(f"option of the {self.what} {choice.name}", option, defaults)
        for option, default in defaults.items():
            if default is ... and option not in choice.options:
                own = f"; its arguments are options, and it must make the {self.what}"
                raise InputError(
                    f"the {self.what} {choice.name} needs the option {option!r}"
                    f"{own if ':' in choice.name else ''}"
                )
        kept = {
            option: value
            for option, value in choice.options.items()
            if not _same(value, defaults[option])
        }
        return Choice(name=choice.name, options={key: kept[key] for key in sorted(kept)})

    def choose_all(self, words: Sequence[str]) -> tuple[Choice, ...]:
        """Each choice that ``words`` name once, in their order.

        Raises:
            InputError: there is none, or one cannot be chosen.
        """
        chosen = tuple(dict.fromkeys(self.choose(text) for text in split_choices(words)))
        if not chosen:
            raise InputError(f"no {self.what}; name one or more of {', '.join(self._makers)}")
        return chosen

    def filled(self, choice: Choice) -> dict[str, Any]:
        """The choice as plain data with every option, for the hash that names a training.

        Without those that came later, where they are not given: it is the same thing as before.
        """
        later = self._later.get(choice.name, ())
        options = {k: v for k, v in self.defaults(choice.name).items() if k not in later}
        options |= choice.options
        return {"name": choice.name, "options": {key: options[key] for key in sorted(options)}}

    def create(self, choice: "str | Choice", **given: Any) -> T:
        """Make what a choice names; ``given`` are the arguments that no option sets.

        Raises:
            InputError: it cannot be chosen, or its maker refuses an option.
        """
        chosen = self.choose(choice)
        try:
            return self.maker(chosen.name)(**chosen.options, **given)
        except InputError as error:
            if chosen.name in str(error):
                raise
            raise InputError(f"{self.what} {str(chosen)!r}: {error}") from error
        except (TypeError, ValueError) as error:
            told = one_line(error)
            raise InputError(f"{self.what} {str(chosen)!r} cannot be made: {told}") from error


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        default = list(default)
    if isinstance(value, tuple):
        value = list(value)
    # 1 and True, and 1 and 1.0, are written differently and may be meant so.
    return type(value) is type(default) and bool(value == default)


def imported(path: str, what: str) -> Any:
    """What an import path ``package.module:Name`` names; the folder of the command is looked in.

    Raises:
        InputError: it cannot be imported.
    """
    module, _, attribute = path.partition(":")
    if str(Path.cwd()) not in sys.path:  # a command does not look where it is run
        sys.path.append(str(Path.cwd()))
    try:
        if not module or not attribute:
            raise ImportError("it must be package.module:Name")
        if module.endswith(".py"):
            raise ImportError(f"write {Path(module).stem}:{attribute}, from the file's folder")
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    except Exception as error:  # a module of one's own may raise anything at its import
        raise InputError(f"{what} {path!r} cannot be imported: {one_line(error)}") from error


def refuse_code(where: Path | str, names: Sequence[str], trust_code: bool) -> None:
    """Refuse code that a file names, unless it is trusted.

    Args:
        where: the file, or the folder that it is in.
        names: import paths.
        trust_code: whether it is trusted.

    Raises:
        InputError: there are such names, and they are not trusted.
    """
    if names and not trust_code:
        raise InputError(
            f"{where} names code that is not of this package ({', '.join(names)}); "
            "say --trust-code (in Python trust_code=True) if you trust the file and that code"
        )
