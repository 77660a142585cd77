"""The site of the documentation: built strictly, whole, and of nothing from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown import Markdown
from markdown_it import MarkdownIt
from mkdocs.config import load_config
from page_blocks import ROOT

import nasneurn


class Links(HTMLParser):
    """What a page loads, where it leads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.led_to: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {given["id"] or ""} if "id" in given else set()
        if tag == "a":
            self.led_to.append(given.get("href") or "")
        else:
            self.loaded += [given[name] or "" for name in ("src", "href") if name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CONTRIBUTING says but to another folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    """All pages by their path."""
    found = {}
    for path in site.rglob("*.html"):
        if "files" in path.relative_to(site).parts:
            continue  # a file of results/, such as the alignment's map
        found[path] = Links()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    assert len(pages) > 30
    for path, page in pages.items():
        away = [url for url in page.loaded if urlsplit(url).netloc or url.startswith("//")]
        assert not away, f"{path.relative_to(site)} loads {away}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", path.read_text(encoding="utf-8")), path


def test_all_that_is_linked_is_there(site: Path, pages: dict[Path, Links]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":  # its links are those of a server's root
            continue
        for url in {*page.loaded, *page.led_to}:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc or url.startswith("javascript"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file() or (target / "index.html").is_file(), (path.name, url)
            if parts.fragment and target in pages:
                known = pages[target].anchors
                assert unquote(parts.fragment) in known, (path.name, url)


def test_figures_of_the_results_are_in_it(site: Path) -> None:
    for name in ("align/published.png", "bench-digits/figures/overall.png"):
        there, here = site / "files" / "results" / name, ROOT / "results" / name
        assert there.read_bytes() == here.read_bytes()


def test_every_public_name_is_in_the_reference(site: Path, pages: dict[Path, Links]) -> None:
    known = set().union(*(pages[path].anchors for path in site.glob("reference/*.html")))
    # Where a package has the name, too, the function is shown by its home.
    homes = ("nasneurn", "nasneurn.api", "nasneurn.questions")
    for name in set(nasneurn.__all__) - {"__version__"}:
        assert {f"{home}.{name}" for home in homes} & known, name


def test_pages_read_as_on_a_code_host() -> None:
    """Python's Markdown and that of code hosts differ in where lists and blocks begin."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    here = Markdown(extensions=config.markdown_extensions, extension_configs=config.mdx_configs)
    there = MarkdownIt("commonmark").enable("table")
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = re.sub(r"^::: .*\n(?: .*\n)*", "", path.read_text(), flags=re.MULTILINE)
        one, other = there.render(text), here.reset().convert(text)
        for tag in ("li", "table", "td", "pre", "h2", "h3", "em", "strong"):
            counts = [len(re.findall(rf"<{tag}[ >]", html)) for html in (one, other)]
            assert counts[0] == counts[1], f"{path}: {tag} {counts}"
