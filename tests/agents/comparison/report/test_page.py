"""The page as text: complete, self-contained, and nothing that anyone wrote is markup in it."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import synthetic_comparison as synthetic

from selfcorrect_agents.comparison.report.page import page, write_page
from selfcorrect_agents.comparison.report.sections.episodes import LONGEST, ShownEpisode
from selfcorrect_agents.comparison.report.sections.plots import nice_axis

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\x00\x1b[31m\ud800\u202e\u2028 ${title} $style & \"'"
)
VOID = {"meta", "link", "input"}


class Outline(HTMLParser):
    """What elements and attributes there are, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag] = self.text.get(tag, "") + data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def data_of(html: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)
    assert found
    return json.loads(found[1])["episodes"]


def rendered(as_json: dict[str, Any], episodes: Sequence[ShownEpisode] = ()) -> str:
    return page(synthetic.read(as_json), episodes)


def test_it_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    write_page(
        tmp_path / "report.html", synthetic.read(synthetic.comparison()), synthetic.episodes()
    )
    html = (tmp_path / "report.html").read_text("utf-8")
    outline = Outline(html)
    assert outline.open == []
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp", html)
    for _, attributes in outline.elements:
        for name in ("src", "srcset", "action", "poster"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    policy = outline.named("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'")


def test_the_policy_allows_the_pages_own_script_and_no_other() -> None:
    html = rendered(synthetic.comparison())
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html


def test_sections_stand_in_order_with_headings_and_names() -> None:
    outline = Outline(rendered(synthetic.comparison(), synthetic.episodes()))
    ids = [a["id"] for a in outline.named("section")]
    assert ids == [
        *("metrics", "pairs", "transitions", "collapse", "cost", "curves", "scaling", "episodes")
    ]
    known = {a["id"] for _, a in outline.elements if "id" in a}
    for attributes in outline.named("a"):
        target = attributes["href"] or ""
        assert "=" in target or target[1:] in known
    for attributes in outline.named("svg"):
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    assert len(outline.named("h1")) == 1


def test_the_numbers_are_those_of_the_comparison() -> None:
    as_json = synthetic.comparison()
    accuracy = as_json["methods"][5]["metrics"]["greedy"]["accuracy"]
    accuracy[1] = {"value": 0.9876, "low": 0.981, "high": 0.994, "seeds": [0.9511] * 5}
    html = rendered(as_json)
    assert '<b>98.8<span class="hidden"> (best)</span></b><small>[98.1, 99.4]</small>' in html
    assert "<td>95.1</td>" in html  # in the table of seeds


@pytest.mark.parametrize("attempts", [1, 3, 4])
def test_every_attempt_has_its_own_name_and_number(attempts: int) -> None:
    as_json = synthetic.comparison(attempts=attempts)
    for method in as_json["methods"]:
        for turn in range(attempts):
            value = {"value": 0.1011 * (turn + 1), "low": None, "high": None, "seeds": [None] * 5}
            method["metrics"]["greedy"]["accuracy"][turn] = value
    html = rendered(as_json)
    table = html[html.index("Metrics, in percent") :].split("</table>")[0]
    heads = re.findall(r'<th scope="col">(.*?)</th>', table)
    names = [f"Acc@t{turn}" for turn in range(1, attempts + 1)]
    turns = [(1, attempts), *((t, t + 1) for t in range(1, attempts) if attempts > 2)]
    deltas = [f'Δ<span class="args">(t{a}, t{b})</span>' for a, b in turns]
    changes = [*deltas, "Δ<sup>i→c</sup>", "Δ<sup>c→i</sup>"]
    assert heads == ["Method", *names, *(changes if attempts > 1 else [])]
    row = table[table.index("Greedy decoding") :]
    shown = re.findall(r"<td[^>]*><(?:span|b)>([\d.]+)", row)[:attempts]
    assert shown == [f"{10.11 * (turn + 1):.1f}" for turn in range(attempts)]
    assert ("Acc@t2" in html) is (attempts > 1)
    assert ("Acc@t3" in html) is (attempts > 2)
    assert f"the highest Acc@t{attempts}" in html
    assert ('id="transitions"' in html) is (attempts > 1)
    assert ('<p class="ends">' in html) is (attempts > 1)
    assert f"differences of Acc@t{attempts} in points" in html
    for turn in range(1, attempts + 1):  # learning curves and KL have a line for each attempt
        assert f"&quot;label&quot;:&quot;t{turn}&quot;" in html
        assert f">KL t{turn}<" in html


def test_partial_credit_stands_beside_the_accuracy() -> None:
    as_json = synthetic.comparison()
    assert "Score@t1" not in rendered(as_json)
    for method in as_json["methods"]:
        for metrics in method["metrics"].values():
            metrics["mean_score"] = [{"value": v, "seeds": [v] * 5} for v in (0.4321, 0.8765)]
    html = rendered(as_json)
    assert "Score@t1" in html
    assert "<span>43.2</span>" in html
    assert "partial credit" in html


def test_the_cost_tells_training_from_the_rest() -> None:
    as_json = synthetic.comparison()
    as_json["methods"] = as_json["methods"][5:6]
    spent = {"episodes": 17920, "tokens": 5, "training_seconds": 61.0, "seconds": 125.0}
    as_json["methods"][0]["spent"] = spent
    html = rendered(as_json)
    cost = html[html.index('<h2 id="cost-title">') : html.index('<h2 id="curves-title">')]
    heads = re.findall(r'<th scope="col">(.*?)</th>', cost)
    assert heads[3:6] == ["Tokens with a gradient", "Training time", "Total time"]
    assert [cost.count(shown) for shown in (">1 min 1 s<", ">2 min 5 s<")] == [1, 1]
    assert heads[6:] == ["Method", "An episode", "Attempt 1", "Attempt 2"]
    assert ">9.5<" in cost
    for metrics in as_json["methods"][0]["metrics"].values():
        metrics["tokens"] = None
    assert "Tokens sampled in measuring" not in rendered(as_json)


@pytest.mark.parametrize("kind", ["oracle", "instrument"])
def test_an_oracle_or_instrument_is_labelled_and_never_best(kind: str) -> None:
    as_json = synthetic.comparison()
    as_json["methods"][6] |= {"oracle": kind == "oracle", "instrument": kind == "instrument"}
    for decoding in as_json["decodings"]:
        as_json["methods"][6]["metrics"][decoding]["accuracy"][1]["value"] = 1.0
    html = rendered(as_json)
    table = html[html.index("Metrics, in percent") :].split("</table>")[0]
    rows = [row for row in table.split("<tr") if "told whether right" in row]
    assert len(rows) == 2
    for row in rows:
        assert kind in row
        assert "(best)" not in row
    assert "<b>SCoRe</b> has the highest Acc@t2, <b>" in html


def test_instruments_alone_have_no_best() -> None:
    as_json = synthetic.comparison()
    for method in as_json["methods"][1:]:
        method["instrument"] = True
    assert 'class="headline"' not in rendered(as_json)


def test_a_column_of_equal_values_has_no_mark() -> None:
    as_json = synthetic.comparison()
    for method in as_json["methods"]:
        method["metrics"]["greedy"]["accuracy"][0]["value"] = 0.5
    html = rendered(as_json)
    table = html[html.index("Metrics, in percent") :].split("</table>")[0]
    assert '50.0<span class="hidden"> (best)</span>' not in table
    assert "(best)" in table


def test_what_ties_as_printed_shares_the_mark() -> None:
    as_json = synthetic.comparison()
    for method, value in ((4, 0.99951), (5, 0.99949), (3, 0.5)):
        as_json["methods"][method]["metrics"]["greedy"]["accuracy"][1]["value"] = value
    html = rendered(as_json)
    assert "Greedy decoding: <b>multi-turn RL</b> has the highest Acc@t2, <b>100.0%</b>" in html
    as_json["methods"][5]["metrics"]["greedy"]["accuracy"][1]["value"] = 0.99952
    both = "<b>multi-turn RL</b>, <b>SCoRe</b> have the highest Acc@t2, <b>100.0%</b> each"
    assert both in rendered(as_json)


def test_a_pair_stands_with_both_signs() -> None:
    as_json = synthetic.comparison()
    pair = as_json["pairs"][0] | {"second": "SCoRe", "decoding": "greedy", "p_holm": 1e-9}
    as_json["pairs"] = [pair | {"difference": {"value": 0.25, "low": 0.2, "high": 0.3}}]
    html = rendered(as_json)
    assert '<td class="up"><b>+25.0</b><small>&lt; 0.0001</small></td>' in html
    assert '<td class="down"><b>−25.0</b>' in html
    assert "1 test; small: p, corrected" in html
    assert "not tested" not in html
    other = pair | {"first": "STaR", "second": "Pair-SFT"}
    as_json["pairs"].append(other | {"difference": {"value": 0.25}})
    html = rendered(as_json)
    assert "· marks pairs that were not tested" in html
    assert html.count('<td class="untested">·</td>') == 8  # of 16 places, without the diagonal


@pytest.mark.parametrize(
    "place", ["title", "model", "method", "summary", "settings", "note", "measured"]
)
def test_hostile_names_stay_text(place: str) -> None:
    as_json = synthetic.comparison()
    if place == "method":
        as_json["methods"][0]["name"] = HOSTILE
    elif place == "summary":
        as_json["methods"][0]["summary"] = HOSTILE
    elif place == "settings":
        as_json["methods"][0]["play"] = {HOSTILE: HOSTILE}
    elif place == "note":
        as_json["notes"] = [HOSTILE]
    elif place == "measured":
        as_json["measured"]["problem_set"] = as_json["measured"]["verifier"] = HOSTILE
    else:
        as_json[place] = HOSTILE
    html = rendered(as_json)
    outline = Outline(html)
    html.encode("utf-8")
    assert len(outline.named("script")) == 2
    assert outline.named("img") == []
    assert "\x00" not in html
    assert "\u202e" not in html


def test_hostile_episodes_stay_data() -> None:
    episode = synthetic.shown(
        HOSTILE, 0, HOSTILE, (HOSTILE,) * 3, [HOSTILE] * 2, [HOSTILE] * 2, [True, None]
    )
    html = rendered(synthetic.comparison(), [episode])
    html.encode("utf-8")
    assert len(Outline(html).named("script")) == 2
    (kept,) = data_of(html)
    assert kept["attempts"][0]["reply"].startswith("</script><script>alert(1)")
    assert "\\x00\\x1b[31m\\ud800\\u202e\\u2028 ${title} $style" in kept["prompt"]
    assert [attempt["judged"] for attempt in kept["attempts"]] == [True, False]


def test_long_texts_are_cut_where_everyone_sees_it() -> None:
    replies = ["x" * 3_000_000, "\t" * 3_000_000]
    episode = synthetic.shown("a", 0, "greedy", ("1", "p", "r"), replies, [None] * 2, [False] * 2)
    html = rendered(synthetic.comparison(), [episode])
    assert len(html) < 1_000_000
    reply = data_of(html)[0]["attempts"][0]["reply"]
    assert f"[{3_000_000 - LONGEST:,} characters left out]" in reply


def test_a_section_without_content_is_left_out() -> None:
    as_json = synthetic.comparison(attempts=1)
    as_json["pairs"] = []
    for method in as_json["methods"]:
        method |= {"trained": False, "curves": {}, "scaling": None, "kl": []}
    html = rendered(as_json)
    outline = Outline(html)
    assert outline.open == []
    assert [a["id"] for a in outline.named("section")] == ["metrics", "cost", "episodes"]
    links = [a["href"] for a in outline.named("a")]
    assert links == ["#main", "#metrics", "#cost", "#episodes"]
    assert "No episodes were kept" in html
    assert "was not measured" not in html


def test_an_interval_has_as_many_decimals_as_its_value() -> None:
    as_json = synthetic.comparison()
    as_json["methods"][5]["kl"][0] = {"value": 0.0098, "low": 0.0071, "high": 0.01, "seeds": []}
    assert "<span>0.0098</span><small>[0.0071, 0.0100]</small>" in rendered(as_json)


def test_undefined_numbers_are_dashes() -> None:
    as_json = synthetic.comparison()
    undefined = {"value": None, "low": None, "high": None, "seeds": [None] * 5}
    for decoding in as_json["decodings"]:
        as_json["methods"][0]["metrics"][decoding]["accuracy"][1] = undefined
        as_json["methods"][1]["metrics"][decoding]["delta"] = undefined
    as_json["methods"][3]["scaling"]["parallel"][0] = undefined
    html = rendered(as_json)
    assert "nan" not in Outline(html).text["main"]
    assert "None" not in Outline(html).text["main"]
    assert "<td><span>–</span><small></small></td>" in html


def test_one_seed_without_intervals_or_with_short_logs() -> None:
    as_json = synthetic.comparison()
    as_json["seeds"] = [0]
    for method in as_json["methods"]:
        method["curves"] = {k: rows[:1] for k, rows in list(method["curves"].items())[:1]}
        for metrics in method["metrics"].values():
            for metric in (*metrics["accuracy"], metrics["delta"]):
                metric |= {"low": None, "high": None, "seeds": metric["seeds"][:1]}
    assert Outline(rendered(as_json, synthetic.episodes(each=1))).open == []


def test_the_page_says_how_many_episodes_it_shows() -> None:
    kept = synthetic.episodes(each=3)
    told = f"This page shows {len(kept)} of the 140,000 measured episodes: at most 3 for each"
    assert told in rendered(synthetic.comparison(), kept)


def test_a_long_name_is_cut_and_still_finds_its_episodes() -> None:
    as_json, name = synthetic.comparison(), "long " * 40
    as_json["methods"][0]["name"] = name
    episode = replace(synthetic.worked_episode(), method=name)
    html = rendered(as_json, [episode])
    shown = data_of(html)[0]["method"]
    assert len(shown) == 80
    assert f">{shown}<" in html
    assert quote_plus(shown) in html  # the links of the flows


def test_names_that_are_cut_to_the_same_text_stay_apart() -> None:
    as_json = synthetic.comparison()
    long = [f"{'long ' * 40}{end}" for end in ("first", "second")]
    for method, name in zip(as_json["methods"], long, strict=False):
        method["name"] = name
    episodes = [replace(synthetic.worked_episode(), method=name) for name in long]
    html = rendered(as_json, episodes)
    first, second = (episode["method"] for episode in data_of(html))
    assert second == f"{first} (2)"
    assert f">{second}<" in html


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.0), (0.5, 0.5), (0.34, 0.99), (-3.0, 1e-9), (0, 17920), (1e-7, 2e-7)]
)
def test_an_axis_covers_its_values(low: float, high: float) -> None:
    axis = nice_axis(low, high, str)
    assert axis.low <= low + 1e-8
    assert axis.high >= high - 1e-8
    assert 2 <= len(axis.ticks) <= 8
    assert axis.position(low) >= 0
    assert axis.position(high) <= 1
