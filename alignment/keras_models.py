"""Keras models: imported without traces, and found by name, file or as they are."""

import contextlib
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from alignment.errors import AlignmentError, did_you_mean, one_line
from alignment.keras_listings import APPLICATIONS, listings_text
from alignment.variables import with_variables

#: How the files of whole models end.
SUFFIXES = (".keras", ".h5", ".hdf5")
#: Images of the applications that state no size of their own.
DEFAULT_SHAPE = (224, 224, 3)


def import_keras() -> Any:
    """Keras on its torch backend, unless it was imported before or the user chose another.

    Raises:
        AlignmentError: it is not installed, or its backend is not.
    """
    if sys.modules.get("keras") is not None:  # None is how an import is barred
        return sys.modules["keras"]
    backend = os.environ.get("KERAS_BACKEND") or "torch"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"KERAS_BACKEND": backend}
        # Where there are no settings, Keras would write some into the home folder.
        if not os.path.exists(os.path.expanduser("~/.keras/keras.json")):
            settings["KERAS_HOME"] = os.environ.get("KERAS_HOME", folder)
        try:
            with with_variables(settings):
                import keras
        except ImportError as error:
            if error.name == "keras":
                raise AlignmentError(
                    "Keras models need Keras; install it with pip install 'nasneurn[keras]'"
                ) from error
            raise AlignmentError(
                f"Keras cannot be imported with KERAS_BACKEND={backend} ({one_line(error)}); "
                "unset it, or set it to torch"
            ) from error
    return keras


def _no_weights() -> contextlib.AbstractContextManager[Any]:
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


def find_model(model: Any, input_shape: tuple[int, ...] | None = None) -> tuple[Any, str, str]:
    """A model, its family and its name, from whatever names it.

    Args:
        model: the model itself, a name of ``keras.applications``, or a path.
        input_shape: for an application: sizes of one image.

    Raises:
        AlignmentError: it is none of these, or Keras cannot build or read it.
    """
    if isinstance(model, os.PathLike) or (isinstance(model, str) and _is_path(model)):
        path = Path(model)
        return load_model(path), "keras", path.stem
    if isinstance(model, str):
        return build_application(model, input_shape)
    if not isinstance(model, import_keras().Model):
        raise AlignmentError(f"{type(model).__name__} is no Keras model, name or path of one")
    return model, "keras", str(model.name)


def _is_path(text: str) -> bool:
    return text.lower().endswith(SUFFIXES) or os.sep in text or Path(text).is_file()


def build_application(
    name: str, input_shape: tuple[int, ...] | None = None
) -> tuple[Any, str, str]:
    """An application with ImageNet's classes, without weights; its family and Keras's name.

    Raises:
        AlignmentError: Keras has none of that name, in small or capital letters, or not for
            images of that size.
    """
    builders = applications()
    by_name = {known.lower(): known for known in builders}
    known = by_name.get(name.lower())
    if known is None:
        near = did_you_mean(name.lower(), by_name)
        raise AlignmentError(f"Keras has no application {name!r}" + (f"; {near}" if near else ""))
    builder = builders[known]
    try:
        with _no_weights(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if known == "NASNetMobile" and import_keras().config.backend() == "torch":
                model = _nasnet_mobile(builder, input_shape or DEFAULT_SHAPE)
            else:
                model = builder(weights=None, input_shape=input_shape)
                if None in model.input_shape[1:]:
                    model = builder(weights=None, input_shape=DEFAULT_SHAPE)
    except Exception as error:
        raise AlignmentError(f"{known} cannot be built: {one_line(error)}") from error
    return model, builder.__module__.rpartition(".")[2], known


def _nasnet_mobile(builder: Any, input_shape: tuple[int, ...]) -> Any:
    """NASNetMobile by the function that it calls itself.

    It refuses the torch backend, for a fault that is not named; on JAX it has these layers.
    """
    nasnet = vars(sys.modules[builder.__module__])["NASNet"]
    return nasnet(
        input_shape,
        penultimate_filters=1056,
        num_blocks=4,
        stem_block_filters=32,
        skip_reduction=False,
        filter_multiplier=2,
        default_size=224,
        weights=None,
        name="nasnet_mobile",
    )


def load_model(path: Path) -> Any:
    """A saved model. Nothing in the file is run.

    Raises:
        AlignmentError: there is no such file, it holds no model, or one that only its own code
            can rebuild.
    """
    if not path.is_file():
        raise AlignmentError(f"{path}: there is no such file")
    if not path.name.lower().endswith(SUFFIXES):
        raise AlignmentError(f"{path}: Keras models end in {' or '.join(SUFFIXES)}")
    keras = import_keras()
    try:
        with _no_weights(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise AlignmentError(f"{path}: no model could be read: {_reason(error)}") from error
    if not isinstance(model, keras.Model):
        raise AlignmentError(f"{path}: holds a {type(model).__name__}, no model")
    return model


def _reason(error: Exception) -> str:
    text = str(error)
    if "ambda" in text:
        return (
            "it holds code of its own (Lambda), which is not run; load it yourself if you trust "
            "it, and give the model"
        )
    if "custom_object" in text or "Could not locate" in text:
        return "it holds classes of its own; load it yourself, and give the model"
    return one_line(error)


def functional(operation: Any) -> Any:
    """A model as Keras knows its connections: functional; None of what is no such model."""
    graph = getattr(operation, "_functional", operation)  # of a sequential one
    return graph if hasattr(graph, "operations") else None


def class_names(model: Any) -> list[str]:
    """The class names of a model's ``layers``, in their order; nested models in place."""
    names: list[str] = []
    for layer in model.layers:
        nested = functional(layer) is not None
        names += class_names(layer) if nested else [type(layer).__name__]
    return names


def _main() -> None:
    """Write the listings of the applications anew."""
    listings = {name: class_names(build_application(name)[0]) for name in APPLICATIONS}
    path = Path(__file__).with_name("data") / "keras_layers.json"
    path.write_text(listings_text(import_keras().__version__, listings), encoding="utf-8")


if __name__ == "__main__":
    _main()
