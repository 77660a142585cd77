"""Keras models: imported without traces, and found by name, file or as they are."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alignment.errors import AlignmentError, did_you_mean
from alignment.keras_listings import APPLICATIONS, listings_text


def import_keras() -> Any:
    """Keras on its torch backend, unless it was imported before or the user chose another.

    Raises:
        AlignmentError: it is not installed, or its backend is not.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with _quiet_home():
        chosen = os.environ.setdefault("KERAS_BACKEND", "torch")
        try:
            import keras
        except ImportError as error:
            if getattr(error, "name", None) == "keras":
                raise AlignmentError(
                    "Keras models need Keras; install it with pip install 'nasneurn[keras]'"
                ) from error
            raise AlignmentError(
                f"Keras cannot be imported with KERAS_BACKEND={chosen} ({error}); unset it, or "
                "set it to torch"
            ) from error
    return keras


@contextlib.contextmanager
def _quiet_home() -> Iterator[None]:
    """Keep Keras from writing a settings file into the home folder where there is none.

    Settings that are there are read as always.
    """
    if "KERAS_HOME" in os.environ or Path("~/.keras/keras.json").expanduser().exists():
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERAS_HOME"] = folder
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]


def no_weights() -> contextlib.AbstractContextManager[Any]:
    """Where models are built without drawing their weights, if the backend can."""
    keras = import_keras()
    if keras.config.backend() == "torch":
        device: contextlib.AbstractContextManager[Any] = keras.device("meta")
        return device
    return contextlib.nullcontext()


def applications() -> dict[str, Any]:
    """The functions of ``keras.applications`` that build models, by their names."""
    known = vars(import_keras().applications)
    return {name: value for name, value in known.items() if callable(value)}


def build_application(name: str) -> Any:
    """An application with ImageNet's classes and its default image size, without weights.

    Raises:
        AlignmentError: Keras has no application of that name, in small or capital letters.
    """
    builders = applications()
    by_name = {known.lower(): known for known in builders}
    known = by_name.get(name.lower())
    if known is None:
        near = did_you_mean(name.lower(), by_name)
        raise AlignmentError(f"Keras has no application {name!r}" + (f"; {near}" if near else ""))
    with no_weights():
        if known == "NASNetMobile" and import_keras().config.backend() == "torch":
            return _nasnet_mobile(builders[known])
        return builders[known](weights=None)


def _nasnet_mobile(builder: Any) -> Any:
    """NASNetMobile by the function that it calls itself.

    It refuses the torch backend, for its weights' sake; the layers are the same on all.
    """
    nasnet = sys.modules[builder.__module__].NASNet  # type: ignore[attr-defined]
    return nasnet(
        (224, 224, 3),
        penultimate_filters=1056,
        num_blocks=4,
        stem_block_filters=32,
        skip_reduction=False,
        filter_multiplier=2,
        default_size=224,
        weights=None,
        name="nasnet_mobile",
    )


def class_names(model: Any) -> list[str]:
    """The class names of a model's ``layers``, in their order; nested models in place."""
    names: list[str] = []
    for layer in model.layers:
        names += class_names(layer) if hasattr(layer, "layers") else [type(layer).__name__]
    return names


def _main() -> None:
    """Write the listings of the applications anew."""
    listings = {name: class_names(build_application(name)) for name in APPLICATIONS}
    path = Path(__file__).with_name("data") / "keras_layers.json"
    path.write_text(listings_text(import_keras().__version__, listings), encoding="utf-8")


if __name__ == "__main__":
    _main()
