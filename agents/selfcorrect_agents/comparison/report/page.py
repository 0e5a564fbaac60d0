"""The report of a comparison: one HTML file that needs nothing else, made to be read offline.

Style and script are inlined, pictures are SVG, and the file's content security policy allows
neither a request nor any script but its own. What a model wrote is only ever text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from selfcorrect_agents.comparison.report.markup import Markup, join, tag, text
from selfcorrect_agents.comparison.report.sections import collapse, cost, figures, scaling, training
from selfcorrect_agents.comparison.report.sections.episodes import as_json, episode_data, told
from selfcorrect_agents.comparison.report.sections.pairs import pairs_section
from selfcorrect_agents.comparison.report.sections.tables import note
from selfcorrect_agents.comparison.report.sections.transitions import transitions_section
from selfcorrect_agents.comparison.results.comparison import (
    OUTCOMES,
    Comparison,
    name_of,
)
from selfcorrect_agents.comparison.results.formats import count

PACKAGE = "selfcorrect_agents.comparison"
SCRIPTS = ("diff.js", "charts.js", "episodes.js")


def write_page(
    path: Path, comparison: Mapping[str, Any], episodes: Sequence[Mapping[str, Any]]
) -> None:
    """Write the page.

    Args:
        path: the file to write.
        comparison: what ``comparison.json`` holds; undefined figures are None.
        episodes: the sample for the browser: ``method``, ``seed``, ``decoding``,
            ``problem_id``, ``prompt``, ``reference``, ``transition``, and one entry for each
            attempt of ``replies``, ``answers``, ``reasons`` and ``scores``.

    Raises:
        ValueError: the comparison holds no method.
    """
    path.write_text(page(comparison, episodes), "utf-8")


def page(comparison: Mapping[str, Any], episodes: Sequence[Mapping[str, Any]]) -> str:
    """Return the page as text; arguments and errors as for `write_page`."""
    read = Comparison.of(comparison)
    shown = episode_data(episodes)
    script = "\n".join(_resource(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_resource("page.html")).substitute(
        title=text(read.title),
        script_hash=f"sha256-{digest}",
        style=_resource("page.css"),
        script=script,
        facts=_facts(read),
        headline=figures.headline(read),
        dots=figures.dots(read),
        figures=figures.figures_table(read),
        seeds=figures.seeds_table(read),
        notes=join(note(line) for line in read.notes),
        test=note(f"p: {read.test}.") if read.test else "",
        methods=_methods(read),
        pairs=pairs_section(read),
        transitions=transitions_section(read),
        collapse=collapse.collapse_table(read),
        histograms=collapse.histograms(read),
        unchanged=training.unchanged_panels(read),
        kl=training.kl_panels(read),
        cost=cost.cost_section(read),
        curves=training.accuracy_panels(read),
        scaling=scaling.scaling_section(read),
        told=text(told(read, shown)),
        episodes=as_json(
            {
                "episodes": shown,
                "outcomes": OUTCOMES,
            }
        ),
    )


def _resource(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text("utf-8")


def _facts(comparison: Comparison) -> Markup:
    """Return what was measured on what: the lines under the title."""
    measured = comparison.measured
    of = "/".join(str(measured[k]) for k in ("problem_set", "split") if measured.get(k))
    problems = count(measured.get("problems"))
    facts = {
        "Problems": f"{problems} of {of}" if of else problems,
        "Fingerprint": measured.get("fingerprint"),
        "Verifier": measured.get("verifier"),
        "Model": comparison.model,
        "Budget": f"{comparison.budget:,} training episodes" if comparison.budget else None,
        "Seeds": ", ".join(comparison.seeds),
        "Made": comparison.created.replace("T", " "),
    }
    return join(
        tag("div", tag("dt", name), tag("dd", name_of(value, 200)))
        for name, value in facts.items()
        if value
    )


def _methods(comparison: Comparison) -> Markup:
    """Return the methods with what each of them is, in one line."""
    entries = []
    for method in comparison.methods:
        marks = [
            tag("span", mark, class_="mark")
            for mark, holds in (("oracle", method.oracle), ("not trained", not method.trained))
            if holds
        ]
        about = method.summary or "No description."
        entries.append(tag("div", tag("dt", method.name, *marks), tag("dd", about)))
    return join(entries)
