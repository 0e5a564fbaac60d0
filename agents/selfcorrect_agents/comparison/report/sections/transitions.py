"""What became of right and wrong first attempts: a flow for each method."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from selfcorrect_agents.comparison.report.markup import Child, Markup, join, tag
from selfcorrect_agents.comparison.report.sections.plots import INNER, picture, stretched
from selfcorrect_agents.comparison.report.sections.tables import (
    details,
    grid,
    method_name,
    missing,
    row,
    table,
)
from selfcorrect_agents.comparison.results.comparison import (
    OUTCOMES,
    Comparison,
    Method,
    decoding_title,
)
from selfcorrect_agents.comparison.results.formats import percent

HEIGHT, GAP, POST = 112, 6, 14
"""Height of a flow and the gap between right and wrong, in pixels; width of its posts in units
of the inner picture."""
JUDGED = ("c->c", "c->i", "i->c", "i->i")


def transitions_section(comparison: Comparison) -> Markup:
    """Return the flows of every method for each way of decoding, and their shares as a table."""
    parts: list[Child] = []
    groups: list[tuple[Child, list[Markup]]] = []
    for decoding in comparison.decodings:
        known = [m for m in comparison.methods if _known(m.transitions.get(decoding))]
        if not known:
            continue
        parts.append(tag("h3", decoding_title(decoding)))
        parts.append(grid((_flow(method, decoding) for method in known), "small flows"))
        rows = [
            row(method_name(m), [percent(m.transitions[decoding].get(key)) for key in OUTCOMES])
            for m in known
        ]
        groups.append((decoding_title(decoding), rows))
    if not parts:
        return missing("No transitions were measured.")
    shares = table("Share of problems, in percent", ["Method", *OUTCOMES.values()], groups)
    return join([*parts, details("The shares as a table", shares)])


def _known(shares: Mapping[str, float | None] | None) -> bool:
    return shares is not None and any(shares.get(key) is not None for key in JUDGED)


def _flow(method: Method, decoding: str) -> Markup:
    shares = {key: method.transitions[decoding].get(key) or 0.0 for key in OUTCOMES}
    told = ", ".join(f"{OUTCOMES[key]} {percent(shares[key])}%" for key in JUDGED)
    first, second = shares["c->c"] + shares["c->i"], shares["c->c"] + shares["i->c"]
    ends = [tag("span", f"{percent(share)}% right") for share in (first, second)]
    links = [
        tag(
            "a",
            tag("span", mark, class_=f"swatch {style}", aria_hidden="true"),
            f" {percent(shares[key])}% {OUTCOMES[key]}",
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


def _link(method: Method, decoding: str, transition: str) -> str:
    """Return the address of the page's browser, filtered to these episodes."""
    return "#" + urlencode({"transition": transition, "method": method.name, "decoding": decoding})


def _ribbons(shares: Mapping[str, float]) -> list[Markup]:
    """Return the bands from the first attempt (left) to the second (right); right is on top."""
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
