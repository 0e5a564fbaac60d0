"""The page as text: complete, self-contained, and nothing that anyone wrote is markup in it."""

import base64
import copy
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import synthetic_comparison as synthetic

from selfcorrect_agents.comparison.report.page import page, write_page
from selfcorrect_agents.comparison.report.sections.episodes import LONGEST
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


def bare() -> dict[str, Any]:
    """The least that a comparison can be: one method, of which nothing is known."""
    return {"methods": [{"name": "only"}]}


def test_it_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", synthetic.comparison(), synthetic.episodes())
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
    html = page(synthetic.comparison(), [])
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html


def test_sections_stand_in_order_with_headings_and_names() -> None:
    outline = Outline(page(synthetic.comparison(), synthetic.episodes()))
    ids = [a["id"] for a in outline.named("section")]
    assert ids == [
        *("figures", "pairs", "transitions", "collapse", "cost", "curves", "scaling", "episodes")
    ]
    known = {a["id"] for _, a in outline.elements if "id" in a}
    for attributes in outline.named("a"):
        target = attributes["href"] or ""
        assert "=" in target or target[1:] in known
    for attributes in outline.named("svg"):
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    assert len(outline.named("h1")) == 1


def test_figures_are_those_of_the_comparison() -> None:
    facts = synthetic.comparison()
    figures = facts["methods"][5]["figures"]["greedy"]
    figures["accuracy_t2"] = {"value": 0.9876, "low": 0.981, "high": 0.994, "seeds": [0.9511] * 5}
    html = page(facts, [])
    assert '<b>98.8<span class="hidden"> (best)</span></b><small>[98.1, 99.4]</small>' in html
    assert "<td>95.1</td>" in html  # in the table of seeds


def test_the_cost_tells_training_from_the_rest() -> None:
    facts = synthetic.comparison()
    facts["methods"] = facts["methods"][5:6]
    spent = {"episodes": 17920, "tokens": 5, "training_seconds": 61.0, "seconds": 125.0}
    facts["methods"][0]["spent"] = spent
    html = page(facts, [])
    cost = html[html.index('<h2 id="cost-title">') : html.index('<h2 id="curves-title">')]
    heads = re.findall(r'<th scope="col">(.*?)</th>', cost)
    assert heads[3:5] == ["Training time", "Time in all"]
    assert [cost.count(shown) for shown in (">1 min 1 s<", ">2 min 5 s<")] == [1, 1]
    assert heads[5:] == ["Method", "An episode", "Attempt 1", "Attempt 2"]
    assert ">9.5<" in cost
    facts["methods"][0]["tokens"] = {"greedy": None}
    assert "Tokens sampled in measuring" not in page(facts, [])


def test_an_oracle_is_labelled_and_never_best() -> None:
    facts = synthetic.comparison()
    for decoding in facts["decodings"]:
        facts["methods"][6]["figures"][decoding]["accuracy_t2"]["value"] = 1.0
    html = page(facts, [])
    table = html[html.index("The five figures, in percent") :].split("</table>")[0]
    rows = [row for row in table.split("<tr") if "told whether right" in row]
    assert len(rows) == 2
    for row in rows:
        assert "oracle" in row
        assert "(best)" not in row
    assert "<b>SCoRe</b> best at the second attempt" in html


def test_what_ties_as_printed_shares_the_mark() -> None:
    facts = synthetic.comparison()
    for method, value in ((4, 0.99951), (5, 0.99949), (3, 0.5)):
        facts["methods"][method]["figures"]["greedy"]["accuracy_t2"]["value"] = value
    html = page(facts, [])
    sentence = (
        "Greedy decoding: <b>multi-turn RL</b> best at the second attempt, with <b>100.0%</b>"
    )
    assert sentence in html
    facts["methods"][5]["figures"]["greedy"]["accuracy_t2"]["value"] = 0.99952
    assert "<b>multi-turn RL</b>, <b>SCoRe</b> best at the second attempt" in page(facts, [])


def test_a_pair_stands_with_both_signs() -> None:
    facts = synthetic.comparison()
    pair = {"first": "base", "second": "SCoRe", "decoding": "greedy", "p_value": 1e-9}
    facts["pairs"] = [pair | {"difference": {"value": 0.25, "low": 0.2, "high": 0.3}}]
    html = page(facts, [])
    assert '<td class="up"><b>+25.0</b><small>&lt; 0.0001</small></td>' in html
    assert '<td class="down"><b>−25.0</b>' in html
    assert "1 test; bold" in html


@pytest.mark.parametrize("place", ["title", "model", "method", "summary", "seed", "measured"])
def test_hostile_names_stay_text(place: str) -> None:
    facts = synthetic.comparison()
    if place == "method":
        facts["methods"][0]["name"] = HOSTILE
    elif place == "summary":
        facts["methods"][0]["summary"] = HOSTILE
    elif place == "seed":
        facts["seeds"] = [HOSTILE, 1, 2, 3, 4]
    elif place == "measured":
        facts["measured"]["problem_set"] = facts["measured"]["verifier"] = HOSTILE
    else:
        facts[place] = HOSTILE
    html = page(facts, [])
    outline = Outline(html)
    html.encode("utf-8")
    assert len(outline.named("script")) == 2
    assert outline.named("img") == []
    assert "\x00" not in html
    assert "\u202e" not in html


def test_hostile_episodes_stay_data() -> None:
    episode = synthetic.worked_episode()
    for name in ("method", "seed", "decoding", "problem_id", "prompt", "reference"):
        episode[name] = HOSTILE
    for name in ("replies", "answers", "reasons"):
        episode[name] = [HOSTILE, HOSTILE]
    html = page(synthetic.comparison(), [episode])
    html.encode("utf-8")
    assert len(Outline(html).named("script")) == 2
    (kept,) = data_of(html)
    assert kept["attempts"][0]["reply"].startswith("</script><script>alert(1)")
    assert "\\x00\\x1b[31m\\ud800\\u202e\\u2028 ${title} $style" in kept["prompt"]


def test_long_texts_are_cut_where_everyone_sees_it() -> None:
    episode = synthetic.worked_episode() | {"replies": ["x" * 3_000_000, "\t" * 3_000_000]}
    html = page(synthetic.comparison(), [episode])
    assert len(html) < 1_000_000
    reply = data_of(html)[0]["attempts"][0]["reply"]
    assert f"[{3_000_000 - LONGEST:,} characters left out]" in reply


def test_nothing_known_is_said_not_drawn() -> None:
    html = page(bare(), [])
    assert Outline(html).open == []
    for words in (
        *("No accuracy was measured.", "No two methods", "No transitions", "No edit distances"),
        *("No run logged its accuracy", "No run logged its KL", "Scaling at inference was not"),
        "No episodes were kept",
    ):
        assert words in html


@pytest.mark.parametrize(
    "lack",
    ["figures", "transitions", "edit_histogram", "spent", "curves", "scaling", "summary"],
)
@pytest.mark.parametrize("value", [None, {}, "absent"])
def test_a_method_that_lacks_something_is_still_shown(lack: str, value: Any) -> None:
    facts = synthetic.comparison()
    if value == "absent":
        del facts["methods"][5][lack]
    else:
        facts["methods"][5][lack] = value
    assert Outline(page(facts, [])).open == []


def test_undefined_figures_are_dashes() -> None:
    facts = synthetic.comparison()
    undefined = {"value": None, "low": None, "high": None, "seeds": [None] * 5}
    nan = {"value": float("nan"), "low": float("nan"), "high": float("nan"), "seeds": []}
    for decoding in facts["decodings"]:
        facts["methods"][0]["figures"][decoding]["accuracy_t2"] = undefined
        facts["methods"][1]["figures"][decoding]["delta"] = nan
        facts["methods"][2]["figures"][decoding]["delta"] = None
    facts["methods"][3]["scaling"]["parallel"][0] = None
    html = page(facts, [])
    assert "nan" not in Outline(html).text["main"]
    assert "<td><span>–</span><small></small></td>" in html


def test_one_seed_without_intervals_or_with_short_logs() -> None:
    facts = synthetic.comparison()
    facts["seeds"] = [0]
    for method in facts["methods"]:
        method["curves"] = {k: rows[:1] for k, rows in list(method["curves"].items())[:1]}
        for figures in method["figures"].values():
            for figure in figures.values():
                if figure:
                    figure |= {"low": None, "high": None, "seeds": figure["seeds"][:1]}
    assert Outline(page(facts, synthetic.episodes(each=1))).open == []


def test_the_page_says_how_many_episodes_it_holds() -> None:
    facts, kept = synthetic.comparison(), synthetic.episodes(each=3)
    told = f"This page holds {len(kept)} of the 140,000 measured episodes: at most 3 for each"
    assert told in page(facts, kept)


def test_a_comparison_without_methods_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one method"):
        page({"methods": []}, [])


def test_the_comparison_is_left_as_it_was() -> None:
    facts, kept = synthetic.comparison(), synthetic.episodes(each=1)
    before = copy.deepcopy((facts, kept))
    page(facts, kept)
    assert (facts, kept) == before


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.0), (0.5, 0.5), (0.34, 0.99), (-3.0, 1e-9), (0, 17920), (1e-7, 2e-7)]
)
def test_an_axis_covers_its_values(low: float, high: float) -> None:
    axis = nice_axis(low, high, str)
    assert axis.low <= low + 1e-8
    assert axis.high >= high - 1e-8
    assert 2 <= len(axis.ticks) <= 8
    assert axis.place(low) >= 0
    assert axis.place(high) <= 1
