"""Weights that a network starts from, as plain data: drawn anew, pretrained, or those of a file."""

from collections.abc import Sequence
from pathlib import Path

from nasneurn.choices import split_list, suggestion
from nasneurn.configuration import Settings
from nasneurn.errors import InputError
from nasneurn.files import real

SCRATCH = "scratch"
#: Those of the library that the network is of.
PRETRAINED = "pretrained"
#: Those that a search's supernet leaves to what was found.
INHERITED = "inherited"

#: What stands in front of the name of a repository of the Hugging Face hub that holds a network of
#: timm.
HUBS = ("hf_hub:", "hf-hub:")

#: What a file of weights may be called.
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")


class WeightsChoice(Settings):
    """Weights as a person names them, once for all networks of a study.

    Two are equal if they start a network alike: where a file lies does not count, its content does.

    Attributes:
        word: ``scratch``, ``pretrained``, or of a file its name and 8 hexadecimal digits of its
            content's hash: ``mine@0123abcd``.
        file: the path of the file.
    """

    word: str = SCRATCH
    file: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeightsChoice) and self.word == other.word

    def __hash__(self) -> int:
        return hash(self.word)

    def __str__(self) -> str:
        return self.word


def parse_weights(words: str | Sequence[str]) -> tuple[WeightsChoice, ...]:
    """What ``words`` name, each once, in their order; files are read for their hashes.

    Raises:
        InputError: a word that names no weights, or a file that cannot be read.
    """
    listed = [words] if isinstance(words, str) else words
    chosen = tuple(dict.fromkeys(_choice(part) for word in listed for part in split_list(word)))
    if not chosen:
        raise InputError(f"no weights; say {SCRATCH}, {PRETRAINED} or a file")
    return chosen


def _choice(word: str) -> WeightsChoice:
    if word in (SCRATCH, PRETRAINED):
        return WeightsChoice(word=word)
    if word == INHERITED:
        raise InputError(
            "weights are 'inherited' in a search alone; say scratch, pretrained or a file"
        )
    path = Path(word)
    if path.suffix.lower() not in SUFFIXES and not path.exists():
        raise InputError(
            f"weights are {word!r}, must be {SCRATCH}, {PRETRAINED} or a file "
            f"(*{', *'.join(SUFFIXES)}){suggestion(word, (SCRATCH, PRETRAINED))}"
        )
    from nasneurn.networks.weight_files import digest_of

    path = real(path)
    return WeightsChoice(word=file_label(path, digest_of(path)), file=str(path))


def file_label(path: Path, digest: str) -> str:
    """How outputs call the weights of a file, by its name and its content's hash."""
    return f"{path.stem}@{digest[:8]}"


def pretrained_label(tag: str) -> str:
    """How outputs call the pretrained weights of a tag."""
    return f"{PRETRAINED}:{tag}"


def pretrained_tag(label: str) -> str | None:
    """The tag in what :func:`pretrained_label` gave; None in any other label."""
    word, colon, tag = label.partition(":")
    return tag if colon and word == PRETRAINED else None
