"""A figure of a page that no stored result has is found."""

from pathlib import Path

import claims
import pytest

PAGE = """\
Version 2.3 is before any region: 77.7.

<!-- figures: results.md -->
SCoRe has 98.7 [97.1, 99.4] at the second attempt, 57% more than the base; `--alpha 3.5` is code.

```
12.5 in a block
```

| row | t2 |
| --- | --- |
| **SCoRe** | 98.7 |
| base | {base} |

<!-- figures: paper -->
The paper: 64.4.
"""

RESULTS = """\
| method | t2 | delta |
| --- | --- | --- |
| base | 31.6 | −10.2 |
| SCoRe | 98.68 [97.1, 99.4] | 0.572 |
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    claims.content.cache_clear()
    (tmp_path / "results.md").write_text(RESULTS)
    return tmp_path / "page.md"


def wrong(page: Path) -> list[str]:
    return [f"{line.number}: {one}" for line in claims.lines(page) for one in claims.missing(line)]


def test_figures_that_are_stored_are_found(page: Path) -> None:
    page.write_text(PAGE.format(base="31.6"))
    assert wrong(page) == []


def test_a_figure_of_another_row_is_not(page: Path) -> None:
    page.write_text(PAGE.format(base="98.7"))
    assert wrong(page) == ["13: 98.7: not in the rows 'base' of results.md"]


def test_a_figure_that_was_changed_is_named(page: Path) -> None:
    page.write_text(PAGE.format(base="31.6").replace("99.4]", "99.9]").replace("57%", "58%"))
    assert wrong(page) == ["4: 99.9: not found in results.md", "4: 58: not found in results.md"]


def test_a_row_that_is_not_stored_is_named(page: Path) -> None:
    page.write_text(PAGE.format(base="31.6").replace("| base |", "| STaR |"))
    assert wrong(page) == ["13: 31.6: no row 'STaR' in results.md"]


def test_the_projects_own_pages() -> None:
    """README and docs, as they are."""
    claims.content.cache_clear()
    pages = [claims.ROOT / "README.md", *sorted((claims.ROOT / "docs").rglob("*.md"))]
    found = [
        f"{page.name}:{line.number}: {one}"
        for page in pages
        for line in claims.lines(page)
        for one in claims.missing(line)
    ]
    assert found == []
