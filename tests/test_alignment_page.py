"""The map of an alignment as a page, in a browser, on screens of two widths."""

from pathlib import Path

import numpy as np
import pytest
from browsing import chromium, opened, serious_faults
from test_alignment_figures import aligned

from alignment.page import map_page


@pytest.mark.slow
def test_the_panel_leaves_room_for_the_map(tmp_path: Path) -> None:
    outcome, page_path = aligned(), tmp_path / "map.html"
    points = np.random.default_rng(0).random((len(outcome.names), 2))
    page_path.write_text(map_page(outcome, points), encoding="utf-8")
    with chromium() as browser:
        for width, height, folds in ((360, 640, True), (1000, 700, False)):
            page, wrong = opened(browser, page_path, width, height)
            panel = page.locator("#panel").bounding_box()
            assert panel["width"] * panel["height"] < 0.25 * width * height
            families = page.locator("#families")
            assert families.is_visible() != folds
            assert page.locator("#search").is_visible()
            if folds:
                page.locator("#toggle").click()
                assert families.is_visible()
                assert page.locator("#panel").bounding_box()["height"] <= 0.45 * height
                page.locator("#toggle").click()
                assert not families.is_visible()
            assert serious_faults(page) == []
            assert wrong == []
