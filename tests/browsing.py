"""Headless Chromium by Playwright, and axe, which looks for what keeps people out of a page."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

#: The impacts of axe that are faults; "moderate" and "minor" are advice.
SERIOUS = {"serious", "critical"}


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser of the machine; the test skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    if os.getuid() == 0:
        quiet.append("--no-sandbox")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=quiet)
        yield browser
        browser.close()


def opened(browser: Any, path: Any, width: int, height: int, scheme: str = "light") -> Any:
    """A page of a file, and what went wrong in it: messages, errors, requests to the outside."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    wrong: list[str] = []
    page.on("console", lambda one: wrong.append(one.text))
    page.on("pageerror", lambda one: wrong.append(str(one)))
    page.on("request", lambda one: None if _is_inside(one.url) else wrong.append(one.url))
    page.goto(path.as_uri())
    return page, wrong


def _is_inside(url: str) -> bool:
    return url.startswith(("file:", "data:"))


def serious_faults(page: Any, also: Collection[str] = ()) -> list[str]:
    """What axe finds that keeps people out, each with the first place where it stands.

    Args:
        page: an open page.
        also: rules of axe whose advice counts, too.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        f"{one['impact']}: {one['help']}: {one['nodes'][0]['html']}"
        for one in axe.run(page).response["violations"]
        if one["impact"] in SERIOUS or one["id"] in also
    ]
