"""Check the documentation site that `make docs` built: links, anchors, and that it works offline.

    python scripts/check_site.py site

Every link to a page of the site must lead to a file, and every anchor to an element of that page.
Scripts, styles and pictures must be files of the site. Lists and tables that Markdown did not read
as such (no empty line before them) are found, too. Exit status 1 if anything is wrong.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

UNREAD = re.compile(r"^(?:[-*+] |\d+\. |\|.*\|$|```)", re.MULTILINE)
"""What starts a list, a row of a table or a block of code in Markdown."""


@dataclass
class Page(HTMLParser):
    """What the check needs of one page."""

    ids: set[str] = field(default_factory=set)
    """The anchors of the page."""
    links: list[str] = field(default_factory=list)
    """What the reader can follow."""
    parts: list[str] = field(default_factory=list)
    """What the browser loads."""
    paragraphs: list[str] = field(default_factory=list)
    """The texts of the paragraphs."""

    def __post_init__(self) -> None:
        """Start the parser."""
        super().__init__()
        self._in_paragraph = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        attributes = {name: value or "" for name, value in attrs}
        self.ids |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes.get("rel") not in {"prev", "next", "canonical"}:
            self.parts.append(attributes.get("href", ""))
        elif "src" in attributes:
            self.parts.append(attributes["src"])
        if tag == "p":
            self._in_paragraph = True
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        """Take note of the end of a paragraph."""
        if tag == "p":
            self._in_paragraph = False

    def handle_data(self, data: str) -> None:
        """Keep the text of a paragraph."""
        if self._in_paragraph:
            self.paragraphs[-1] += data


def read_pages(site: Path) -> dict[Path, Page]:
    """Return every page of a site, by its path."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def problems(site: Path) -> Iterator[str]:
    """Yield a line for everything that is wrong in a site."""
    site = site.resolve()
    pages = read_pages(site)
    for path, page in pages.items():
        where = path.relative_to(site)
        for link in page.links:
            if why := broken(link, path, site, pages):
                yield f"{where}: {link}: {why}"
        for part in page.parts:
            if why := outside(part) or broken(part, path, site, pages):
                yield f"{where}: {part}: {why}"
        for paragraph in page.paragraphs:
            if unread := UNREAD.search(paragraph):
                line = paragraph[unread.start() :].partition("\n")[0]
                yield f"{where}: no list, table or block, but text: {line[:60]!r}"


def outside(address: str) -> str | None:
    """Return why the browser would need a network for this, or None."""
    parts = urlsplit(address)
    return "is loaded from elsewhere" if parts.netloc else None


def broken(address: str, page: Path, site: Path, pages: dict[Path, Page]) -> str | None:
    """Return why an address on a page leads nowhere, or None; other sites are not asked."""
    parts = urlsplit(address)
    if parts.netloc or parts.scheme in {"data", "mailto"}:
        return None
    if page.name == "404.html":  # it is shown in place of any address, so its own are absolute
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.is_file():
        return "no such file in the site"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return "no such anchor"
    return None


def main() -> int:
    """Check the site that the command line names."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    if not (site / "index.html").is_file():
        print(f"{site} has no index.html: build the site with `make docs`.", file=sys.stderr)
        return 2
    found = list(problems(site))
    for line in found:
        print(line)
    pages = read_pages(site)
    links = sum(len(page.links) for page in pages.values())
    print(f"{len(pages)} pages, {links} links, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
