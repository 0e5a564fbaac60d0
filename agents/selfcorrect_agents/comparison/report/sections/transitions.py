"""How right and wrong first attempts end: a flow for each method."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from selfcorrect_agents.comparison.report.sections.html_tables import (
    details,
    grid,
    method_name,
    row,
    table,
)
from selfcorrect_agents.comparison.report.sections.plots import INNER, picture, stretched
from selfcorrect_agents.comparison.report.sections.section import Section
from selfcorrect_agents.comparison.report.sections.turns import legend
from selfcorrect_agents.comparison.report.titles import TRANSITION_TITLES, decoding_title
from selfcorrect_agents.comparison.results.comparison import ComparedMethod, MethodComparison
from selfcorrect_agents.comparison.results.formats import percent
from selfcorrect_agents.pictures.markup import Child, Markup, tag

HEIGHT, GAP, POST = 112, 6, 14
"""Height of a flow and the gap between right and wrong, in pixels; width of its posts in units
of the inner picture."""
JUDGED = ("c->c", "c->i", "i->c", "i->i")


def section(comparison: MethodComparison) -> Section | None:
    """Return the flows of every method and their shares as a table; None with one attempt."""
    last = comparison.attempts
    if last == 1:
        return None
    parts: list[Child] = []
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        parts.append(tag("h3", decoding_title(decoding)))
        parts.append(grid((_flow(m, decoding) for m in comparison.methods), "small flows"))
        rows = []
        for method in comparison.methods:
            shares = method.metrics[decoding].transitions
            rows.append(row(method_name(method), [percent(shares[k]) for k in TRANSITION_TITLES]))
        groups.append((decoding_title(decoding), rows))
    heads = ["Method", *TRANSITION_TITLES.values()]
    shares_table = table("Share of problems, in percent", heads, groups)
    about = (
        f"From t1 (left) to t{last} (right): how many answers stay right or wrong, and how many "
        "change. Each share links to its episodes."
    )
    keys = (
        ("box stayed-right", "stayed right"),
        ("box gain", "↗ wrong → right"),
        ("box loss", "↘ right → wrong"),
        ("box stayed-wrong", "stayed wrong"),
    )
    return Section(
        "transitions",
        "Transitions",
        (tag("p", about), legend(*keys), *parts, details("The shares as a table", shares_table)),
    )


def _flow(method: ComparedMethod, decoding: str) -> Markup:
    shares = method.metrics[decoding].transitions
    told = ", ".join(f"{TRANSITION_TITLES[key]} {percent(shares[key])}%" for key in JUDGED)
    first, last = shares["c->c"] + shares["c->i"], shares["c->c"] + shares["i->c"]
    ends = [tag("span", f"{percent(share)}% right") for share in (first, last)]
    links = [
        tag(
            "a",
            tag("span", mark, class_=f"swatch {style}", aria_hidden="true"),
            f" {percent(shares[key])}% {TRANSITION_TITLES[key]}",
            href=_link(method, decoding, key),
        )
        for key, style, mark in (("i->c", "gain", "↗"), ("c->i", "loss", "↘"))
    ]
    rest = shares["unjudged"]
    return tag(
        "figure",
        tag("figcaption", method_name(method)),
        tag("p", *ends, class_="ends"),
        picture(HEIGHT, f"{method.name}: {told}", stretched(HEIGHT, _ribbons(shares))),
        tag("p", *links, tag("span", f"{percent(rest)}% not judged") if rest else None),
        class_="flow",
    )


def _link(method: ComparedMethod, decoding: str, transition: str) -> str:
    """Return the address of the page's list of episodes, filtered to these."""
    return "#" + urlencode({"transition": transition, "method": method.name, "decoding": decoding})


def _ribbons(shares: Mapping[str, float]) -> list[Markup]:
    """Return the bands from the first attempt (left) to the last (right); right is on top."""
    size = {key: shares[key] * (HEIGHT - GAP) for key in JUDGED}
    wrong_left = size["c->c"] + size["c->i"] + GAP
    wrong_right = size["c->c"] + size["i->c"] + GAP
    left = {"c->c": 0.0, "c->i": size["c->c"], "i->c": wrong_left}
    left["i->i"] = wrong_left + size["i->c"]
    right = {"c->c": 0.0, "i->c": size["c->c"], "c->i": wrong_right}
    right["i->i"] = wrong_right + size["c->i"]
    styles = {"c->c": "stayed-right", "i->i": "stayed-wrong", "i->c": "gain", "c->i": "loss"}
    bands = [
        tag("path", d=_ribbon(left[key], right[key], size[key]), class_=f"ribbon {styles[key]}")
        for key in ("c->c", "i->i", "i->c", "c->i")
        if size[key] > 0
    ]
    ends = (0, wrong_left - GAP, wrong_right - GAP)
    posts = [
        tag("rect", x=x, y=round(y, 1), width=POST, height=round(high, 1), class_=f"post {kind}")
        for x, top in ((0, ends[1]), (INNER - POST, ends[2]))
        for y, high, kind in (
            (0, top, "right"),
            (top + GAP, sum(size.values()) - top, "wrong"),
        )
        if high > 0.05
    ]
    return bands + posts


def _ribbon(left: float, right: float, size: float) -> str:
    start, end, middle = POST, INNER - POST, INNER / 2
    return (
        f"M{start} {left:.1f}C{middle} {left:.1f} {middle} {right:.1f} {end} {right:.1f}"
        f"V{right + size:.1f}C{middle} {right + size:.1f} {middle} {left + size:.1f} "
        f"{start} {left + size:.1f}Z"
    )
