"""Hooks of the documentation site (mkdocs.yml): equations, and links to the API pages.

Fenced ``math`` blocks become MathML, which browsers draw themselves: the pages need no script and
no network. A class that an API page describes is a link to it wherever its name stands as code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ENTRY = re.compile(r"^::: ([\w.]+\.([A-Z]\w*[a-z]\w*))$", re.MULTILINE)
"""An entry of an API page for a class: its whole name and its last part."""

UNTOUCHED = re.compile(r"(<(a|pre|h[1-6])\b.*?</\2>)", re.DOTALL)
"""Elements in which no link is made."""

NAME = re.compile(r"<code>(\w+)</code>")


def on_config(config: Any) -> Any:
    """Add the ``math`` fence to the site's Markdown, and read the entries of the API pages."""
    superfences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    superfences["custom_fences"] = [{"name": "math", "class": "math", "format": math_fence}]
    pages = sorted((Path(config.docs_dir) / "reference" / "api").glob("*.md"))
    config.extra["entries"] = entries(page.read_text(encoding="utf-8") for page in pages)
    return config


def on_page_content(html: str, config: Any, **_: Any) -> str:
    """Link the names of classes."""
    return link_names(html, config.extra["entries"])


def entries(pages: Any) -> dict[str, str]:
    """Return the classes that the texts of API pages describe: last part -> whole name."""
    return {name: whole for page in pages for whole, name in ENTRY.findall(page)}


def link_names(html: str, known: dict[str, str]) -> str:
    """Return HTML in which each known class that stands as code refers to its entry.

    The references are those of mkdocs-autorefs, which turns them into links.
    """

    def linked(match: re.Match[str]) -> str:
        if match[1] not in known:
            return match[0]
        return f'<autoref identifier="{known[match[1]]}">{match[0]}</autoref>'

    parts = UNTOUCHED.split(html)  # text, element, its tag, text …
    return "".join(
        part if index % 3 else NAME.sub(linked, part)
        for index, part in enumerate(parts)
        if index % 3 != 2
    )


def math_fence(source: str, *_: Any, **__: Any) -> str:
    """Return LaTeX as block MathML.

    Raises:
        ValueError: a command of the LaTeX is not known.
    """
    mathml = convert(source, display="block")
    if "\\" in mathml:
        raise ValueError(f"a math block has a command that is not known: {source!r}")
    return mathml
