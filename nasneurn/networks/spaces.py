"""Search spaces by name or import path, and all that is needed to build one again."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydantic import Field

from nasneurn.choices import imported, suggestion
from nasneurn.configuration import Settings
from nasneurn.errors import InputError, one_line
from nasneurn.located import at
from nasneurn.plain_values import Name, Options

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.interface import ModelSpace
    from search_spaces.stem_choice import Stem

#: Where the spaces of this package are defined; they are imported only when one is built, since
#: NNI takes seconds and everything but a search runs without it.
_BUILT_IN = {"spos": "search_spaces.spos:SPOS", "autoformer": "search_spaces.autoformer:AutoFormer"}
#: What builds one architecture of theirs in plain PyTorch, without NNI.
_PLAIN = {
    "spos": "search_spaces.shufflenet:found_network",
    "autoformer": "search_spaces.autoformer_sizes:found_network",
}
_registered: "dict[str, type[ModelSpace]]" = {}

#: What a space of the user's own may call the arguments that a search gives.
ARGUMENT_NAMES = {
    "num_classes": ("num_classes", "num_labels"),
    "image_size": ("image_size", "img_size"),
}


def need_nni() -> None:
    """Say where NNI comes from.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("nni") is None:
        raise InputError(
            "search spaces need NNI, which is not installed: it has wheels for x86-64 Linux, "
            "Windows and macOS (pip install nni==3.0), and none for arm64 Linux"
        )


def list_spaces() -> list[str]:
    """Names that :func:`create_space` knows.

    >>> list_spaces()
    ['spos', 'autoformer']
    """
    return [*_BUILT_IN, *_registered]


def register_space(name: str, space: "type[ModelSpace]") -> None:
    """Add a space of one's own, a class of NNI's ``ModelSpace``, under a name.

    Args:
        name: what ``--space`` is to call it, without a ":".
        space: the class; of ``num_classes``, ``image_size`` and ``stem`` it is given those that it
            takes.

    Raises:
        InputError: the name is taken.
    """
    if not isinstance(name, str) or name in list_spaces() or ":" in name:
        raise InputError(f"{name!r} cannot name a space: it is taken, no text, or holds a ':'")
    if not isinstance(space, type):
        raise InputError(f"{space!r} is no space: a class of NNI's ModelSpace is")
    _registered[name] = space


def registered_space(name: str) -> "type[ModelSpace] | None":
    """What :func:`register_space` added under a name; None if nothing was."""
    return _registered.get(name)


def create_space(name: str, **settings: Any) -> "ModelSpace":
    """The space of a name, or of an import path ``package.module:Class``, with fresh weights.

    Args:
        name: of :func:`list_spaces`, or an import path.
        settings: arguments of the class, such as ``width=0.5`` of ``spos``.

    Raises:
        InputError: there is no such space, or its class does not take the settings.
    """
    return SpaceChoice.checked(space=name, settings=settings).build()


def space_class(name: str) -> "type[ModelSpace]":
    """The class of a space.

    Raises:
        InputError: there is no such space, it is not one of NNI's, or NNI is missing.
    """
    need_nni()
    if name in _registered:
        return _registered[name]
    if name not in _BUILT_IN and ":" not in name:
        known = list_spaces()
        raise InputError(
            f"space is {name!r}, must be one of {', '.join(known)}, "
            f"or package.module:Class{suggestion(name, known)}"
        )
    found = at(_BUILT_IN[name]) if name in _BUILT_IN else imported(name, "space")
    from search_spaces.interface import ModelSpace

    if not (isinstance(found, type) and issubclass(found, ModelSpace)):
        raise InputError(f"space {name!r} is no class of nni.nas.nn.pytorch.ModelSpace")
    return found


class SpaceChoice(Settings):
    """A space with the arguments of its constructor, as plain data; the stem is apart."""

    space: Name
    settings: Options = Field(default_factory=dict)

    @classmethod
    def sized(
        cls, space: str, settings: Mapping[str, Any], classes: int, image_size: int
    ) -> "SpaceChoice":
        """The space for so many classes and such images, as far as its class takes these.

        Raises:
            InputError: there is no such space, or its settings say others.
        """
        from search_spaces.interface import arguments_of

        accepted = arguments_of(space_class(space))
        given = {"num_classes": classes, "image_size": image_size}
        named = {
            name: value
            for argument, value in given.items()
            for name in ARGUMENT_NAMES[argument]
            if name in accepted
        }
        for name, value in named.items():
            if settings.get(name, value) != value:
                raise InputError(
                    f"{name} of space {space!r} is {settings[name]!r}, must be {value}, which is "
                    "that of the suite; leave it out"
                )
        return cls(space=space, settings={**named, **settings})

    def resized(self, classes: int, image_size: int) -> "SpaceChoice":
        """The same space for other classes and images."""
        given = {"num_classes": classes, "image_size": image_size}
        changed = {
            name: value
            for argument, value in given.items()
            for name in ARGUMENT_NAMES[argument]
            if name in self.settings
        }
        return SpaceChoice(space=self.space, settings={**self.settings, **changed})

    @property
    def image_size(self) -> int:
        """The side of the images that it is built for; 32 where its class does not ask."""
        names = ARGUMENT_NAMES["image_size"]
        return int(next((self.settings[name] for name in names if name in self.settings), 32))

    def build(self, stem: "Stem" = None) -> "ModelSpace":
        """The space with fresh weights, behind a stem, or several that become a choice of it.

        Raises:
            InputError: its class does not take the settings.
        """
        made = space_class(self.space)
        from search_spaces.interface import arguments_of
        from search_spaces.stem_choice import Stemmed

        try:
            if "stem" in arguments_of(made):
                return made(**self.settings, stem=stem)
            if stem is None:
                return made(**self.settings)
            return Stemmed(lambda: made(**self.settings), stem)
        except Exception as error:  # of settings that cannot be meant, torch and NNI raise anything
            told = one_line(error, None)
            raise InputError(f"space {self.space!r} cannot be built: {told}") from error

    def network(self, choices: Mapping[str, Any]) -> "nn.Module":
        """One architecture of the space as a network with fresh weights, without a stem.

        Raises:
            InputError: the space has no such architecture, or NNI is missing.
        """
        space = self.build()
        from search_spaces.interface import freeze

        without_stem = {label: value for label, value in choices.items() if label != "stem"}
        return self._made(lambda: freeze(space, without_stem))

    def bare_network(self, choices: Mapping[str, Any]) -> "nn.Module":
        """The same for weights that are to be loaded; of this package's spaces without NNI.

        Raises:
            InputError: the space has no such architecture, or NNI is needed and missing.
        """
        if self.space not in _PLAIN:
            if find_spec("nni") is None:
                raise InputError(
                    f"the space {self.space} builds its networks by NNI, which is not installed; "
                    "where it is, nasneurn export FILE --format pt2 makes a file of the network "
                    "that needs PyTorch alone"
                )
            return self.network(choices)
        plain = at(_PLAIN[self.space])
        return self._made(lambda: plain(choices, **self.settings))

    def _made(self, build: Callable[[], "nn.Module"]) -> "nn.Module":
        try:
            return build()
        except Exception as error:  # whatever a choice of a user's space raises
            told = one_line(error, None)
            raise InputError(f"space {self.space!r} has no such architecture: {told}") from error
