"""Leave-one-domain-out: its sources, its balanced batches, and a folder of three domains."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from grid_rows import grid_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from pets import COLOURS, make_pets, save

from nasneurn.api import bench_run
from nasneurn.domains import load_suite
from nasneurn.errors import InputError
from nasneurn.programs.opened import done
from nasneurn.report.comparison_figures import draw_effects
from nasneurn.studies.config import parse_domains
from nasneurn.studies.folder import Study
from nasneurn.studies.inputs import source_images
from nasneurn.studies.run import Execution
from nasneurn.training.images import DeviceImages, ShuffledBatches
from nasneurn.training.protocol import BUDGETS

CPU = torch.device("cpu")
HERE = Execution(device="cpu")
SMALL = {"epochs": 2, "batch_size": 8}


def bench(*models: str, **options: Any) -> Study:
    """Rows alone, without tables and figures."""
    return done(bench_run(*models, **options))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three domains with two classes of ten images."""
    root = make_pets(tmp_path_factory.mktemp("leave") / "zoo")
    for name, (red, green, blue) in COLOURS.items():
        for row in range(10):
            save(root / "carving" / name / f"{row}.png", (blue, red, green))
    return root


# ---------------------------------------------------------------- sources


def test_each_domain_is_left_out_once() -> None:
    suite = load_suite("builtin")
    found = parse_domains(["leave-one-out"], suite, "source")
    assert found == (
        "optdigits-m+print+street",
        "optdigits+print+street",
        "optdigits+optdigits-m+street",
        "optdigits+optdigits-m+print",
    )


def test_of_two_domains_each_is_a_source_by_itself(tmp_path: Path) -> None:
    suite = load_suite(make_pets(tmp_path / "pets"), size=16)
    assert parse_domains(["leave-one-out"], suite, "source") == ("sketch", "photo")


def test_of_one_domain_none_can_be_left_out() -> None:
    alone = replace(load_suite("builtin"), domains=("print",))
    with pytest.raises(InputError, match="leave-one-out needs 2 domains or more, and builtin has"):
        parse_domains(["leave-one-out"], alone, "source")


def test_domains_that_are_only_tested_are_no_sources() -> None:
    suite = replace(load_suite("builtin"), tested_only=frozenset({"print"}))
    found = parse_domains(["leave-one-out"], suite, "source")
    assert found == ("optdigits-m+street", "optdigits+street", "optdigits+optdigits-m")


def test_it_stands_alone_and_is_no_target() -> None:
    suite = load_suite("builtin")
    with pytest.raises(InputError, match="leave-one-out names all sources, and stands alone"):
        parse_domains(["leave-one-out,print"], suite, "source")
    with pytest.raises(InputError, match="target 'leave-one-out' is not a domain of builtin"):
        parse_domains(["leave-one-out"], suite, "target")


def test_the_protocol_holds_out_a_fifth_and_balances(tmp_path: Path) -> None:
    run = bench_run(protocol="leave-one-out", stems="none", out=tmp_path, read_images=False)
    assert len(run.config.sources) == 4
    assert run.config.seeds == (0, 1, 2)
    assert run.config.protocol == BUDGETS["quick"].changed(
        {"hold_out": 0.2, "balanced": True}, "protocol"
    )
    assert run.config.protocol.selection == "held_out"
    other = bench_run(
        protocol="leave-one-out",
        stems="none",
        changes={"hold_out": 0.3},
        out=tmp_path / "other",
        read_images=False,
    )
    assert (other.config.protocol.hold_out, other.config.protocol.balanced) == (0.3, True)


# ---------------------------------------------------------------- balanced batches


def numbered(sizes: tuple[int, ...]) -> DeviceImages:
    """Images whose labels are their rows."""
    count = sum(sizes)
    return DeviceImages(torch.zeros(count, 3, 2, 2, dtype=torch.uint8), torch.arange(count))


def loaded(sizes: tuple[int, ...], batch: int, count: int, parts: int = 1) -> ShuffledBatches:
    return ShuffledBatches(
        numbered(sizes), batch, count, seed=4, parts=parts, sizes=sizes, balanced=True
    )


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 25), min_size=2, max_size=4).map(tuple),
    batch=st.integers(4, 12),
    parts=st.sampled_from([1, 2]),
    data=st.data(),
)
def test_batches_have_equally_many_of_each_domain(
    sizes: tuple[int, ...], batch: int, parts: int, data: Any
) -> None:
    if batch > sum(sizes) or batch // parts < len(sizes):
        return
    count = 3 * (sum(sizes) // batch) * parts + 1
    batches = list(loaded(sizes, batch, count, parts))
    each = batch // parts // len(sizes)
    starts = np.cumsum([0, *sizes])
    seen = Counter[int]()
    for _, labels, domains in batches:
        assert Counter(domains.tolist()) == dict.fromkeys(range(len(sizes)), each)
        of = np.searchsorted(starts, labels.numpy(), side="right") - 1
        assert of.tolist() == domains.tolist()
        seen.update(labels.tolist())
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        times = [seen[row] for row in range(start, stop)]
        assert max(times) - min(times) <= 1  # round after round, across passes
    # Broken off anywhere, the rest is the same.
    taken = data.draw(st.integers(0, count))
    resumed = loaded(sizes, batch, count, parts)
    resumed.load_state_dict({"next": taken})
    rest = [labels.tolist() for _, labels, _ in resumed]
    assert rest == [labels.tolist() for _, labels, _ in batches[taken:]]


def test_orders_are_of_the_seed_and_of_the_round() -> None:
    """Written down: another order would be another training."""
    first = [labels.tolist() for _, labels, _ in loaded((4, 8), 6, 4)]
    wanted = []
    for row in range(4):  # two batches a pass, three images of each domain
        chosen: list[int] = []
        for domain, (start, size) in enumerate([(0, 4), (4, 8)]):
            for place in range(3 * row, 3 * row + 3):
                number, offset = divmod(place, size)
                order = np.random.default_rng([4, number, domain]).permutation(size)
                chosen.append(start + int(order[offset]))
        wanted.append(chosen)
    assert first == wanted


def test_a_batch_too_small_for_all_domains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch size 2 is too small for images of each of 3 dom"):
        loaded((5, 5, 5), 2, 1)
    run = bench_run(
        protocol="leave-one-out", stems="none", changes={"batch_size": 2}, out=tmp_path / "out"
    )
    with pytest.raises(InputError, match="batch_size 2 is too small for equally many images of e"):
        run.run()
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- a folder, from end to end


@pytest.fixture(scope="module")
def finished(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return bench(
        "digits_convnet",
        protocol="leave-one-out",
        stems="none",
        algorithms="erm,dann,coral",
        suite=zoo,
        image_size=16,
        seeds=1,
        changes=SMALL,
        out=tmp_path_factory.mktemp("leave-out") / "out",
        execution=HERE,
    )


def test_each_left_out_domain_is_a_target_of_all_its_images(finished: Study) -> None:
    assert finished.failures.empty
    rows = finished.accuracy
    assert len(rows) == 3 * 3 * 3
    assert set(rows["algorithm"]) == {"erm", "dann", "coral"}
    left = {"photo+sketch": "carving", "carving+sketch": "photo", "carving+photo": "sketch"}
    assert set(rows["source"]) == set(left)
    for row in rows.to_dict(orient="records"):
        unseen = row["target"] == left[row["source"]]
        assert row["n"] == (20 if unseen else 4)  # its own domains on their test part
        assert row["selection"] == "held_out"
        assert row["protocol"].startswith("quick:hold_out=0.2,")
        assert "balanced=True" in row["protocol"]
        assert row["batch"] == "8"


def test_a_fifth_of_each_source_is_held_out_and_pooled(zoo: Path) -> None:
    protocol = BUDGETS["quick"].changed({"hold_out": 0.2, "balanced": True}, "protocol")
    suite = load_suite(zoo, size=16)
    images = source_images(suite, ("photo", "sketch"), protocol, CPU)
    # Eight of ten images of a class are training images, and the nearest to a fifth is two.
    assert images.sizes == (12, 12)
    assert len(images.held_out) == 8
    assert torch.bincount(images.held_out.labels).tolist() == [4, 4]


def test_an_algorithm_that_needs_several_sources_is_refused_of_two_domains(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'coral' needs 2 sources or more and has sketch alone"):
        bench(
            "digits_convnet",
            protocol="leave-one-out",
            algorithms="coral",
            suite=make_pets(tmp_path / "pets"),
            image_size=16,
            changes=SMALL,
            out=tmp_path / "out",
            execution=HERE,
        )
    assert not (tmp_path / "out").exists()


def test_figures_call_all_other_domains_others() -> None:
    domains = ("mnist", "mnistm", "svhn", "usps")
    joint = tuple("+".join(one for one in domains if one != left) for left in domains)
    rows = grid_rows(architectures=("a",), sources=joint)
    axis, *_ = draw_effects(rows).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [f"others → {left}" for left in domains]
    some = grid_rows(architectures=("a",), sources=("mnist+svhn",))
    axis, *_ = draw_effects(some).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["mnist+svhn → mnistm", "mnist+svhn → usps"]


# ---------------------------------------------------------------- classes that a source lacks


def without_dogs(root: Path, file: Path, *domains: str) -> Path:
    """A split file in which some domains have no dog to train on."""
    lines = ["path,split"]
    for path in sorted(root.rglob("*.*")):
        name = path.relative_to(root).as_posix()
        lacks = name.split("/")[0] in domains and "/dog/" in name
        split = "test" if path.stem in "0123" or lacks else "val" if path.stem in "45" else "train"
        lines.append(f"{name},{split}")
    file.write_text("\n".join(lines) + "\n")
    return file


def lacking(zoo: Path, out: Path, sources: str, *domains: str) -> Study:
    return bench(
        "digits_convnet",
        stems="none",
        suite=zoo,
        image_size=16,
        splits=without_dogs(zoo, out.with_suffix(".csv"), *domains),
        sources=sources,
        seeds=1,
        changes={**SMALL, "balanced": True},
        out=out,
        execution=HERE,
    )


def test_a_class_that_one_of_several_sources_lacks_is_learned_of_the_others(
    zoo: Path, tmp_path: Path
) -> None:
    study = lacking(zoo, tmp_path / "out", "leave-one-out", "photo")
    assert study.failures.empty
    assert len(study.accuracy) == 9


@pytest.mark.parametrize(
    ("sources", "domains"), [("photo", ["photo"]), ("photo+sketch", ["photo", "sketch"])]
)
def test_a_class_that_all_sources_lack_is_refused(
    zoo: Path, tmp_path: Path, sources: str, domains: list[str]
) -> None:
    told = rf"class 'dog' has no image to train on in {sources.replace('+', '[+]')}; it needs some"
    with pytest.raises(InputError, match=told):
        lacking(zoo, tmp_path / "out", sources, *domains)
    assert not (tmp_path / "out").exists()


def test_a_class_with_one_image_to_train_on_is_named_with_its_domain(tmp_path: Path) -> None:
    root = make_pets(tmp_path / "pets")
    for row in range(2, 10):
        next((root / "sketch" / "dog").glob(f"{row}.*")).unlink()
    with pytest.raises(InputError, match=r"^sketch: cannot hold out images of class dog: it has"):
        bench(
            "digits_convnet",
            protocol="leave-one-out",
            suite=root,
            image_size=16,
            changes=SMALL,
            out=tmp_path / "out",
            execution=HERE,
        )
