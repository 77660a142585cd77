"""The network that weights are compared with is the one that is trained."""

import pytest
from tiny_bench import tiny_config
from torch import nn

from nasneurn.networks.build import create_network
from nasneurn.studies import starting_weights
from nasneurn.studies.starting_weights import body_of, check_start
from nasneurn.studies.store import Outcomes
from nasneurn.studies.training_unit import Training
from nasneurn.training.fine_tuning import Body


def strides(network: nn.Module) -> list[object]:
    return [one.stride for one in network.modules() if isinstance(one, nn.Conv2d)]


@pytest.mark.slow
def test_weights_are_compared_with_the_adapted_network(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Body] = []
    monkeypatch.setattr(starting_weights, "check_fine_tuning", lambda body, *_: seen.append(body))
    trained = []
    for adaptation in ("as-published", "fit"):
        config = tiny_config(adaptation=adaptation, changes={"head_rate": 10.0})
        unit = config.units(Outcomes())[0]
        assert isinstance(unit, Training)
        check_start(unit, 10)
        network, _ = create_network(unit.architecture, 10, unit.image_size, unit.adaptation)
        trained.append(strides(network))
        assert body_of(unit, network, 10).heads == seen[-1].heads
    assert trained[0] != trained[1]
    assert [strides(body.network) for body in seen] == trained
