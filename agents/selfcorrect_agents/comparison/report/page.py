"""The report of a comparison: one HTML file that needs nothing else, made to be read offline.

Style and script are inlined, pictures are SVG, and the file's content security policy allows
neither a request nor any script but its own. What a model wrote is only ever text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from string import Template

from selfcorrect_agents.comparison.report.sections import (
    arrivals,
    collapse,
    cost,
    metrics,
    pairs,
    scaling,
    training_curves,
    transitions,
)
from selfcorrect_agents.comparison.report.sections.episodes import (
    ShownEpisode,
    as_json,
    episode_data,
    selection,
)
from selfcorrect_agents.comparison.report.titles import transition_titles
from selfcorrect_agents.comparison.results.comparison import MethodComparison
from selfcorrect_agents.comparison.results.formats import count
from selfcorrect_agents.pictures.markup import Markup, join, one_line, tag, text

PACKAGE = "selfcorrect_agents.comparison.report"
SCRIPTS = ("diff.js", "charts.js", "episodes.js")

SECTIONS = (
    *(metrics, arrivals, pairs, transitions, collapse),
    *(cost, training_curves, scaling),
)
"""Modules whose ``section`` returns a part of the page, or None if there is nothing to show."""


def write_page(path: Path, comparison: MethodComparison, episodes: Sequence[ShownEpisode]) -> None:
    """Write the page.

    Args:
        path: the file to write.
        comparison: what it shows.
        episodes: the episodes that can be read on it.
    """
    path.write_text(page(comparison, episodes), "utf-8")


def page(comparison: MethodComparison, episodes: Sequence[ShownEpisode]) -> str:
    """Return the page as text; arguments as for `write_page`."""
    names = _shown_names([method.name for method in comparison.methods])
    shown = _displayed(comparison, names)
    episodes = [replace(each, method=names.get(each.method, each.method)) for each in episodes]
    sections = [found for module in SECTIONS if (found := module.section(shown))]
    script = "\n".join(_resource(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = {
        "episodes": [episode_data(episode) for episode in episodes],
        "titles": transition_titles(comparison.attempts),
    }
    return Template(_resource("page.html")).substitute(
        title=text(shown.title),
        script_hash=f"sha256-{digest}",
        style=_resource("page.css"),
        script=script,
        links=join((section.link() for section in sections), "\n"),
        subject=_subject(shown),
        sections=join((section.markup() for section in sections), "\n\n"),
        transitions="Transition" if comparison.attempts > 1 else "Answer",
        selection=text(selection(shown, episodes)),
        episodes=as_json(data),
    )


def _resource(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text("utf-8")


def _displayed(comparison: MethodComparison, names: Mapping[str, str]) -> MethodComparison:
    """Return the comparison with the names that are shown, and every text on one line."""

    def shown(name: str) -> str:
        return names.get(name) or one_line(name)  # of a file in which a pair names no method

    methods = [
        replace(method, name=names[method.name], summary=one_line(method.summary, 400))
        for method in comparison.methods
    ]
    return replace(
        comparison,
        title=one_line(comparison.title, 200),
        notes=tuple(one_line(note, 500) for note in comparison.notes),
        methods=tuple(methods),
        pairs=tuple(
            replace(pair, first=shown(pair.first), second=shown(pair.second))
            for pair in comparison.pairs
        ),
        arrival_pairs=tuple(
            replace(pair, first=shown(pair.first), second=shown(pair.second))
            for pair in comparison.arrival_pairs
        ),
    )


def _shown_names(names: Sequence[str]) -> dict[str, str]:
    """Return each name on one line, cut if it is long; names that are then equal get a number."""
    shown: dict[str, str] = {}
    for name in names:
        cut = one_line(name)
        numbered = (cut, *(f"{cut} ({number})" for number in range(2, len(names) + 2)))
        shown[name] = next(text for text in numbered if text not in shown.values())
    return shown


def _subject(comparison: MethodComparison) -> Markup:
    """Return the lines under the title: what was compared on what."""
    on, budget = comparison.measured, comparison.episodes
    lines = {
        "Problems": f"{count(on.problems)} of {on.problem_set}/{on.split}",
        "Fingerprint": on.fingerprint,
        "Verifier": on.verifier,
        "Attempts": str(on.attempts),
        "Model": comparison.base_model,
        "Weights": comparison.weights,
        "Processor": ", ".join(comparison.instructions),
        "Token cap": str(comparison.max_new_tokens),
        "Budget": f"{budget:,} training episodes" if budget else None,
        "Seeds": ", ".join(map(str, comparison.seeds)),
        "Created": comparison.created.replace("T", " "),
    }
    return join(
        tag("div", tag("dt", name), tag("dd", one_line(value, 200)))
        for name, value in lines.items()
        if value
    )
