"""How a network is trained and selected, as plain data, and the named budgets."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
)

from nasneurn.choices import check_known, split_list
from nasneurn.configuration import Settings
from nasneurn.plain_values import Count


@dataclass(frozen=True)
class Optimization:
    """The steps of a training on a smoothed loss.

    ``optimizer`` is ``"adamw"``, which is Adam where ``weight_decay`` is 0, or ``"sgd"``, with a
    momentum of 0.9. ``schedule`` is ``"cosine"``, after a linear warm-up over a tenth of the
    steps, or ``"constant"``. ``shift`` moves each training image by up to so many pixels. The last
    five are those of :class:`Protocol`.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["cosine", "constant"] = "constant"
    label_smoothing: float = 0.0
    shift: int = 0
    frozen: tuple[str, ...] = ()
    head_rate: float = 1.0
    layer_decay: float = 1.0
    mix_rate: float = 1.0
    optimizer: Literal["adamw", "sgd"] = "adamw"

    @property
    def tunes_layers(self) -> bool:
        """Whether not all layers are trained alike."""
        rates = (self.head_rate, self.layer_decay, self.mix_rate)
        return bool(self.frozen) or rates != (1, 1, 1)


def _patterns(value: Any) -> Any:
    """Patterns with commas between, as a list."""
    return split_list(value) if isinstance(value, str) else value


class Protocol(Settings):
    """How one network is trained: its steps, and early stopping on held-out source images.

    Attributes:
        train_images: at most so many of the sources' training images are drawn; None is all.
        drawn: ``random``, by class, or ``first``: the first ones of the file, as the literature
            on digits has it.
        hold_out: the share of these that is held out to select on; where the first ones are
            drawn, so many of those after them.
        epochs: passes over the others at most.
        steps: optimizer steps, in place of ``epochs``; None is none.
        selection: the weights that are measured: of the pass that is best on ``held_out`` images,
            or the ``last``; or by ``oracle`` of the pass that is best, for each target, on images
            held out of that target. Of the last two nothing ends a training early.
        patience: training ends once the held-out accuracy has not risen for so many passes; the
            best pass's weights are measured.
        batch_size: images of a step.
        balanced: each batch has equally many images of each of several source domains.
        optimizer: ``adamw``, which is Adam where ``weight_decay`` is 0, or ``sgd``: stochastic
            gradient descent with a momentum of 0.9.
        learning_rate: of the optimizer.
        weight_decay: of the optimizer; of SGD it is a part of the gradient, of AdamW it is not.
        schedule: ``constant``, or ``cosine`` after a linear warm-up over a tenth of the steps.
        label_smoothing: of the cross-entropy.
        shift: each training image is moved by up to so many pixels.
        scaling: what standardizes that which leaves the stem, channel by channel: ``source`` (the
            mean and the deviation that the source's training images have there), ``half`` (0.5
            and 0.5), ``none``, or ``weights`` (the numbers that the pretrained weights were trained
            with; as ``source`` where there are none).
        frozen: patterns of names of layers that stay as they are, their batch norms in evaluation
            mode; ``all`` is all but the one that gives the logits.
        head_rate: factor of the learning rate of the layer that gives the logits.
        layer_decay: the rate of each layer is this times that of the next.
        mix_rate: factor of the learning rate of the share of a stem that is mixed with the image.
        recalibrate: whether batch norms get the statistics of the sources' training images before
            the first step (``start``), before the network is measured (``end``), or ``never``.
    """

    train_images: Count | None
    drawn: Literal["random", "first"] = "random"
    hold_out: float = Field(default=0.15, gt=0, lt=1)
    epochs: Count
    steps: Count | None = None
    selection: Literal["held_out", "last", "oracle"] = "held_out"
    patience: Count = 5
    batch_size: int = Field(ge=2, lt=2**31)
    balanced: bool = False
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    shift: int = Field(default=0, ge=0, le=1024)
    scaling: Literal["source", "half", "none", "weights"] = "source"
    frozen: Annotated[tuple[str, ...], BeforeValidator(_patterns)] = ()
    head_rate: PositiveFloat = 1.0
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    mix_rate: PositiveFloat = 1.0
    recalibrate: Literal["never", "start", "end"] = "never"

    @property
    def content(self) -> dict[str, Any]:
        """All that decides what a training gives: fields that came later count where they differ.

        So a training that was done before a field was there is the same training.
        """
        whole = self.model_dump(mode="json")
        later = (
            "drawn", "steps", "selection", "balanced", "frozen", "head_rate", "layer_decay",
            "mix_rate", "recalibrate", "optimizer",
        )  # fmt: skip
        return {
            name: value
            for name, value in whole.items()
            if name not in later or getattr(self, name) != type(self).model_fields[name].default
        }

    def passes_and_steps(self, images: int) -> tuple[int, int]:
        """Batches of a pass over so many images, and of the whole training."""
        batches = images // self.batch_size
        return batches, batches * self.epochs if self.steps is None else self.steps

    @property
    def optimization(self) -> Optimization:
        """Those of its fields that steer the steps."""
        return Optimization(**{one.name: getattr(self, one.name) for one in fields(Optimization)})


#: By name. Batch and learning rate of ``paper`` are those of arXiv 2505.06881;
#: ``single-source-digits`` is what the code of M-ADA, PDEN and RandConv has in common.
BUDGETS = {
    "quick": Protocol(train_images=4000, epochs=15, batch_size=64),
    "standard": Protocol(train_images=7000, epochs=20, batch_size=128),
    "paper": Protocol(train_images=None, epochs=100, batch_size=256),
    "single-source-digits": Protocol(
        train_images=10_000,
        drawn="first",
        epochs=33,
        steps=10_000,
        selection="last",
        batch_size=32,
        learning_rate=1e-4,
        scaling="half",
    ),
}


def protocol_named(budget: str) -> Protocol:
    """The protocol of a budget.

    Raises:
        InputError: there is no such budget.
    """
    check_known("budget", budget, BUDGETS)
    return BUDGETS[budget]


def protocol_label(budget: str, protocol: Protocol) -> str:
    """A protocol in a few words: its budget, and what differs from that.

    >>> protocol_label("quick", BUDGETS["quick"].changed({"epochs": 3}, "protocol"))
    'quick:epochs=3'
    """
    usual = BUDGETS[budget].model_dump() if budget in BUDGETS else {}
    changes = {
        field: value
        for field, value in protocol.model_dump().items()
        if usual.get(field, ...) != value
    }
    if not changes:
        return budget
    return f"{budget}:" + ",".join(f"{name}={_told(value)}" for name, value in changes.items())


def _told(value: Any) -> str:
    return "[" + ",".join(value) + "]" if isinstance(value, tuple) else str(value)
