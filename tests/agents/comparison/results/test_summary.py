"""comparison.json, its tables and the page's episodes, of results made by hand."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.plan.contestants import Contestant
from selfcorrect_agents.comparison.report.files import SHOWN, shown_episodes, write_tables
from selfcorrect_agents.comparison.report.tables import for_terminal, to_markdown
from selfcorrect_agents.comparison.results.cell_results import (
    CellResult,
    MethodResults,
    curve,
    final_kl,
    per_problem,
    require_one_ground,
)
from selfcorrect_agents.comparison.results.sampling import scaling_curves
from selfcorrect_agents.comparison.results.summary import comparison_of
from selfcorrect_env.errors import CheckpointError
from selfcorrect_env.evaluation.report import Measured, Report
from selfcorrect_env.types import Attempt, Episode, Problem, Reason, Verdict

VERDICTS = {
    "c": Verdict(1.0, Reason.CORRECT, "2"),
    "i": Verdict(0.0, Reason.WRONG, "3"),
    "e": Verdict(0.0, Reason.ERROR, detail="it broke"),
}
MEASURED = Measured(
    agent="it",
    problem_set="sums",
    split="test",
    size=100,
    fingerprint="0123456789abcdef",
    verifier="exact",
    prompts="plain",
    attempts=2,
)


def episodes(outcomes: str) -> list[Episode]:
    return [
        Episode(
            problem=Problem(id=str(i), prompt="1 + 1", reference="2"),
            attempts=tuple(
                Attempt(reply=f"it is {o}", verdict=VERDICTS[o], tokens=3 * turn)
                for turn, o in enumerate(outcome, start=1)
            ),
            conversation=(),
        )
        for i, outcome in enumerate(outcomes.split())
    ]


HISTORY = [
    {"step": s, "episodes": 4 * s, "tokens": 9 * s, "t1/kl": 0.1 * s, "t1/accuracy": 0.5}
    for s in range(1, 11)
]
OUTCOMES = {
    ("base", 0): "ii ii cc ci ee",
    ("base", 1): "ii ii cc cc ii",
    ("SCoRe", 0): "ic ic cc cc ee",
    ("SCoRe", 1): "ic ii cc cc ic",
}


def config() -> CompareConfig:
    methods = {"base": {}, "SCoRe": {"agent": "score"}}
    return config_of(
        {"title": "A | title", "seeds": [0, 1], "methods": methods, "decodings": ["greedy"]}, "test"
    )


def results(asked: CompareConfig) -> list[MethodResults]:
    made = []
    for method in asked.methods:
        cells = []
        for cell in plan(asked):
            if cell.method != method:
                continue
            report = Report.of(episodes(OUTCOMES[method.label, cell.seed]), MEASURED)
            trained = method.label == "SCoRe"
            cells.append(
                CellResult(
                    cell=cell,
                    reports={"greedy": report},
                    values={"greedy": per_problem(report.episodes)},
                    history=HISTORY if trained else [],
                    seconds={"measuring": 2.0, **({"training": 60.0} if trained else {})},
                    scaling=None,
                )
            )
        made.append(MethodResults(method, Contestant.find(method), cells))
    return made


def test_the_figures_are_the_reports_averaged_over_seeds() -> None:
    found = comparison_of(config(), results(config()))
    for method, result in zip(found["methods"], results(config()), strict=True):
        figures = method["figures"]["greedy"]
        metrics = [cell.reports["greedy"].metrics for cell in result.cells]
        expected = {
            "accuracy_t1": [m.accuracy[0].value for m in metrics],
            "accuracy_t2": [m.accuracy[1].value for m in metrics],
            "delta": [m.delta.value for m in metrics],
            "delta_i_to_c": [m.delta_i_to_c.value for m in metrics],
            "delta_c_to_i": [m.delta_c_to_i.value for m in metrics],
            "unchanged_answers": [m.unchanged_answers.value for m in metrics],
            "edit_distance_ratio": [m.edit_distance_ratio for m in metrics],
        }
        for name, seeds in expected.items():
            assert figures[name]["seeds"] == pytest.approx(seeds), name
            assert figures[name]["value"] == pytest.approx(np.mean(seeds)), name
            assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]
        assert sum(method["transitions"]["greedy"].values()) == pytest.approx(1)
        assert sum(method["edit_histogram"]["greedy"]["counts"]) == 10
    base, score = found["methods"]
    assert base["transitions"]["greedy"]["c->i"] == pytest.approx(0.1)
    assert base["transitions"]["greedy"]["unjudged"] == pytest.approx(0.1)
    assert (base["trained"], score["trained"]) == (False, True)
    assert base["figures"]["greedy"]["kl_t1"] is None
    assert score["figures"]["greedy"]["kl_t1"]["value"] == pytest.approx(1.0)  # the last of ten
    assert score["figures"]["greedy"]["kl_t2"] is None
    assert base["spent"] == {"episodes": 0, "tokens": 0, "seconds": 2, "training_seconds": 0}
    assert score["spent"] == {"episodes": 40, "tokens": 90, "seconds": 62, "training_seconds": 60}
    assert score["tokens"] == {"greedy": {"episode": 9.0, "turns": [3.0, 6.0]}}
    assert list(base["curves"]) == []
    assert score["curves"]["1"][-1]["episodes"] == 40
    assert found["measured"]["problems"] == 5
    assert found["measured"]["size"] == 100


def test_every_method_is_paired_with_base_and_reference() -> None:
    (pair,) = comparison_of(config(), results(config()))["pairs"]
    assert (pair["first"], pair["second"], pair["decoding"]) == ("base", "SCoRe", "greedy")
    assert (pair["only_first"], pair["only_second"], pair["problems"]) == (0, 5, 4)
    assert pair["difference"]["value"] == pytest.approx((3 / 4 + 2 / 5) / 2)
    third = replace(config().methods[1], label="third")
    asked = replace(config(), methods=(*config().methods, third))
    made = results(config())
    made.append(replace(made[1], method=third))
    pairs = comparison_of(asked, made)["pairs"]
    assert [(p["first"], p["second"]) for p in pairs] == [
        ("base", "SCoRe"),
        ("base", "third"),
        ("SCoRe", "third"),
    ]
    assert pairs[2]["p_value"] == 1.0


def test_the_files_say_what_the_figures_say(tmp_path: Path) -> None:
    found = comparison_of(config(), results(config()))
    write_tables(tmp_path, found)
    assert json.loads((tmp_path / "comparison.json").read_text("utf-8")) == found
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text("utf-8").splitlines()))
    row = next(
        r for r in rows if (r["method"], r["figure"], r["seed"]) == ("SCoRe", "accuracy_t2", "mean")
    )
    figure = found["methods"][1]["figures"]["greedy"]["accuracy_t2"]
    assert [float(row[k]) for k in ("value", "low", "high")] == [
        figure[k] for k in ("value", "low", "high")
    ]
    assert not [r for r in rows if r["method"] == "base" and r["figure"] == "kl_t1"]
    values = {(r["method"], r["decoding"], r["figure"]): r for r in rows if r["seed"] == "mean"}
    (pair,) = found["pairs"]
    for key, value in {
        ("base", "greedy", "transition c->i"): 0.1,
        ("SCoRe", "", "spent episodes"): 40,
        ("SCoRe", "", "spent training_seconds"): 60,
        ("SCoRe", "greedy", "tokens at attempt 2"): 6,
        ("SCoRe", "greedy", "accuracy_t2 minus base"): pair["difference"]["value"],
        ("SCoRe", "greedy", "p of accuracy_t2 minus base"): pair["p_value"],
    }.items():
        assert float(values[key]["value"]) == pytest.approx(value), key
    markdown = (tmp_path / "table.md").read_text("utf-8")
    console = Console(width=120)
    with console.capture() as capture:
        console.print(for_terminal(found))
    for text in (markdown, capture.get()):
        for part in ("SCoRe", "base", "0123456789abcdef", "40", "1:02", "+57.5", "95% intervals"):
            assert part in text, part
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert "| base | 0 | 50.0 | 25.0 | −25.0 |" in markdown
    assert all(line.endswith("|") for line in tables)
    assert "| base | 30.0 | 0.0 | 10.0 | 50.0 | 10.0 |" in markdown  # transitions
    assert "| SCoRe | 40 | 90 | 1:00 | 1:02 | 9.0 (3.0 + 6.0) |" in markdown  # cost
    changes = found["methods"][1]["figures"]["greedy"]["delta_i_to_c"]
    value, low, high = (100 * changes[key] for key in ("value", "low", "high"))
    whole = f"{value:.1f} [{low:.1f}, {high:.1f}]"
    assert whole in markdown
    assert whole in capture.get()


def test_the_terminals_tables_fit_120_columns() -> None:
    """The longest rows that there can be: three digits, signs, a long name."""
    found = comparison_of(config(), results(config()))
    for method in found["methods"]:
        method["name"] = "control: 11 r2 for the bonus"
        for figure in method["figures"]["greedy"].values():
            if figure is not None:
                figure.update(value=-0.9876, low=-1.0, high=-0.9753)
        method["spent"].update(episodes=1_000_000, seconds=100_000)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(for_terminal(found))
    lines = capture.get().splitlines()
    rows = [line for line in lines if "control: 11 r2 for the bonus" in line]
    assert len(rows) == 4
    assert all(line.count("[−100.0, −97.5]") >= 3 for line in rows), capture.get()


def test_scaling_stands_in_the_files(tmp_path: Path) -> None:
    made = results(config())
    curves = scaling_curves(episodes("ic ic cc ii cc cc cc cc"), samples=4)
    cells = [replace(cell, scaling=curves) for cell in made[1].cells]
    found = comparison_of(config(), [made[0], replace(made[1], cells=cells)])
    write_tables(tmp_path, found)
    markdown = (tmp_path / "table.md").read_text("utf-8")
    assert "| method | by | 2 replies | 4 replies |" in markdown
    (row,) = [line for line in markdown.splitlines() if line.startswith("| SCoRe | pass@k, par")]
    assert "75.0 [" in row  # pass@2: 1/2 at one problem, 1 at the other
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text("utf-8").splitlines()))
    (row,) = [r for r in rows if r["figure"] == "pass_parallel, 2 replies" and r["seed"] == "mean"]
    assert (row["method"], row["decoding"], float(row["value"])) == ("SCoRe", "", 0.75)


def test_tokens_that_nobody_counted_stay_unknown() -> None:
    made = results(config())
    cell = made[1].cells[0]
    first, *rest = cell.reports["greedy"].episodes
    silent = replace(first, attempts=tuple(replace(a, tokens=None) for a in first.attempts))
    report = replace(cell.reports["greedy"], episodes=(silent, *rest))
    cells = [replace(cell, reports={"greedy": report}), made[1].cells[1]]
    found = comparison_of(config(), [made[0], replace(made[1], cells=cells)])
    assert found["methods"][1]["tokens"] == {"greedy": None}
    assert to_markdown(found).count("| – |") >= 1


def test_a_method_that_failed_is_left_out_and_named() -> None:
    found = comparison_of(config(), results(config())[1:])
    assert found["left_out"] == ["base"]
    assert found["pairs"] == []
    assert any("base" in note for note in found["notes"])


def test_unequal_ground_is_refused() -> None:
    made = results(config())
    report = made[1].cells[0].reports["greedy"]
    other = replace(report, measured=replace(report.measured, fingerprint="another"))
    spoiled = replace(made[1].cells[0], reports={"greedy": other})
    made[1] = replace(made[1], cells=[spoiled, made[1].cells[1]])
    with pytest.raises(CheckpointError, match="their fingerprint differ"):
        require_one_ground(made)


def test_the_page_gets_some_of_every_transition() -> None:
    made = results(config())
    rows = list(shown_episodes(made))
    assert {row["method"] for row in rows} == {"base", "SCoRe"}
    assert {row["seed"] for row in rows} == {0, 1}
    assert all(row["reasons"] and row["prompt"] == "1 + 1" for row in rows)
    json.dumps(rows)
    many = Report.of(episodes(" ".join(["ii"] * 50 + ["cc"] * 2)), MEASURED)
    cell = replace(made[0].cells[0], reports={"greedy": many})
    kinds = [row["transition"] for row in shown_episodes([replace(made[0], cells=[cell])])]
    assert (kinds.count("i->i"), kinds.count("c->c")) == (SHOWN, 2)


def test_long_curves_are_thinned_and_skipped_steps_do_not_count() -> None:
    rows = [{"step": s, "episodes": 2 * s, "t1/accuracy": s % 2} for s in range(1, 1001)]
    thinned = curve(rows)
    assert len(thinned) == 300
    assert thinned[-1]["step"] == 1000
    assert thinned[-1]["episodes"] == 2000
    assert all(0 < row["t1/accuracy"] < 1 for row in thinned)
    assert curve([{"step": 1, "train/skipped": 1.0}]) == [{"step": 1}]
    assert curve([]) == []
    assert final_kl([{"step": 1, "train/skipped": 1.0}], 1) is None


def test_scaling_counts_replies_on_both_sides() -> None:
    """Four samples: first attempts right at 1 of 4, corrected ones at 3 of 4; one not judged."""
    sampled = episodes("ic ic cc ii" + " cc cc cc ec")
    curves = scaling_curves(sampled, samples=4)
    assert curves.replies == (2, 4)
    # pass@2 and pass@4 of first attempts; of corrected ones pass@1 and pass@2
    assert curves.pass_parallel[:, 0] == pytest.approx([1 / 2, 1])
    assert curves.pass_sequential[:, 0] == pytest.approx([3 / 4, 1])
    # a wrong majority among four first attempts; two replies are one corrected answer
    assert curves.parallel[:, 0] == pytest.approx([1 / 4, 0])
    assert curves.sequential[0, 0] == pytest.approx(3 / 4)
    assert np.isnan(curves.parallel[:, 1]).all()
