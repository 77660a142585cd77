"""What one training is: all that determines its rows, and the hash that names it."""

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from nasneurn.algorithms import ALGORITHMS
from nasneurn.choices import Choice
from nasneurn.configuration import Settings
from nasneurn.networks.architectures import Adapting, Architecture
from nasneurn.networks.places import FRONT, Placement
from nasneurn.plain_values import ImageSize, Name, Seed, Some
from nasneurn.rows import JOINT
from nasneurn.stems import STEMS
from nasneurn.studies.units import Place, Result
from nasneurn.training.devices import Precision
from nasneurn.training.protocol import Protocol, protocol_label

#: Raised whenever a change of the code changes what a unit gives, beyond the rounding that also
#: differs between machines and versions of PyTorch.
ROWS_VERSION = 2

#: What the trainings of a search start from.
Weights = Literal["scratch", "inherited"]

#: The stem of a search that looks for the stem too.
SEARCHED = Choice(name="search")


def identity_of(kind: str, content: Any) -> str:
    """16 hexadecimal digits of plain data."""
    text = json.dumps([ROWS_VERSION, kind, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Training(Settings):
    """One training: a network behind a stem, trained on its sources and measured on the targets.

    Attributes:
        suite: the name of the suite.
        image_size: side of its images.
        architecture: the network's design.
        weights: what the network starts from: ``scratch``, drawn anew; ``inherited``, those that a
            found architecture has from its supernet, which are measured as they are;
            ``pretrained:TAG``; or of a file its name and hash, see
            :class:`nasneurn.networks.weights.WeightsChoice`.
        weights_file: where that file lies, which is no part of the identity.
        stem: the stem of the study; ``search`` where the architecture's own was searched.
        placement: where the stem stands, a key of :data:`nasneurn.networks.places.PLACEMENTS`.
        algorithm: how the network is trained.
        sources: the domains that it learns from.
        targets: the domains that it is measured on.
        content: digests of the parts of these domains, by ``part:domain``.
        seed: of weights, order and steps, each by a stream of its own.
        budget: the name of the protocol that ``protocol`` started from.
        protocol: how it is trained and selected.
        precision: the arithmetic of the training.
        adaptation: how the network of a library is made to take the images.
    """

    suite: Name
    image_size: ImageSize
    architecture: Architecture
    weights: str = "scratch"
    weights_file: str | None = None
    stem: Choice
    placement: Placement = FRONT
    algorithm: Choice = Choice(name="erm")
    sources: Some[Name]
    targets: Some[Name]
    content: dict[str, str]
    seed: Seed
    budget: str
    protocol: Protocol
    precision: Precision = "32"
    adaptation: Adapting = "as-published"

    @property
    def applied_stem(self) -> Choice:
        """The stem that the network has."""
        found = self.architecture.found
        return found.stem if found is not None and self.stem == SEARCHED else self.stem

    @cached_property
    def identity(self) -> str:
        """16 hexadecimal digits: the same for the same training on any machine.

        Options count with their defaults, and the budget's name does not count.
        """
        content = self.model_dump(mode="json", exclude={"budget", "weights_file", "adaptation"})
        content["protocol"] = self.protocol.content
        content["applied_stem"] = STEMS.filled(self.applied_stem)
        content["stem"] = str(self.stem) if self.stem == SEARCHED else None
        content["algorithm"] = ALGORITHMS.filled(self.algorithm)
        if self.placement == FRONT:  # where all stems once were
            del content["placement"]
        # Whether it changes the network would take long to tell.
        if self.adaptation == "fit" and self.architecture.of_library:
            content["adaptation"] = "fit"
        return identity_of("training", content)

    @property
    def source(self) -> str:
        """The sources in one word: ``mnist``, or ``mnist+svhn``."""
        return JOINT.join(self.sources)

    @property
    def title(self) -> str:
        """The training in words: ``resnet18, neurn, mnist, seed 0``.

        Of a found network, ``spos, found on svhn, stem none, seed 1; neurn, mnist, seed 0``; what
        its search and its training have in common is said once.
        """
        weights = [self.weights] if self.weights != "scratch" else []
        stem = str(self.stem) if self.placement == FRONT else f"{self.stem} {self.placement}"
        algorithm = [str(self.algorithm)] if self.algorithm.name != "erm" else []
        words = [*weights, stem, *algorithm, self.source, f"seed {self.seed}"]
        found = self.architecture.found
        if found is None or not found.source:
            return ", ".join([self.architecture.name, *words])
        if (found.source, found.searched_stem, found.seed) == (self.source, stem, self.seed):
            words = [*weights, *algorithm]
        return "; ".join(filter(None, [found.words, ", ".join(words)]))

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that rows of results, epochs and failures have in common."""
        columns = {
            "training": self.identity,
            "architecture": self.architecture.name,
            "weights": self.weights,
            "stem": str(self.stem),
            "algorithm": str(self.algorithm),
            "source": self.source,
            "seed": self.seed,
        }
        return columns if self.placement == FRONT else {**columns, "placement": self.placement}

    @property
    def way(self) -> dict[str, str]:
        """The columns that say how it is trained and selected, the protocol in a few words."""
        label = protocol_label(self.budget, self.protocol)
        return {
            "protocol": label,
            "selection": self.protocol.selection,
            "placement": self.placement,
        }

    @property
    def shares_out(self) -> bool:
        """A training is done by one worker."""
        return False

    def work(self, place: Place) -> Result:
        """Train and measure."""
        from nasneurn.studies.train import train_and_measure

        return train_and_measure(self, place)
