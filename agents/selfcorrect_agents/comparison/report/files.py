"""The files of a comparison's folder, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect_agents.comparison.plan.config import CompareConfig, to_toml
from selfcorrect_agents.comparison.report.page import write_page
from selfcorrect_agents.comparison.report.tables import to_csv, to_markdown
from selfcorrect_agents.comparison.results.cell_results import MethodResults
from selfcorrect_env.evaluation import replacing, to_row

SHOWN = 12
"""Episodes of each method × decoding × transition that the page lets one read, at most."""

SHOWN_COLUMNS = ("problem_id", "prompt", "reference", "replies", "answers", "reasons", "scores")


def write_config(folder: Path, config: CompareConfig) -> None:
    """Write compare.toml: the configuration as used, every default included."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "compare.toml", to_toml(config))


def write_tables(folder: Path, comparison: Mapping[str, Any]) -> None:
    """Write comparison.json, table.md and table.csv."""
    text = json.dumps(comparison, indent=1, ensure_ascii=False, allow_nan=False)
    _write(folder / "comparison.json", text + "\n")
    _write(folder / "table.md", to_markdown(comparison))
    _write(folder / "table.csv", to_csv(comparison))


def write_report(
    folder: Path, comparison: Mapping[str, Any], results: Sequence[MethodResults]
) -> None:
    """Write report.html, one self-contained page."""
    write_page(folder / "report.html", comparison, list(shown_episodes(results)))


def shown_episodes(results: Sequence[MethodResults]) -> Iterator[dict[str, Any]]:
    """Yield the episodes that the page lets one read, `SHOWN` of each transition at most.

    Problems are tried in one random order for every method, so that the same problem is mostly
    there for all of them; seeds take turns.
    """
    for result in results:
        for decoding, report in result.cells[0].reports.items():
            left = dict.fromkeys(("c->c", "i->c", "c->i", "i->i", None), SHOWN)
            order = np.random.default_rng(0).permutation(len(report.episodes))
            for place, index in enumerate(order.tolist()):
                cell = result.cells[place % len(result.cells)]
                episode = cell.reports[decoding].episodes[index]
                kind = None if episode.transition is None else episode.transition.value
                if not left[kind]:
                    continue
                left[kind] -= 1
                row = to_row(episode)
                yield {
                    "method": result.method.label,
                    "seed": cell.cell.seed,
                    "decoding": decoding,
                    **{name: row[name] for name in SHOWN_COLUMNS},
                    "transition": kind,
                }


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
