"""What a person may name for a network, as plain data: enough to build it again."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from nasneurn.choices import Choice
from nasneurn.configuration import FieldsError, Settings
from nasneurn.networks.found import FoundArchitecture, choices_name
from nasneurn.plain_values import Name, Options

#: How a library's network is made to take images for which it was not made: to ``fit``, its first
#: strides may be lost; ``as-published``, they stay.
Adapting = Literal["fit", "as-published"]
#: The libraries whose networks may be adapted.
LIBRARIES = ("timm", "torchvision", "design")


class Architecture(Settings):
    """A network's design: of timm or torchvision, of this package or the user, or found.

    Attributes:
        name: how outputs call it: ``vgg19``, ``torchvision:resnet18``, ``spos/mnist-neurn-0``.
        library: where its design is: "design" is :mod:`alignment.designs`, "own" is a network of
            this package or the user.
        model: its name in the library; empty for "found".
        version: of the library, since a later one may define the model otherwise; empty for
            "own" and "found".
        options: of one's own network; of one of the hub, further arguments of timm's constructor.
        found: the record of a found architecture.
    """

    name: Name
    library: Literal["timm", "torchvision", "design", "own", "found"]
    model: str = ""
    version: str = ""
    options: Options = Field(default_factory=dict)
    found: FoundArchitecture | None = None

    @model_validator(mode="after")
    def _has_its_record(self) -> Self:
        if (self.library == "found") != (self.found is not None):
            raise FieldsError("a found architecture, and no other, must have the record `found`")
        return self

    @property
    def choices(self) -> str:
        """The choices of a found architecture in one word; ``fixed`` for any other."""
        return choices_name(self.found.choices) if self.found else "fixed"

    @property
    def words(self) -> str:
        """What people read in place of the name."""
        return self.found.words if self.found else self.name

    @property
    def of_library(self) -> bool:
        """Whether its design is a library's or of :mod:`alignment.designs`, and may be adapted."""
        return self.library in LIBRARIES

    @property
    def package(self) -> str:
        """The package whose version ``version`` is."""
        return "nasneurn" if self.library == "design" else self.library

    @property
    def own(self) -> Choice:
        """The choice that one's own network is made by."""
        return Choice(name=self.model, options=self.options)

    @property
    def named(self) -> list[str]:
        """Names of what makes it that a person may write themselves."""
        if self.found:
            return [self.found.space, self.found.stem.name]
        return [self.model] if self.library == "own" else []

    @property
    def code(self) -> list[str]:
        """The import paths of code that is not of this package, where it needs any."""
        return [name for name in self.named if ":" in name]

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


def _listed(content: dict[str, Any], field: str) -> Sequence[Any]:
    """What a field lists; nothing where it holds something else, which is refused later."""
    value = content.get(field)
    return value if isinstance(value, list | tuple) else ()


def as_older_files_mean(content: Any) -> Any:
    """The fields of a study; one from before networks were fitted has them as published."""
    if not isinstance(content, dict) or "adaptation" in content:
        return content
    grids = [one for one in (content, *_listed(content, "further")) if isinstance(one, dict)]
    named = [one for grid in grids for one in _listed(grid, "architectures")]
    if not any(isinstance(one, dict) and one.get("library") in LIBRARIES for one in named):
        return content
    return {**content, "adaptation": "as-published"}
