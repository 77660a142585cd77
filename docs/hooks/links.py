"""Links of the pages, made to hold on the site as they hold on a code host.

Pages lie in ``docs`` and link to files beside it (``../results/align/published.png``). The site has
no such files: each one that a page links is added to it, from where it lies, and the link is turned
to it. README, CONTRIBUTING and CHANGELOG become pages.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

#: Files beside ``docs`` that are pages, and what they are called on the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}

#: A folder has no page; this one is told about on one.
FOLDERS = {"examples": "how-to/examples.md"}

#: Where other files go.
BESIDE = "files"

#: The target of a link or picture: up to the bracket, a blank or the anchor.
_TARGET = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files beside ``docs`` that are pages, or that a page links."""
    root = Path(config.docs_dir).parent
    for path, name in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(root / path)))
    linked = {
        target
        for file in files.documentation_pages()
        for _, target in _TARGET.findall(_prose(Path(str(file.abs_src_path)).read_text("utf-8")))
        for target in [_in_repository(target, file.src_uri)]
    }
    for path in sorted(linked - set(PAGES) - set(FOLDERS)):
        if not path.startswith("docs/"):
            if not (root / path).is_file():
                raise PluginError(f"a page links {path}, which is no file")
            files.append(File.generated(config, _on_site(path), abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the page's links to where the site has their files."""
    here = page.file.src_uri

    def turned(found: re.Match[str]) -> str:
        target = _on_site(_in_repository(found[2], here))
        return found[1] + posixpath.relpath(target, posixpath.dirname(here) or ".")

    return "".join(part if code else _TARGET.sub(turned, part) for part, code in _parts(markdown))


def _in_repository(target: str, here: str) -> str:
    """A path below the root of the repository, of a link on the page ``here`` of the site."""
    beside = {name: path for path, name in PAGES.items()}
    folder = posixpath.dirname(beside.get(here, f"docs/{here}"))
    return posixpath.normpath(posixpath.join(folder, target))


def _on_site(path: str) -> str:
    """Where the site has a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # Markdown would be made a page: it is given as the file that it is.
    plain = f"{BESIDE}/{path}" + (".txt" if path.endswith(".md") else "")
    return {**PAGES, **FOLDERS}.get(path, plain)


def _parts(markdown: str) -> list[tuple[str, bool]]:
    """A page cut into prose and fenced code."""
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return [(part, number % 2 == 1) for number, part in enumerate(parts)]


def _prose(markdown: str) -> str:
    return "".join(part for part, code in _parts(markdown) if not code)
