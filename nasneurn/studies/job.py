"""What one training of the grid is: all that determines its rows, and the hash that names it."""

import hashlib
import json
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from nasneurn.networks import Backbone
from nasneurn.search.config import StemChoice
from nasneurn.studies.config import Precision, TrainingBudget

#: Raised whenever a change of the code changes what a training gives, beyond the rounding that
#: also differs between machines and versions of PyTorch.
PROTOCOL = 1


class Job(BaseModel):
    """One training: an architecture behind a stem, on one source, with one seed.

    ``content`` is the checksum of the suite's images, so that other files under the same name
    are another job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    content: str
    image_size: int
    backbone: Backbone
    stem: StemChoice
    source: str
    seed: int
    budget: TrainingBudget
    precision: Precision

    @cached_property
    def identity(self) -> str:
        """16 hexadecimal digits: the same for the same training on any machine."""
        content = json.dumps([PROTOCOL, self.model_dump(mode="json")], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """The job in words: ``resnet18, neurn, mnist, seed 0``."""
        return f"{self.backbone.name}, {self.stem}, {self.source}, seed {self.seed}"
