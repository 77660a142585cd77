"""What is kept of a prediction to advise by: plain numbers in a JSON file."""

import json
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError, model_validator

from nasneurn.analysis.gain_model import GainModel
from nasneurn.configuration import FieldsError, Settings, first_fault
from nasneurn.errors import InputError, one_line
from nasneurn.files import read_text, written_atomically
from nasneurn.plain_values import Count, ImageSize, Size
from nasneurn.prediction.pair_features import FEATURES

Values = npt.NDArray[np.float64]

#: Raised when features are made otherwise: a file of before does not fit then.
VERSION = 1
#: The file that comes with the package, once there is one.
PACKAGED = Path(__file__).with_name("gain_model.json")


class KnownPair(Settings):
    """A pair that was measured.

    Attributes:
        suite, source, target: its names.
        gain: in points.
        features: in the order of the model's.
    """

    suite: str
    source: str
    target: str
    gain: float
    features: tuple[float, ...]


class StemModel(Settings):
    """What is known of one stem.

    Attributes:
        stem: its name with options.
        control: what gains are measured from.
        model: the linear model of the gain.
        scheme: what was left out where the errors are the greater: domain, shift or suite.
        mae, mae_of_mean: the mean absolute error there, of the model and of the mean gain.
        beats_mean: whether the model is better than the mean in all schemes, and beyond chance
            where domains were left out.
        reach: 90% of the errors there are no greater than this.
        farthest: the distance to the nearest known pair that 95% of left-out pairs have at most.
        pairs: all that were measured.
    """

    stem: str
    control: str
    model: GainModel
    scheme: str
    mae: float
    mae_of_mean: float
    beats_mean: bool
    reach: float
    farthest: float
    pairs: tuple[KnownPair, ...]

    @model_validator(mode="after")
    def _has_pairs(self) -> Self:
        names = self.model.features
        if unknown := [name for name in names if name not in FEATURES]:
            raise FieldsError(f"no feature is called {unknown[0]!r}")
        if not self.pairs or any(len(pair.features) != len(names) for pair in self.pairs):
            raise FieldsError(f"there must be pairs, with {len(names)} features each")
        return self

    def distances(self, values: npt.ArrayLike) -> Values:
        """How far features (F,) are from those of each known pair: RMS of standardized ones."""
        known = self.model.standardized([pair.features for pair in self.pairs])
        apart = known - self.model.standardized(np.asarray(values, np.float64)[None])
        return np.asarray(np.sqrt(np.square(apart).mean(axis=1)))


class ModelFile(Settings):
    """All that is needed to advise.

    Attributes:
        version: of the features.
        nasneurn: the version that made it.
        studies: the folders' names.
        image_size: side of the images.
        images: at most so many of each domain make its features.
        stems: what is known of each.
    """

    version: Size
    nasneurn: str
    studies: tuple[str, ...]
    image_size: ImageSize
    images: Count
    stems: tuple[StemModel, ...]

    def of(self, stem: str) -> StemModel:
        """What is known of a stem.

        Raises:
            InputError: nothing is.
        """
        for one in self.stems:
            if one.stem == stem:
                return one
        known = ", ".join(one.stem for one in self.stems)
        raise InputError(f"the model knows nothing of the stem {stem!r}; it knows {known}")

    def write(self, path: Path) -> Path:
        """Write it as JSON."""
        with written_atomically(path) as draft:
            draft.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n")
        return path


def read_model(path: Path | None) -> ModelFile:
    """Read a model, or that of the package.

    Raises:
        InputError: there is none, it is no such file, or of another version.
    """
    path = path or PACKAGED
    try:
        content = json.loads(read_text(path))
        if isinstance(content, dict) and content.get("version") != VERSION:
            raise InputError(
                f"{path}: a model of version {content.get('version')!r}, and this is {VERSION}; "
                "make it anew by nasneurn predict STUDY"
            )
        return ModelFile.model_validate(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = one_line(first_fault(error) if isinstance(error, ValidationError) else error)
        raise InputError(f"{path}: not a readable model of the gain ({reason})") from None
