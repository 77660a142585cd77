"""A run's configuration as a file that makes the run again, and as the mark of its folder."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from nasneurn.errors import InputError
from nasneurn.files import written_atomically


class RunConfig(BaseModel):
    """All that decides the result of a run; each kind of run adds its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls, **fields: Any) -> Self:
        """The configuration of these fields.

        Raises:
            InputError: a field has a value that it cannot have.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"])
            raise InputError(f"{name} is {first['input']!r}: {first['msg']}") from None

    def write(self, path: Path, environment: dict[str, str]) -> None:
        """Write the configuration as YAML, with the versions that it ran on."""
        content = {**self.model_dump(mode="json"), "environment": environment}
        with written_atomically(path) as draft:
            draft.write_text(yaml.safe_dump(content, sort_keys=False))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            InputError: the file is no such configuration.
        """
        try:
            content = yaml.safe_load(path.read_text())
            if isinstance(content, dict):
                content.pop("environment", None)
            return cls.model_validate(content)
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path}: not a readable configuration ({error})") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InputError(f"{path}: {where}: {first['msg']}") from None

    def check_folder(self, path: Path, what: str) -> None:
        """Refuse a folder that is marked as another run's.

        Args:
            path: the folder's configuration, if it has one.
            what: what a run of this kind is called.

        Raises:
            InputError: with what differs.
        """
        if not path.exists():
            return
        before = type(self).read(path)
        if before != self:
            raise InputError(
                f"{path.parent} holds another {what} ({'; '.join(before.differences(self))}); "
                "choose another --out, or delete it"
            )

    def differences(self, other: Self) -> list[str]:
        """What differs, one entry a field: ``field: own value -> other value``."""
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        return [
            f"{field}: {mine.get(field)} -> {theirs.get(field)}"
            for field in {**mine, **theirs}
            if mine.get(field) != theirs.get(field)
        ]


def _flat(content: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested fields by their dotted names."""
    flat: dict[str, Any] = {}
    for field, value in content.items():
        flat |= (
            _flat(value, f"{above}{field}.") if isinstance(value, dict) else {above + field: value}
        )
    return flat
