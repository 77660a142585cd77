"""Keras models as Keras lists them, and as layers. Oracles: Keras, timm, PyTorch's counter."""

import json
import math
import re
import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from alignment import AlignmentError, Architecture, Layer
from alignment.keras_graphs import keras_architecture
from alignment.keras_listings import (
    APPLICATIONS,
    keras_listing,
    listed_classes,
    listings_text,
)
from alignment.keras_models import build_application, class_names, import_keras
from alignment.sequences import serialize_model

keras: Any = import_keras()
layers = keras.layers

SHORT = {"Conv2D": "C", "MaxPooling2D": "M", "Dense": "L"}


@pytest.fixture(autouse=True)
def _on_meta() -> Any:
    """No weights, as in the package."""
    with keras.device("meta"):
        yield


def counted_flops(model: Any) -> int:
    """Multiply-adds that PyTorch's own counter finds when the model runs."""
    images = [torch.empty(1, *given.shape[1:], device="meta") for given in model.inputs]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images if len(images) > 1 else images[0], training=False)
    return counter.get_total_flops() // 2


def trained(model: Any) -> int:
    return sum(math.prod(variable.shape) for variable in model.trainable_weights)


def flops(read: Architecture) -> int:
    return sum(layer.flops for layer in read.layers)


def params(read: Architecture) -> int:
    return sum(layer.params for layer in read.layers)


def kinds(model: Any) -> list[str]:
    return [layer.kind for layer in keras_architecture(model).layers]


# -- the listings that are kept


def test_vgg16_is_listed_as_published() -> None:
    tokens = [SHORT[name] for name in keras_listing("vgg16")]
    assert " ".join(tokens) == "C C M C C M C C C M C C C M C C C M L L L"


def test_efficientnets_b1_and_b2_are_one_sequence() -> None:
    """As in the published figure; there, those up to B7 are too."""
    assert keras_listing("efficientNetb1") == keras_listing("EFFICIENTNETB2")
    assert keras_listing("efficientnetb2") != keras_listing("efficientnetb3")


@pytest.mark.parametrize("name", ["vgg61", "", "vgg11"])
def test_names_without_a_listing_are_refused(name: str) -> None:
    with pytest.raises(AlignmentError, match=re.escape(f"application {name!r}")) as error:
        keras_listing(name)
    assert "\n" not in str(error.value)
    assert "did you mean vgg1" in str(error.value) or name != "vgg61"


def test_listings_need_no_keras_and_little_time() -> None:
    code = (
        "import sys; from alignment.keras_listings import APPLICATIONS, keras_listing; "
        "[keras_listing(name) for name in APPLICATIONS]; "
        "print(*sorted({'keras', 'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_more_classes_than_letters_of_their_own_are_written_all_the_same() -> None:
    names = [f"A{number}" for number in range(40)]
    data = json.loads(listings_text("0", {"Model": names}))
    assert [data["classes"][letter] for letter in data["listings"]["Model"]] == names


def check_application(name: str) -> None:
    model, _, known_as = build_application(name)
    read = keras_architecture(model, name)
    assert known_as == name
    assert read.listing == keras_listing(name)
    assert read.listing == listed_classes(class_names(model))
    assert params(read) == trained(model)
    statistics = [v for layer in model.layers for v in layer.non_trainable_weights]
    assert params(read) + sum(math.prod(v.shape) for v in statistics) == model.count_params()
    assert flops(read) == counted_flops(model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2", "EfficientNetB0"])
def test_applications_are_as_keras_and_pytorch_say(name: str) -> None:
    check_application(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_all_applications_are_as_keras_and_pytorch_say(name: str) -> None:
    check_application(name)


#: Parameters with and without statistics, from the summaries that Keras 2 printed.
PUBLISHED = {
    "VGG16": (138_357_544, 138_357_544),
    "Xception": (22_910_480, 22_855_952),
    "NASNetMobile": (5_326_716, 5_289_978),
    "DenseNet121": (8_062_504, 7_978_856),
    "MobileNet": (4_253_864, 4_231_976),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers_of_parameters(name: str) -> None:
    model, _, _ = build_application(name)
    assert (model.count_params(), params(keras_architecture(model))) == PUBLISHED[name]


SAME_DESIGNS = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "DenseNet121": "densenet121",
    "MobileNetV2": "mobilenetv2_100",
    "EfficientNetB0": "tf_efficientnet_b0",
    "Xception": "legacy_xception",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME_DESIGNS)
def test_the_same_design_in_timm_has_the_same_parameters_and_multiply_adds(name: str) -> None:
    read = keras_architecture(name)
    with torch.device("meta"):
        other = timm.create_model(SAME_DESIGNS[name]).eval()
        sizes = other.pretrained_cfg["input_size"]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            other(torch.empty(1, *sizes))
    assert params(read) == sum(parameter.numel() for parameter in other.parameters())
    assert flops(read) == counter.get_total_flops() // 2


def test_vgg16_is_layer_by_layer_what_timm_runs() -> None:
    """But for the softmax at the end, and the classifier, which is convolutions in timm."""
    with torch.device("meta"):
        other = serialize_model(timm.create_model("vgg16"), "vgg16")
    *read, softmax = keras_architecture("vgg16").layers
    assert softmax == Layer("softmax", (), (), 1, 1000, 1000, (1000,))
    assert read[:31] == list(other.layers[:31])
    both = zip(read[31:], (one for one in other.layers[31:] if "pool" not in one.kind), strict=True)
    assert all(
        (a.params, a.flops, a.channels_out) == (b.params, b.flops, b.channels_out) for a, b in both
    )


# -- models of one's own


def small() -> Any:
    x = given = keras.Input((12, 10, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(8, (5, 3), strides=2, padding="same", activation="swish")(x)
    y = layers.ZeroPadding2D(1)(x)
    y = layers.SeparableConv2D(16, 3, depth_multiplier=2, activation="relu")(y)
    x = layers.Conv2D(16, 1, groups=4, use_bias=False)(x)
    x = layers.Add()([x, y])
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6)(x)
    x = layers.Concatenate()([x, layers.Dropout(0.1)(y)])
    x = layers.MaxPooling2D((2, 3), strides=1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(5, activation="softmax")(x), name="small")


def test_each_layer_in_its_own_terms() -> None:
    read = keras_architecture(small())
    assert read.name == "small"
    assert read.layers == (
        Layer("conv2d", (5, 3), (2, 2), 1, 3, 8, (8, 6, 5), 368, 30 * 360),
        Layer("silu", (), (), 1, 8, 8, (8, 6, 5)),
        Layer("conv2d", (3, 3), (1, 1), 8, 8, 16, (16, 6, 5), 144, 30 * 144),
        Layer("conv2d", (1, 1), (1, 1), 1, 16, 16, (16, 6, 5), 272, 30 * 256),
        Layer("relu", (), (), 1, 16, 16, (16, 6, 5)),
        Layer("conv2d", (1, 1), (1, 1), 4, 8, 16, (16, 6, 5), 32, 30 * 32),
        Layer("add", (), (), 1, 16, 16, (16, 6, 5)),
        Layer("batch_norm", (), (), 1, 16, 16, (16, 6, 5), 32),
        Layer("relu6", (), (), 1, 16, 16, (16, 6, 5)),
        Layer("concat", (), (), 1, 16, 32, (32, 6, 5)),
        Layer("max_pool", (2, 3), (1, 1), 1, 32, 32, (32, 5, 3)),
        Layer("global_avg_pool", (), (), 1, 32, 32, (32,)),
        Layer("linear", (), (), 1, 32, 5, (5,), 165, 160),
        Layer("softmax", (), (), 1, 5, 5, (5,)),
    )
    # Input left out, and each as Keras calls it.
    assert read.listing == tuple(type(layer).__name__ for layer in small().layers[1:])
    assert len(read.listing) == 13
    assert params(read) == trained(small())
    assert flops(read) == counted_flops(small())


def test_frozen_layers_keep_their_parameters() -> None:
    model = small()
    before = keras_architecture(model)
    model.trainable = False
    assert trained(model) == 0
    assert keras_architecture(model) == before


def test_the_model_is_left_as_it_was() -> None:
    model = small()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    config = model.to_json()
    keras_architecture(model)
    assert nodes == [len(layer._inbound_nodes) for layer in model.layers]
    assert config == model.to_json()


def test_nested_models_are_expanded_and_shared_weights_counted_once() -> None:
    inner = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.ReLU()], name="inner"
    )
    shared = layers.Conv2D(4, 1)
    given = keras.Input((8, 8, 4))
    x = shared(inner(inner(shared(given))))
    model = keras.Model(given, x)
    read = keras_architecture(model, "nested")
    assert read.name == "nested"
    assert sorted(read.listing) == ["Conv2D", "Conv2D", "ReLU"]  # a shared layer is listed once
    ran = ["conv2d", *["conv2d", "relu"] * 2, "conv2d"]
    assert [layer.kind for layer in read.layers] == ran
    assert [layer.params for layer in read.layers] == [20, 148, 0, 0, 0, 0]
    assert params(read) == model.count_params()
    assert flops(read) == counted_flops(model)


def test_channels_first() -> None:
    def model(form: str) -> Any:
        first = form == "channels_first"
        x = given = keras.Input((3, 12, 10) if first else (12, 10, 3))
        x = layers.Conv2D(8, 3, data_format=form)(x)
        x = layers.SeparableConv2D(6, 3, data_format=form)(x)
        x = layers.Conv2DTranspose(4, 3, strides=2, data_format=form)(x)
        x = layers.AveragePooling2D(2, data_format=form)(x)
        return keras.Model(given, layers.GlobalAveragePooling2D(data_format=form)(x))

    first, last = (keras_architecture(model(f"channels_{form}")) for form in ("first", "last"))
    assert first.layers == last.layers
    assert first.layers[0].shape == (8, 10, 8)


@pytest.mark.parametrize(
    ("shape", "make"),
    [
        ((9, 8, 6), lambda x: layers.Conv2DTranspose(5, 3, strides=2)(x)),
        ((9, 8, 6), lambda x: layers.DepthwiseConv2D(3, depth_multiplier=3)(x)),
        ((9, 8, 6, 2), lambda x: layers.Conv3D(4, 3, activation="gelu")(x)),
        ((20, 6), lambda x: layers.Conv1D(4, 5, strides=2, groups=2)(x)),
        ((20, 6), lambda x: layers.SeparableConv1D(4, 5)(x)),
        ((20, 6), lambda x: layers.Dense(7)(x)),
        ((9, 8, 6), lambda x: layers.Dense(7)(x)),
        ((20, 6), lambda x: layers.EinsumDense("abc,cde->abde", (None, 3, 5), bias_axes="de")(x)),
        ((20, 6), lambda x: layers.MultiHeadAttention(3, 5)(x, x)),
        ((20, 6), lambda x: layers.MultiHeadAttention(2, 5, value_dim=4, output_shape=9)(x, x)),
        ((20, 6), lambda x: layers.MultiHeadAttention(2, 4)(layers.AveragePooling1D(2)(x), x)),
        ((20, 6), lambda x: layers.TimeDistributed(layers.Dense(3))(x)),
        ((20, 6), lambda x: layers.Dot((2, 2))([x, layers.ReLU()(x)])),
        ((20, 6), lambda x: keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1)))),
    ],
)
def test_multiply_adds_and_parameters_of_single_layers(shape: Any, make: Any) -> None:
    given = keras.Input(shape)
    model = keras.Model(given, make(given))
    read = keras_architecture(model)
    assert flops(read) == counted_flops(model) > 0
    assert params(read) == model.count_params()


def test_activations_are_named_as_the_tracer_names_them() -> None:
    x = given = keras.Input((4,))
    for function in (
        "relu",
        "relu6",
        "silu",
        "gelu",
        "hard_silu",
        "hard_sigmoid",
        "linear",
        "tanh",
    ):
        x = layers.Activation(function)(x)
    x = layers.LeakyReLU()(layers.ReLU(6)(layers.ReLU()(x)))
    x = layers.Dense(4, activation=layers.LeakyReLU())(layers.PReLU()(layers.ELU()(x)))
    assert kinds(keras.Model(given, x)) == [
        *("relu", "relu6", "silu", "gelu", "hardswish", "hardsigmoid", "tanh"),
        *("relu", "relu6", "leaky_relu", "elu", "prelu", "linear", "leaky_relu"),
    ]


def test_arithmetic_with_numbers_is_no_layer() -> None:
    given = keras.Input((4, 4, 3))
    x = keras.ops.relu(given * 2.0 + 1.0)
    x = keras.ops.reshape(x + given, (-1, 48))
    model = keras.Model(given, x)
    assert kinds(model) == ["relu", "add"]
    assert keras_architecture(model).listing == ()  # as Keras lists no operations


def test_classes_of_ones_own_are_layers_under_their_name() -> None:
    class SquareRoot(layers.Layer):  # type: ignore[misc, name-defined]
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(shape[-1],))
            self.frozen_scale = self.add_weight(shape=(2,), trainable=False)

        def call(self, x: Any) -> Any:
            return keras.ops.sqrt(x) * self.scale

    given = keras.Input((4, 4, 3))
    read = keras_architecture(keras.Model(given, SquareRoot()(given)))
    assert read.listing == ("SquareRoot",)
    assert read.layers == (Layer("square_root", (), (), 1, 3, 3, (3, 4, 4), 3),)


# -- sizes of images


def test_sizes_that_a_model_leaves_open_are_asked_for() -> None:
    given = keras.Input((None, None, 3))
    model = keras.Model(given, layers.Conv2D(2, 1)(given), name="open")
    with pytest.raises(AlignmentError, match=r"open leaves the sizes .*give input_shape"):
        keras_architecture(model)
    (layer,) = keras_architecture(model, input_shape=(5, 7, 3)).layers
    assert (layer.shape, layer.flops) == ((2, 5, 7), 35 * 6)
    with pytest.raises(AlignmentError, match=r"open takes \(None, None, 3\), not \(5, 7, 4\)"):
        keras_architecture(model, input_shape=(5, 7, 4))


@pytest.mark.slow
def test_applications_at_other_sizes() -> None:
    small_images = keras_architecture("vgg16", input_shape=(32, 32, 3))
    assert small_images.layers[0].shape == (64, 32, 32)
    assert small_images.listing == keras_listing("vgg16")
    assert keras_architecture("MobileNetV3Small").layers[0].shape == (16, 112, 112)
    with pytest.raises(AlignmentError, match=r"VGG16 cannot be built: .*at least 32"):
        keras_architecture("vgg16", input_shape=(8, 8, 3))
