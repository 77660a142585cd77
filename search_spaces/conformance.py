"""What any model space must keep to be searched here, as checks that run in seconds.

For spaces of one's own: ``check_space(lambda: MySpace(...), (3, 32, 32))`` in a test, and before
every search of one.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from search_spaces.batch_norms import recalibrate
from search_spaces.costs import FormulaCosts, disagreement
from search_spaces.errors import SpaceError, one_line
from search_spaces.interface import (
    Architecture,
    ModelSpace,
    activate,
    canonical_form,
    checked_architecture,
    choices,
    covering_architectures,
    draw_architecture,
)
from search_spaces.supernet import as_supernet, load_supernet, save_supernets, subnet

#: Images of a check, and the most paths of one.
IMAGES = 4
PATHS = 4

#: One thing that a space must keep: raises SpaceError, or what the space itself raises.
Check = Callable[[Callable[[], ModelSpace], Tensor], None]


def has_choices(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """There is something to choose: labelled choices among values that can be listed."""
    values = choices(build())
    if all(len(options) < 2 for options in values.values()):
        raise SpaceError("it has no choice of two or more values")


def paths_run(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """Paths of the supernet give finite logits (N, classes), the same whenever asked."""
    supernet = as_supernet(build()).eval()
    for architecture in _paths(supernet):
        activate(supernet, architecture)
        with torch.no_grad():
            logits = supernet(images)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise SpaceError(f"its forward gives {found}, must give logits (N, classes)")
        if not bool(torch.isfinite(logits).all()):
            raise SpaceError("its forward gives logits that are not finite")
        with torch.no_grad():
            if not torch.equal(logits, supernet(images)):
                raise SpaceError("its forward is random in evaluation mode")


def frozen_equals_path(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A frozen subnet computes what the supernet computes on that path, bit for bit."""
    supernet = as_supernet(build()).eval()
    for architecture in _paths(supernet):
        activate(supernet, architecture)
        with torch.no_grad():
            if not torch.equal(subnet(supernet, architecture)(images), supernet(images)):
                raise SpaceError(f"a frozen subnet differs from the path ({architecture})")


def gradients_flow(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A training step on a path gives gradients, and all of them finite."""
    supernet = as_supernet(build()).train()
    activate(supernet, draw_architecture(supernet, 0))
    supernet(images).square().mean().backward()
    gradients = [weight.grad for weight in supernet.parameters() if weight.grad is not None]
    if not gradients:
        raise SpaceError("a step on a path gives no gradient")
    if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        raise SpaceError("a step on a path gives gradients that are not finite")


def can_be_measured(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A subnet can be recalibrated, and leaves the supernet's weights and statistics alone."""
    supernet = as_supernet(build()).eval()
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    recalibrate(subnet(supernet, draw_architecture(supernet, 0)), [images])
    after = supernet.state_dict()
    changed = [key for key, value in before.items() if not torch.equal(value, after[key])]
    if changed:
        raise SpaceError(f"recalibrating a subnet changes the supernet's {changed[0]}")


def can_be_saved(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A second space takes the weights of the first from a file and computes the same."""
    supernet = as_supernet(build()).eval()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "supernet.safetensors"
        save_supernets(path, {"it": supernet.state_dict()}, None)
        second = load_supernet(path, "it", build()).eval()
    architecture = draw_architecture(supernet, 0)
    activate(supernet, architecture)
    activate(second, architecture)
    with torch.no_grad():
        if not torch.equal(supernet(images), second(images)):
            raise SpaceError("a supernet with the weights of another computes something else")


def formula_is_right(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A method ``cost``, where there is one, gives what is counted in networks."""
    if not hasattr(build(), "cost"):
        return
    with torch.device("meta"):
        space = build().to("meta")
    told = disagreement(FormulaCosts(space, images.shape[1:]))
    if told is not None:
        raise SpaceError(f"its cost gives {told}")


def canonical_is_the_same_network(build: Callable[[], ModelSpace], images: Tensor) -> None:
    """A method ``canonical``, where there is one, gives an architecture that computes the same."""
    supernet = as_supernet(build()).eval()
    canonical = canonical_form(supernet)
    if canonical is dict:
        return
    for architecture in _paths(supernet):
        named = checked_architecture(choices(supernet), canonical(dict(architecture)))
        if canonical(dict(named)) != named:
            raise SpaceError(f"its canonical gives {named}, and of this something else again")
        logits = []
        for path in (architecture, named):
            activate(supernet, path)
            with torch.no_grad():
                logits.append(supernet(images))
        if not torch.equal(*logits):
            raise SpaceError(f"its canonical gives {named} for {architecture}, another network")


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        has_choices,
        paths_run,
        frozen_equals_path,
        gradients_flow,
        can_be_measured,
        can_be_saved,
        formula_is_right,
        canonical_is_the_same_network,
    )
}


def check_space(build: Callable[[], ModelSpace], image_shape: tuple[int, int, int]) -> None:
    """Check that a space keeps all of :data:`CHECKS`; PyTorch's random numbers stay as they were.

    Args:
        build: makes the space, each time anew.
        image_shape: (C, H, W) of the images that it takes.

    Raises:
        SpaceError: the space cannot be built, or the first check that it does not pass, and how.
    """
    images = torch.rand(IMAGES, *image_shape, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        try:
            space = build()
        except SpaceError:
            raise
        except Exception as error:
            raise SpaceError(f"the space cannot be built: {_told(error)}") from error
        if not isinstance(space, ModelSpace):
            raise SpaceError(f"a {type(space).__name__} is no space: must be NNI's ModelSpace")
        for name, check in CHECKS.items():
            try:
                check(build, images)
            except Exception as error:
                raise SpaceError(f"the space does not pass {name}: {_told(error)}") from error


def _paths(supernet: ModelSpace) -> list[Architecture]:
    return covering_architectures(choices(supernet), most=PATHS)


def _told(error: Exception) -> str:
    told, kind = one_line(error), type(error).__name__
    return told if isinstance(error, SpaceError) or told == kind else f"{kind}: {told}"
