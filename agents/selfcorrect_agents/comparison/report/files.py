"""The files of a comparison's folder, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from selfcorrect_agents.comparison.plan.config import CompareConfig, to_toml
from selfcorrect_agents.comparison.report.csv_rows import to_csv
from selfcorrect_agents.comparison.report.markdown import to_markdown
from selfcorrect_agents.comparison.results.comparison import (
    COMPARISON_FILE,
    MethodComparison,
    write_comparison,
)
from selfcorrect_env.evaluation import replacing


def write_config(folder: Path, config: CompareConfig) -> None:
    """Write compare.toml: the configuration as used, every default included."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "compare.toml", to_toml(config))


def write_tables(folder: Path, comparison: MethodComparison) -> None:
    """Write comparison.json, table.md and table.csv."""
    write_comparison(folder / COMPARISON_FILE, comparison)
    _write(folder / "table.md", to_markdown(comparison))
    _write(folder / "table.csv", to_csv(comparison))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
