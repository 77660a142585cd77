"""Early stopping on held-out images: which weights are kept, and what a resumed run does."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from breaking_off import Stop, StopAt
from torch import nn

from nasneurn.algorithms import ERM
from nasneurn.domains import Split
from nasneurn.progress import meter
from nasneurn.training.early_stopping import HeldOutSelection
from nasneurn.training.fit import fit
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import Optimization

CPU = torch.device("cpu")


def blobs(n: int, seed: int) -> DeviceImages:
    """Two classes, dark and light images with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    images = rng.normal(100 + 40 * labels[:, None, None, None], 60, (n, 8, 8, 3)).clip(0, 255)
    return DeviceImages.of(Split(images.astype(np.uint8), labels.astype(np.int64)), CPU)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 2))


def train(net: nn.Module, *, epochs: int, patience: int, callbacks=(), resume_from=None, parts=1):
    data, held_out = blobs(160, 1), blobs(100, 2)
    every = 160 // 32 * parts
    loader = ShuffledBatches(data, 32, every * epochs, seed=3, parts=parts)
    selection = HeldOutSelection(held_out, every, patience)
    with meter("training", len(loader), shown=False) as progress:
        fit(
            net,
            loader,
            Optimization(1e-2),
            ERM(),
            5,
            CPU,
            progress,
            callbacks=[selection, *callbacks],
            resume_from=resume_from,
            accumulate_grad_batches=parts,
        )
    return selection


def test_the_best_epochs_weights_are_kept():
    from nasneurn.training.evaluation import accuracy

    net = network()
    selection = train(net, epochs=12, patience=12)
    assert len(selection.history) == 12
    scores = [record["held_out_accuracy"] for record in selection.history]
    assert selection.best["held_out_accuracy"] == max(scores)
    assert selection.best["epoch"] == scores.index(max(scores)) + 1
    assert accuracy(net.eval(), blobs(100, 2)) == max(scores)


def test_training_stops_when_patience_is_out():
    selection = train(network(), epochs=100, patience=3)
    assert selection.history[-1]["epoch"] == selection.best["epoch"] + 3
    assert len(selection.history) < 100


@pytest.mark.parametrize("at", [0, 4, 7, 14])  # in a pass, at its last batch, in later ones
def test_a_run_broken_off_anywhere_continues_to_the_same_end(tmp_path: Path, at: int):
    whole_net = network()
    whole = train(whole_net, epochs=6, patience=2)
    path = tmp_path / "state.ckpt"
    with pytest.raises(Stop):
        train(network(), epochs=6, patience=2, callbacks=[StopAt(path, at)])
    net = network()
    continued = train(net, epochs=6, patience=2, resume_from=path)

    def results(selection):
        return [(r["epoch"], r["loss"], r["held_out_accuracy"]) for r in selection.history]

    assert results(continued) == results(whole)
    for name, tensor in whole_net.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name])


def test_parts_of_batches_make_the_same_order():
    data = blobs(70, 1)
    whole = list(ShuffledBatches(data, 32, 4, seed=3))
    halves = list(ShuffledBatches(data, 32, 8, seed=3, parts=2))
    for number, (images, labels) in enumerate(whole):
        first, second = halves[2 * number], halves[2 * number + 1]
        assert torch.equal(images, torch.cat([first[0], second[0]]))
        assert torch.equal(labels, torch.cat([first[1], second[1]]))


def test_halved_batches_have_the_losses_of_whole_ones():
    whole, halved = (train(network(), epochs=3, patience=3, parts=parts) for parts in (1, 2))
    for one, other in zip(whole.history, halved.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "plainly", "rate"),
    [
        ("adamw", partial(torch.optim.AdamW, weight_decay=0.01), 1e-2),
        ("sgd", partial(torch.optim.SGD, momentum=0.9, weight_decay=0.01), 3e-2),
    ],
)
def test_the_last_weights_are_those_of_a_plain_loop(name, plainly, rate):
    """Steps end where they are told, in the middle of a pass, and nothing ends them before."""
    steps = 23  # of 5 batches a pass
    data = blobs(160, 1)
    plain = network()
    optimizer = plainly(plain.parameters(), lr=rate)
    for images, labels in ShuffledBatches(data, 32, steps, seed=3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(plain(images), labels).backward()
        optimizer.step()

    kept = network()
    selection = HeldOutSelection(blobs(100, 2), 5, patience=1, last=True)
    with meter("training", steps, shown=False) as progress:
        loader = ShuffledBatches(data, 32, steps, seed=3)
        optimization = Optimization(rate, weight_decay=0.01, optimizer=name)
        fit(kept, loader, optimization, ERM(), 5, CPU, progress, callbacks=[selection])
    for key, weight in plain.state_dict().items():
        torch.testing.assert_close(kept.state_dict()[key], weight, rtol=1e-4, atol=1e-6)
    assert [record["epoch"] for record in selection.history] == [1, 2, 3, 4, 5]
    assert selection.best == selection.history[-1]
