"""Settings as checked plain data, and configurations as files that make a run again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from alignment.errors import WRONG_TAGS
from nasneurn.choices import Choice, check_known
from nasneurn.errors import InputError, one_line
from nasneurn.files import read_text, written_atomically
from nasneurn.plain_values import is_plain

#: Letters of a wrong value that a message shows.
TOLD = 120


class FieldsError(ValueError):
    """Fields that do not go together; the message names them, and their values where these help."""


def first_fault(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, in a few words: ``epochs is -1: ...``."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "it"
    if first["type"] in ("missing", "extra_forbidden"):
        return f"{where}: {first['msg'].lower()}"
    reason = first["msg"].removeprefix("Value error, ")
    if isinstance(first.get("ctx", {}).get("error"), FieldsError):
        return f"{where}: {reason}"
    return f"{where} is {_told(first['input'])}: {reason[:1].lower()}{reason[1:]}"


def _told(value: Any) -> str:
    """A value in some words, however long or deep it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return f"a {type(value).__name__}"
    return text if len(text) <= TOLD else f"{text[:TOLD]}..."


class Settings(BaseModel):
    """Plain data that no one changes; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def checked(cls, **fields: Any) -> Self:
        """The settings of these fields.

        Raises:
            InputError: a field has a value that it cannot have.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InputError(first_fault(error)) from None

    def changed(self, changes: Mapping[str, Any], what: str) -> Self:
        """These settings with some fields changed.

        Args:
            changes: values by field.
            what: what the settings are called, in messages.

        Raises:
            InputError: there is no such field, or it cannot have that value.
        """
        for field in changes:
            check_known(f"field of the {what}", field, type(self).model_fields)
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise InputError(f"{what}: {first_fault(error)}") from None


class Configuration(Settings):
    """All that decides the result of a run; each kind of run adds its fields."""

    def write(self, path: Path, environment: Mapping[str, str]) -> None:
        """Write the configuration as YAML, with the versions that it ran on."""
        content = {**self.model_dump(mode="json"), "environment": dict(environment)}
        with written_atomically(path) as draft:
            draft.write_bytes(_yaml(content))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            InputError: the file is no such configuration.
        """
        content = read_yaml(path)
        content.pop("environment", None)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{path}: {first_fault(error)}") from None

    def differences(self, other: Self) -> list[str]:
        """What differs, one entry a field: ``field: own value -> other value``."""
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        return [
            f"{field}: {_difference(mine.get(field), theirs.get(field))}"
            for field in {**mine, **theirs}
            if mine.get(field) != theirs.get(field)
        ]


def _difference(mine: Any, theirs: Any) -> str:
    """Both values, or what differs within them where a person would write both alike.

    >>> _difference([{"name": "a", "version": 1}, 2], [{"name": "a", "version": 3}, 2])
    'a: version 1 -> 3'
    """
    before, after = _worded(mine), _worded(theirs)
    if before == after and isinstance(mine, list):
        pairs = zip(mine, theirs, strict=True)
        return ", ".join(_difference(one, other) for one, other in pairs if one != other)
    if before == after and isinstance(mine, dict):
        inner = [
            f"{field} {_difference(mine.get(field), theirs.get(field))}"
            for field in {**mine, **theirs}
            if mine.get(field) != theirs.get(field)
        ]
        return f"{before}: {', '.join(inner)}"
    return f"{before} -> {after}"


def _worded(value: Any) -> str:
    """A value as a person writes it; what has a name, by name and options.

    >>> _worded([{"name": "none", "options": {}}, {"name": "neurn", "options": {"k": 5}}])
    '[none, neurn:k=5]'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_worded, value))}]"
    if isinstance(value, dict) and "name" in value:
        return str(Choice(name=value["name"], options=value.get("options") or {}))
    return str(value)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        content = yaml.safe_load(read_text(path))
    except (OSError, ValueError, *WRONG_TAGS, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: not a readable configuration ({one_line(error)})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a configuration: it holds no fields")
    for field, value in content.items():
        if not (isinstance(field, str) and is_plain(value)):
            raise InputError(
                f"{path}: {field}: must hold numbers, words, lists and fields alone: no dates, "
                "and nothing that holds itself"
            )
    return content


def _yaml(content: dict[str, Any]) -> bytes:
    try:
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    except UnicodeEncodeError:  # half a character, as the name of a folder may hold
        return yaml.safe_dump(content, sort_keys=False).encode()


def _flat(content: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested fields by their dotted names."""
    flat: dict[str, Any] = {}
    for field, value in content.items():
        flat |= (
            _flat(value, f"{above}{field}.") if isinstance(value, dict) else {above + field: value}
        )
    return flat
