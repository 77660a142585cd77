"""What any network must keep to be trained here, as checks that run in a second.

For a network of one's own: ``check_network("my_networks:SmallCNN")`` in a test.
"""

import torch

from nasneurn.errors import InputError
from nasneurn.networks.architectures import Architecture
from nasneurn.networks.build import create_network, describe
from nasneurn.networks.names import resolve_architectures


def check_network(name: str | Architecture, classes: int = 10, image_size: int = 32) -> None:
    """Check that a network can be built, gives logits, learns from them, and can be saved.

    Args:
        name: whatever ``--models`` takes for one network.
        classes: outputs of the classifier.
        image_size: side of the images.

    Raises:
        InputError: the first thing that it does not keep.
    """
    architecture = resolve_architectures([name])[0] if isinstance(name, str) else name
    name = architecture.name
    describe(architecture, classes, image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, _ = create_network(architecture, classes, image_size)
        second, _ = create_network(architecture, classes, image_size)
        images = torch.rand(4, 3, image_size, image_size)
        logits = network.train()(images)
    if not logits.requires_grad:
        raise InputError(f"{name}: a step gives no gradient; it has no weights to train")
    logits.square().mean().backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        raise InputError(f"{name}: a step gives gradients that are not finite")
    with torch.no_grad():
        answers = network.eval()(images)
        if not torch.isfinite(answers).all():
            raise InputError(f"{name}: its logits are not finite")
        if not torch.equal(answers, network(images)):
            raise InputError(f"{name}: it is random in evaluation mode")
        second.load_state_dict(network.state_dict())
        if not torch.equal(answers, second.eval()(images)):
            raise InputError(
                f"{name}: a second one with its state dict computes something else; "
                "what it learns must be in its parameters and buffers"
            )
