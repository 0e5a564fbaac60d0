"""Hooks of the documentation site (mkdocs.yml): fenced ``math`` blocks become MathML.

Browsers draw MathML themselves, so the pages need no script and no network; on code hosts the same
blocks are drawn as mathematics, too.
"""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def on_config(config: Any) -> Any:
    """Add the ``math`` fence to the site's Markdown."""
    superfences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    superfences["custom_fences"] = [{"name": "math", "class": "math", "format": math_fence}]
    return config


def math_fence(source: str, *_: Any, **__: Any) -> str:
    """Return LaTeX as block MathML.

    Raises:
        ValueError: a command of the LaTeX is not known.
    """
    mathml = convert(source, display="block")
    if "\\" in mathml:
        raise ValueError(f"a math block has a command that is not known: {source!r}")
    return mathml
