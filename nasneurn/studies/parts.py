"""Which part of a domain a study uses for what: to learn from, to select on, to test on."""

from collections.abc import Collection, Sequence

from nasneurn.domains import Part, Suite
from nasneurn.errors import InputError
from nasneurn.rows import JOINT, sources
from nasneurn.training.protocol import Protocol

#: In place of sources: for each domain one training on all the others.
LEAVE_ONE_OUT = "leave-one-out"


def tested_part(suite: Suite, target: str, learned: Collection[str], protocol: Protocol) -> Part:
    """The part of a target that a training is tested on.

    An oracle selects on the target's training images. So these are no test images then, as they
    otherwise are of a folder's domain that is no source.
    """
    return "test" if protocol.selection == "oracle" else suite.tested(target, learned)


def parts_used(
    suite: Suite, chosen: Sequence[str], targets: Sequence[str], protocol: Protocol
) -> dict[str, tuple[str, Part]]:
    """The parts that trainings depend on, as domain and part by ``part:domain``.

    Raises:
        InputError: an oracle is to select by a target that has test images alone.
    """
    for target in selecting_targets(targets, protocol):
        if target in suite.tested_only:
            raise InputError(
                f"selection=oracle needs training images of {target}, which has test images "
                "alone; leave it out of the targets, or select on held_out images"
            )
    used: dict[str, tuple[str, Part]] = {}
    for source in chosen:
        learned = sources(source)
        for domain in (*learned, *selecting_targets(targets, protocol)):
            used[f"train:{domain}"] = (domain, "train")
        for target in targets:
            part = tested_part(suite, target, learned, protocol)
            used[f"{part}:{target}"] = (target, part)
    return used


def selecting_targets(targets: Sequence[str], protocol: Protocol) -> Sequence[str]:
    """The targets whose training images select the weights: none but with an oracle."""
    return targets if protocol.selection == "oracle" else ()


def left_out(suite: Suite) -> tuple[str, ...]:
    """For each domain all the others as one source, in the order of the domains left out.

    Raises:
        InputError: there is a single domain.
    """
    domains = suite.trainable
    if len(domains) < 2:
        raise InputError(
            f"{LEAVE_ONE_OUT} needs 2 domains or more, and {suite.name} has {domains[0]} "
            "alone; name it as the source"
        )
    return tuple(JOINT.join(domain for domain in domains if domain != left) for left in domains)


def check_oracle_target(suite: Suite, target: str) -> None:
    """See that a target has training images that are none of its test images.

    Raises:
        InputError: a split file tests on what it validates on, as the lists of PACS do.
    """
    if not suite.reader.has_all:  # with published test sets
        return
    train, test = len(suite.labels(target, "train")), len(suite.labels(target, "test"))
    if train + test > len(suite.labels(target, "all")):
        raise InputError(
            f"selection=oracle needs images of {target} that are no test images of it, and the "
            "split file has none; name some as test there, or select on held_out images"
        )
