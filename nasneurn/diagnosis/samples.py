"""The images that are looked at: some of each domain's test images, the same for every stem."""

import numpy as np
import numpy.typing as npt

from nasneurn.domains import Part, Split, Suite, joined
from nasneurn.rows import sources
from nasneurn.studies.parts import tested_part
from nasneurn.training.protocol import Protocol

#: Of the draw of the images.
SEED = 0


class Samples:
    """Draws images of a suite, by a fixed seed, and keeps what it has read.

    No image is in the sample of a source and in that of its target, also where these are one
    domain: of a source at most half of the test images are used. So the distance of a domain from
    itself says what is left of a distance where there is no shift.

    Args:
        suite: the suite of the study.
        protocol: that of the study; it says which part of a domain is tested on.
        images: at most so many of each domain.
    """

    def __init__(self, suite: Suite, protocol: Protocol, images: int) -> None:
        self.suite = suite
        self._protocol = protocol
        self._most = images
        self._kept: dict[tuple[str, str], Split] = {}

    def source(self, source: str) -> Split:
        """Test images of what a training has learned from."""
        if (source, "") not in self._kept:
            parts = [self.suite.images(domain, "test") for domain in sources(source)]
            whole = parts[0] if len(parts) == 1 else joined(parts)
            self._kept[source, ""] = whole.take(self._drawn_of(source))
        return self._kept[source, ""]

    def target(self, source: str, target: str) -> Split:
        """Images that a training on ``source`` is tested on in ``target``."""
        domains = sources(source)
        # But for the domains that were learned, the sample is the same for every source.
        key = (source if target in domains else self.part(source, target), target)
        if key not in self._kept:
            split = self.tested(source, target)
            left = np.arange(len(split))
            if target in domains:
                first = sum(self._tests(one) for one in domains[: domains.index(target)])
                left = np.setdiff1d(left, self._drawn_of(source) - first)
            self._kept[key] = split.take(self._draw(left))
        return self._kept[key]

    def part(self, source: str, target: str) -> Part:
        """The part of the target that a training on ``source`` is tested on."""
        return tested_part(self.suite, target, sources(source), self._protocol)

    def tested(self, source: str, target: str) -> Split:
        """All images of that part, of which predictions have the numbers."""
        return self.suite.images(target, self.part(source, target))

    def _tests(self, domain: str) -> int:
        return len(self.suite.labels(domain, "test"))

    def _drawn_of(self, source: str) -> npt.NDArray[np.int64]:
        count = sum(self._tests(domain) for domain in sources(source))
        return self._draw(np.arange(count), count // 2)

    def _draw(self, rows: npt.NDArray[np.int64], most: int | None = None) -> npt.NDArray[np.int64]:
        count = min(self._most, len(rows) if most is None else most)
        order = np.random.default_rng(SEED).permutation(len(rows))
        return np.sort(rows[order[:count]])
