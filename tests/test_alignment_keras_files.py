"""What is no Keras model, files of models, and how Keras is imported."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from alignment import AlignmentError, TraceError
from alignment.keras_graphs import keras_architecture
from alignment.keras_models import import_keras

keras: Any = import_keras()
layers = keras.layers


@pytest.fixture(autouse=True)
def _on_meta() -> Any:
    """No weights, as in the package."""
    with keras.device("meta"):
        yield


def small() -> Any:
    x = given = keras.Input((12, 10, 3))
    x = layers.SeparableConv2D(8, 3, activation="swish")(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(x))
    x = layers.Flatten()(layers.Add()([x, layers.Dropout(0.1)(x)]))
    return keras.Model(given, layers.Dense(5, activation="softmax")(x), name="small")


# -- what is no model


def test_unknown_applications_get_the_nearest() -> None:
    with pytest.raises(AlignmentError, match="no application 'vgg17'; did you mean vgg1"):
        keras_architecture("vgg17")


def test_models_whose_connections_are_code_are_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    for model in (Own(name="own"), keras.Sequential([layers.Dense(2)], name="own")):
        with pytest.raises(AlignmentError, match="own is no functional or sequential model"):
            keras_architecture(model)
    for nothing in (torch.nn.ReLU(), 3, None):
        with pytest.raises(AlignmentError, match="is no Keras model, name or path"):
            keras_architecture(nothing)  # type: ignore[arg-type]


def test_a_layer_that_fails_is_told() -> None:
    class Fails(layers.Layer):  # type: ignore[misc, name-defined]
        broken = False

        def compute_output_shape(self, shape: Any) -> Any:
            if self.broken:
                raise ZeroDivisionError("no\nshape")
            return shape

        def call(self, x: Any) -> Any:
            return x

    given = keras.Input((4,))
    model = keras.Model(given, Fails()(given), name="failing")
    Fails.broken = True
    with pytest.raises(TraceError, match="failing cannot be read layer by layer: no shape"):
        keras_architecture(model)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_saved_models(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    with keras.device("cpu"):
        model = small()
        model.save(path)
    read = keras_architecture(path)
    assert read.name == "mine"
    assert (read.listing, read.layers) == (
        keras_architecture(model).listing,
        keras_architecture(model).layers,
    )
    assert keras_architecture(str(path)) == read


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_code_in_a_file_is_not_run(tmp_path: Path, suffix: str) -> None:
    path, trace = tmp_path / f"mine{suffix}", tmp_path / "trace"
    with keras.device("cpu"):
        given = keras.Input((4,))
        spy = eval(f"lambda x: (open({str(trace)!r}, 'w'), x)[1]")
        keras.Model(given, layers.Lambda(spy)(given)).save(path)
    trace.unlink(missing_ok=True)
    with pytest.raises(AlignmentError, match=r"code of its own \(Lambda\), which is not run"):
        keras_architecture(path)
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore")
def test_files_that_hold_no_model(tmp_path: Path) -> None:
    for name in ("mine.keras", "mine.h5"):
        with pytest.raises(AlignmentError, match="there is no such file"):
            keras_architecture(tmp_path / name)
    for name in ("text.keras", "text.h5"):
        (tmp_path / name).write_text("no model")
        with pytest.raises(AlignmentError, match=f"{name}: no model could be read: ") as error:
            keras_architecture(str(tmp_path / name))
        assert "\n" not in str(error.value)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as file:
        file.writestr("nothing", "")
    with pytest.raises(AlignmentError, match=r"empty\.keras: no model could be read"):
        keras_architecture(tmp_path / "empty.keras")
    (tmp_path / "model.pt").touch()
    with pytest.raises(AlignmentError, match=r"model\.pt: Keras models end in \.keras or"):
        keras_architecture(str(tmp_path / "model.pt"))
    with keras.device("cpu"):
        small().save_weights(tmp_path / "mine.weights.h5")
    with pytest.raises(AlignmentError, match="no model could be read"):
        keras_architecture(tmp_path / "mine.weights.h5")


@pytest.mark.filterwarnings("ignore")
def test_files_with_classes_that_are_not_known(tmp_path: Path) -> None:
    class Unknown(layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    for name in ("mine.keras", "mine.h5"):
        with keras.device("cpu"):
            given = keras.Input((4,))
            keras.Model(given, Unknown()(given)).save(tmp_path / name)
        with pytest.raises(AlignmentError, match="classes of its own; load it yourself"):
            keras_architecture(tmp_path / name)


# -- the import


def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment
    )


@pytest.mark.slow
def test_importing_leaves_the_home_folder_and_the_environment_alone(tmp_path: Path) -> None:
    code = (
        "import os; "
        "from alignment.keras_models import build_application; build_application('vgg16'); "
        "import keras; print(keras.config.backend(), [n for n in os.environ if n[:5] == 'KERAS'])"
    )
    done = run(code, HOME=str(tmp_path))
    assert (done.stdout.split(), done.stderr) == (["torch", "[]"], "")
    assert not (tmp_path / ".keras").exists()


@pytest.mark.slow
def test_a_settings_file_of_the_user_is_read(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    settings = '{"backend": "tensorflow", "image_data_format": "channels_first"}'
    (tmp_path / ".keras" / "keras.json").write_text(settings)
    code = (
        "from alignment.keras_graphs import keras_architecture as read; "
        "shape = read('vgg16').layers[0].shape; import keras; "
        "print(keras.config.image_data_format(), shape)"
    )
    done = run(code, HOME=str(tmp_path))
    assert done.stdout.strip() == "channels_first (64, 224, 224)", done.stderr
    assert (tmp_path / ".keras" / "keras.json").read_text() == settings


def test_without_keras_its_installation_is_told() -> None:
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "del sys.modules['keras']\n"
        "import importlib.abc\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'keras': raise ModuleNotFoundError('no', name='keras')\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from alignment.keras_graphs import keras_architecture\n"
        "keras_architecture('vgg16')"
    )
    assert "pip install 'nasneurn[keras]'" in run(code).stderr.splitlines()[-1]


def test_a_backend_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    code = "from alignment.keras_graphs import keras_architecture as read; read('vgg16')"
    last = run(code, KERAS_BACKEND="openvino", HOME=str(tmp_path)).stderr.splitlines()[-1]
    assert "Keras cannot be imported with KERAS_BACKEND=openvino" in last
