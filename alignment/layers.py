"""One executed layer: what every other module here knows of an architecture."""

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that was executed once, for one image.

    Attributes:
        kind: what it computes ("conv2d", "batch_norm", "relu", "add", "matmul", ...).
        kernel: its window along the spatial dimensions; empty if it has none.
        stride: its step along the spatial dimensions; empty if it has no window.
        groups: groups of a convolution; 1 for everything else.
        channels_in: channels (of tokens: features) that enter; 0 if nothing tells.
        channels_out: channels that leave.
        shape: shape of what it gives, without the batch dimension.
        params: parameters it uses and no earlier layer used.
        flops: multiply-adds of its convolution or matrix product; 0 for everything else.
    """

    kind: str
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    groups: int = 1
    channels_in: int = 0
    channels_out: int = 0
    shape: tuple[int, ...] = ()
    params: int = 0
    flops: int = 0

    def as_row(self) -> list[object]:
        """Lists and numbers only, for JSON; :meth:`from_row` reads it."""
        return [list(part) if isinstance(part, tuple) else part for part in astuple(self)]

    @classmethod
    def from_row(cls, row: list[object]) -> "Layer":
        """The layer that :meth:`as_row` wrote.

        Raises:
            ValueError, TypeError: the row has another form.
        """
        parts = [tuple(part) if isinstance(part, list) else part for part in row]
        layer = cls(*parts)  # type: ignore[arg-type]
        if not isinstance(layer.kind, str) or not isinstance(layer.flops, int):
            raise TypeError("not a layer")
        return layer


@dataclass(frozen=True, slots=True)
class Architecture:
    """An architecture as its layers, in the order in which data flows through them.

    Attributes:
        name: how outputs call it.
        family: architectures of one design; the colour in figures.
        layers: the layers, in order of execution.
        listing: class names of the layers as its library lists them; empty if that is not known.
        canonical: the places of ``layers`` in an order that depends on the graph alone, not on
            which of two parallel branches its code runs first; empty if that is not known.
    """

    name: str
    family: str
    layers: tuple[Layer, ...]
    listing: tuple[str, ...] = ()
    canonical: tuple[int, ...] = ()

    @property
    def params(self) -> int:
        """Parameters that the layers use."""
        return sum(layer.params for layer in self.layers)

    @property
    def flops(self) -> int:
        """Multiply-adds of convolutions and matrix products for one image."""
        return sum(layer.flops for layer in self.layers)
