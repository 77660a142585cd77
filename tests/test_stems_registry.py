"""Stems by name, of one's own, and the conformance suite that each must pass."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nasneurn.choices import Choice
from nasneurn.errors import InputError
from nasneurn.stems import (
    STEMS,
    NeuRN,
    check_stem,
    create_stem,
    from_function,
    list_stems,
    register_stem,
    sobel,
)

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def registry(monkeypatch):
    """Stems registered in a test are gone after it."""
    monkeypatch.setattr(STEMS, "_makers", dict(STEMS._makers))


def darker(images, by=0.5):
    return torch.as_tensor(images) * (1 - by)


def make_negative(scale: float = 1.0) -> nn.Module:
    return nn.LeakyReLU(scale)


darker_stem = from_function(darker)


# ---------------------------------------------------------------- by name


@pytest.mark.parametrize("name", list_stems())
def test_defaults_are_one_choice_and_plain_data(name):
    choice = STEMS.choose(name)
    filled = STEMS.filled(choice)
    again = json.loads(json.dumps(filled))
    assert STEMS.choose(Choice(**again)) == choice
    assert STEMS.choose(str(choice)) == choice
    assert isinstance(STEMS.create(choice), nn.Module)


def test_a_default_that_is_written_out_is_left_out():
    assert STEMS.choose("neurn:k=3") == STEMS.choose("neurn")
    assert STEMS.choose("neurn:eps=1e-3,k=5") == STEMS.choose("neurn:k=5")


def test_options_in_the_name_and_as_arguments():
    by_argument = create_stem("neurn", k=5, border="zero")
    for other in (create_stem("neurn:k=5,border=zero"), create_stem("neurn:k=5", border="zero")):
        assert repr(other) == repr(by_argument)
    with pytest.raises(InputError, match="gives 'k', which is given again"):
        create_stem("neurn:k=5", k=7)


@pytest.mark.parametrize(
    "text",
    [
        "neurn:k=4",
        "neurn:k=5.0",
        "neurn:eps=small",
        "neurn:eps=true",
        "neurn:scope=all",
        "instance_norm:eps=-1",
        "instance_norm:eps=[1]",
        "local_contrast_norm:size=2",
        "local_response_norm:size=0",
        "local_response_norm:beta=x",
        "local_response_norm:k=0",
        "randconv",
        "randconv:mix=true",
        "sobel:k=3",
        "neurn:",
        "nothing.there:Stem",
        "torch.nn:Nothing",
        "math:pi",
    ],
)
def test_what_cannot_be_made_is_one_line(text):
    with pytest.raises(InputError) as caught:
        create_stem(text)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- of one's own


@pytest.mark.usefixtures("registry")
def test_registered_stems():
    register_stem("hardtanh", nn.Hardtanh)
    register_stem("negative", make_negative)
    register_stem("darker", darker_stem)
    assert list_stems()[-3:] == ["hardtanh", "negative", "darker"]
    assert create_stem("hardtanh:min_val=0.0").min_val == 0.0
    assert create_stem("negative", scale=0.5).negative_slope == 0.5
    assert create_stem("darker:by=0.25")(torch.ones(1, 1, 1, 1)).item() == 0.75
    with pytest.raises(InputError, match="option of the stem darker is 'bye'"):
        create_stem("darker:bye=1")
    with pytest.raises(InputError, match="there is a stem 'neurn' already"):
        register_stem("neurn", make_negative)
    register_stem("neurn", NeuRN)  # the same again, as when a module is run twice


def test_registered_stems_are_gone_after_a_test():
    assert "hardtanh" not in list_stems()


def test_by_import_path():
    assert create_stem(f"{__name__}:make_negative:scale=0.5").negative_slope == 0.5
    assert create_stem(f"{__name__}:darker_stem", by=0.0)(torch.ones(1, 1, 1, 1)).item() == 1
    check_stem(f"{__name__}:darker_stem:by=0.25")


def test_a_function_that_gives_no_module_is_told():
    with pytest.raises(InputError, match="makes a Tensor; an nn\\.Module is needed"):
        create_stem(f"{__name__}:darker:images=3")
    with pytest.raises(InputError, match=r"needs the option 'images'; .* make the stem"):
        create_stem(f"{__name__}:darker")


def test_functions_without_a_signature_or_images():
    with pytest.raises(InputError, match="cannot be read"):
        from_function(torch.relu)
    with pytest.raises(InputError, match="takes no images"):
        from_function(lambda: 1)


@pytest.mark.slow
def test_the_example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    check_stem("own_stem:EdgeDetect")
    stem = create_stem("own_stem:EdgeDetect:weight=2.0")
    ramp = torch.arange(4.0).expand(1, 1, 3, 4)
    assert stem(ramp)[0, 0].tolist() == [[2, 2, 2, 0]] * 3
    done = subprocess.run(
        [sys.executable, "own_stem.py"], cwd=EXAMPLES, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("tensor(")


# ---------------------------------------------------------------- conformance


@pytest.mark.parametrize("training_shape", [(3, 32, 32), (1, 16, 12)])
@pytest.mark.parametrize("name", [*list_stems(), "neurn:k=5,border=zero", "neurn:scope=batch"])
def test_every_built_in_stem_conforms(name, training_shape):
    check_stem(name, training_shape)


@pytest.mark.parametrize("mode", ["contrast", "reciprocal", "local"])
@pytest.mark.parametrize("scope", ["image", "channel", "batch"])
def test_every_neurn_conforms(scope, mode):
    check_stem(lambda: NeuRN(scope=scope, mode=mode))


def test_the_check_takes_little_time_and_no_random_numbers():
    check_stem("neurn")  # numba may have to load
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    start = time.process_time()
    for name in list_stems():
        check_stem(name)
    assert time.process_time() - start < 0.5 * len(list_stems())
    assert torch.equal(torch.rand(3), expected)


def buffered(persistent):
    stem = nn.Identity()
    stem.register_buffer("kernel", torch.ones(3), persistent=persistent)
    return stem


class Wrong(nn.Module):
    """A stem that computes what it is told to, by a function of itself and images."""

    def __init__(self, compute):
        super().__init__()
        self.compute = compute

    def forward(self, x):
        return self.compute(self, x)


def reading(stem, x):
    return x * float(x.detach().max() >= 0)  # a tensor on the meta device has no value to read


def wrong(compute):
    return lambda: Wrong(compute)


class Counting(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.calls


class Unpicklable(nn.Module):
    def __init__(self):
        super().__init__()
        self.function = lambda x: x

    def forward(self, x):
        return self.function(x)


class Forgetful(nn.Module):
    """Loses its state in a copy."""

    factor = 2

    def __getstate__(self):
        return {**self.__dict__, "factor": 3}

    def forward(self, x):
        return x * self.factor


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: sobel, "is a function; an nn.Module is needed"),
        (lambda: nn.Conv2d(3, 3, 1), r"Conv2d: has parameters \(weight, bias\)"),
        (lambda: buffered(True), r"has buffers in its state \(kernel\).*persistent=False"),
        (lambda: nn.Flatten(), r"gives \(3, 3072\) in torch.float32 for ordinary images"),
        (wrong(lambda self, x: x.double()), "in torch.float64 for ordinary images in training"),
        (wrong(lambda self, x: (x, x)), "gives a tuple for ordinary images"),
        (wrong(lambda self, x: x.view(7)), "fails for ordinary images in training with Runtime"),
        (
            wrong(lambda self, x: x if self.training else x[:, :1]),
            "for ordinary images in evaluation",
        ),
        (wrong(lambda self, x: x[:3] + 1 / (len(x) - 1)), "fails for single|not finite for single"),
        (wrong(lambda self, x: x / x.std((1, 2, 3), keepdim=True)), "not finite for blank images"),
        (wrong(lambda self, x: x / x.amax()), "values that are not finite for black images"),
        (wrong(lambda self, x: 1 / x.square().sum().add(x.mean()).mul(1e-9).add(x)), "not finite"),
        (wrong(lambda self, x: (x - x.mean()).square().sqrt()), "gradients that are not finite"),
        (wrong(lambda self, x: x.detach().mul_(2)), "writes to the ordinary images in training"),
        (Counting, "something else when it is called again in evaluation"),
        (wrong(lambda self, x: F.dropout(x)), "something else when it is called again"),
        (wrong(lambda self, x: x - x.mean()), "in another batch in evaluation.*mixes_images"),
        (wrong(lambda self, x: x.flip(0)), "in another batch in evaluation"),
        (Unpicklable, "cannot be pickled: "),
        (Forgetful, "gives something else once copied"),
        (wrong(reading), "fails on the meta device with"),
        (lambda: create_stem("neurn:k=71"), "k=71 with border='reflect' needs at least 36 x 36"),
        (lambda: 1 / 0, "fails with ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_stem_does_not_keep_is_named(build, words):
    with pytest.raises(InputError, match=words) as caught:
        check_stem(build)
    assert "\n" not in str(caught.value)


def test_what_is_allowed():
    check_stem(lambda: buffered(False))
    check_stem(lambda: nn.Sequential(NeuRN(), nn.Identity()))


def test_a_stem_that_mixes_images_says_so():
    assert NeuRN(scope="batch").mixes_images
    assert not NeuRN().mixes_images

    class Unsaid(NeuRN):
        mixes_images = False

    with pytest.raises(InputError, match="mixes_images"):
        check_stem(lambda: Unsaid(scope="batch"))
