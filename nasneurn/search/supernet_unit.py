"""What one supernet with its evolution is, and the hash that names it."""

from functools import cached_property
from typing import Any, Literal

from nasneurn.choices import Choice
from nasneurn.configuration import Settings
from nasneurn.networks.spaces import SpaceChoice
from nasneurn.plain_values import ImageSize, Limit, Name, Seed, Some
from nasneurn.rows import JOINT
from nasneurn.search.stem_choices import candidates_of
from nasneurn.search.supernet_budgets import SupernetBudget
from nasneurn.stems import STEMS
from nasneurn.studies.training_unit import identity_of
from nasneurn.studies.units import Place, Result
from nasneurn.training.devices import Precision
from nasneurn.training.protocol import Protocol

#: The fields of a protocol that a supernet and its evolution depend on: images and scaling.
USED_OF_PROTOCOL = ("train_images", "drawn", "hold_out", "scaling")


class Supernet(Settings):
    """One supernet, trained on its sources, and the evolution over it.

    Attributes:
        stem: what stands in front; ``search`` is a choice of the space.
        content: digests of the sources' training images.
        protocol: of which the images, their division and the scaling count here.
        supernet: how much is spent.
    """

    suite: Name
    image_size: ImageSize
    space: SpaceChoice
    stem: Choice
    sources: Some[Name]
    content: dict[str, str]
    seed: Seed
    protocol: Protocol
    supernet: SupernetBudget
    max_flops: Limit | None = None
    max_params: Limit | None = None
    select_under: Literal["clean", "shifts"] = "clean"
    objective: Literal["accuracy", "flops", "params", "latency"] = "accuracy"
    precision: Precision = "32"

    @cached_property
    def identity(self) -> str:
        """16 hexadecimal digits: the same for the same supernet on any machine."""
        content = self.model_dump(mode="json", exclude={"protocol", "suite"})
        content["stem"] = [STEMS.filled(stem) for stem in candidates_of(self.stem)]
        used = self.protocol.model_dump(mode="json", include={*USED_OF_PROTOCOL})
        if used["drawn"] == "random":  # as all images once were
            del used["drawn"]
        content["images"] = used
        return identity_of("supernet", content)

    @property
    def source(self) -> str:
        """The sources in one word."""
        return JOINT.join(self.sources)

    @property
    def name(self) -> str:
        """The name of what it finds: ``spos/mnist-neurn-0``."""
        return f"{self.space.space}/{self.source}-{self.stem}-{self.seed}"

    @property
    def title(self) -> str:
        """The supernet in words: ``spos supernet, neurn, mnist, seed 0``."""
        return f"{self.space.space} supernet, {self.stem}, {self.source}, seed {self.seed}"

    @property
    def columns(self) -> dict[str, Any]:
        """What a row of a failure says of it."""
        return {
            "training": self.identity,
            "architecture": f"{self.space.space} supernet",
            "weights": "scratch",
            "stem": str(self.stem),
            "algorithm": "erm",
            "source": self.source,
            "seed": self.seed,
        }

    @property
    def group(self) -> dict[str, Any]:
        """The columns with which each row about the supernet begins."""
        return {
            "space": self.space.space,
            "source": self.source,
            "stem": str(self.stem),
            "seed": self.seed,
        }

    @property
    def shares_out(self) -> bool:
        """Its candidates can be scored by workers."""
        return True

    def work(self, place: Place) -> Result:
        """Train the supernet, and search its paths."""
        from nasneurn.search.supernet_work import SupernetWork

        return SupernetWork(self, place).result()
