"""A figure of a page that no stored result has is found."""

from pathlib import Path

import claims
import pytest

PAGE = """\
Nothing before the first region, of 12 lines.

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
    assert wrong(page) == ["13: 98.7: not in the rows 'base', 't2' of results.md"]


def test_a_figure_that_was_changed_is_named(page: Path) -> None:
    page.write_text(PAGE.format(base="31.6").replace("99.4]", "99.9]").replace("57%", "58%"))
    assert wrong(page) == ["4: 99.9: not found in results.md", "4: 58: not found in results.md"]


def test_a_figure_before_the_first_region_is_named(page: Path) -> None:
    page.write_text("It ends at 98.7.\n" + PAGE.format(base="31.6"))
    assert wrong(page) == ["1: 98.7: before the page's first region"]


def test_a_row_that_is_not_stored_is_named(page: Path) -> None:
    page.write_text(PAGE.format(base="31.6").replace("| base |", "| STaR |"))
    assert wrong(page) == ["13: 31.6: no row 'STaR' in results.md"]


def test_a_file_of_results_that_is_not_there_is_named(page: Path) -> None:
    page.write_text("<!-- figures: nowhere.md -->\n\n12.5\n", "utf-8")
    with pytest.raises(SystemExit, match=r"page\.md:1 names nowhere\.md, which is not there"):
        wrong(page)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("It ends at 98.8.", "98.8: not found in results.md"),
        ("It arrives in 17 of 20 seeds.", "17 of 20: not found in results.md"),
        ("With 17 of 20, it leads.", "17 of 20: not found in results.md"),
        (
            "| row | delta |\n| --- | --- |\n| SCoRe | 98.7 |",
            "98.7: not in the rows 'SCoRe', 'delta'",
        ),
        ("| row | t2 |\n| --- | --- |\n| other | 98.7 |", "98.7: no row 'other'"),
        ("| row | t3 |\n| --- | --- |\n| SCoRe | **12** |", "12: not in the rows 'SCoRe'"),
        ("| row | t3 |\n| --- | --- |\n| SCoRe | 98.7/12.5 |", "12.5: not in the rows 'SCoRe'"),
        ("| row | t3 |\n| --- | --- |\n| SCoRe | 99 → 12 |", "12: not in the rows 'SCoRe'"),
    ],
)
def test_a_figure_that_is_not_there_is_found(page: Path, text: str, message: str) -> None:
    page.write_text(f"<!-- figures: results.md -->\n{text}\n")
    (found,) = wrong(page)
    assert message in found


def test_a_column_of_another_head_is_one_of_the_row(page: Path) -> None:
    page.write_text("<!-- figures: results.md -->\n| row | it |\n| --- | --- |\n| SCoRe | 98.7 |\n")
    assert wrong(page) == []


def test_a_csv_file_is_read_cell_by_cell(page: Path) -> None:
    rows = 'method,seed,value\n"RL, r2 alone",3,0.9885\nRL,5,12800\n"SCoRe",,19 of 20\n'
    (page.parent / "table.csv").write_text(rows)
    table = "| method | value |\n| --- | --- |\n"
    text = "<!-- figures: table.csv -->\n" + table
    page.write_text(f"{text}| RL, r2 alone | 98.9% |\n| RL | 12,800.0 |\n| SCoRe | 19 of 20 |\n")
    assert wrong(page) == []
    page.write_text(f"{text}| RL | 98.9% |\n")
    assert len(wrong(page)) == 1
    page.write_text("<!-- figures: table.csv -->\n30.9885 and 512,800.0\n")
    assert len(wrong(page)) == 2
