"""Learning curves as a picture."""

import re
from pathlib import Path

from selfcorrect_agents.pictures.curves import curves_svg, write_svg

TAKEN = {"t1/accuracy": 0.25, "t2/accuracy": 0.75, "unchanged": 0.5}


def test_curves_cope_with_skipped_steps_and_runs_of_any_length(tmp_path: Path) -> None:
    runs = {
        "A": {0: [TAKEN] * 10},
        "A <b>": {1: [{"train/skipped": 1.0}] * 3},
        **{f"method {i}": {0: [TAKEN]} for i in range(8)},
    }
    write_svg(tmp_path / "curves.svg", "A title", runs, 2)
    written = (tmp_path / "curves.svg").read_text()
    assert written.startswith("<svg")
    assert "<b>" not in written
    assert "nan" not in written


def test_a_key_of_some_steps_stands_at_these_steps() -> None:
    """Of 11 steps the 5th and the last have a value: the points are at 4/10 and 10/10."""
    log = [{"t1/accuracy": 0.5} if step in (4, 10) else {} for step in range(11)]
    (points,) = set(re.findall(r'points="([^"]*)"', curves_svg("t", {"A": {0: log}}, 1)))
    assert points == "304.0,190.0 688.0,190.0"
    assert "mean over seeds; thin" not in curves_svg("t", {"A": {0: log}}, 1)


def test_a_value_of_one_step_alone_is_a_circle() -> None:
    """A line through one point is not painted. The last attempt's circle is filled."""
    log = [{"t1/accuracy": 0.25, "t2/accuracy": 0.5} if step == 10 else {} for step in range(11)]
    drawn = curves_svg("t", {"A": {0: log}}, 2)
    assert "<polyline" not in drawn
    circles = set(re.findall(r'<circle cx="([^"]*)" cy="([^"]*)".*? fill="([^"]*)"', drawn))
    assert circles == {("688.0", "265.0", "white"), ("688.0", "190.0", "#0072b2")}


def test_the_picture_has_a_title_and_a_complete_legend(tmp_path: Path) -> None:
    runs = {name: {seed: [TAKEN] * 3 for seed in (0, 1)} for name in ("RL, small KL", "SCoRe")}
    write_svg(tmp_path / "curves.svg", "Training accuracy", runs, 3)
    written = (tmp_path / "curves.svg").read_text("utf-8")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", written)
    for text in ("Training accuracy", "RL, small KL", "SCoRe", "Acc@t1", "Acc@t2", "Acc@t3"):
        assert text in texts
    assert "running means over 5 steps; bold: mean over seeds; thin: each seed" in texts
    heights = [float(y) for y in re.findall(r'<text[^>]* y="([\d.]+)"', written)]
    assert max(heights) < float(re.findall(r'viewBox="0 0 \d+ (\d+)"', written)[0])
    below = heights[heights.index(max(heights)) - 5 :]  # the legend: a line each
    assert len(set(below)) == len(below) == 6
    lines = re.findall(r"<polyline([^>]*)><title>([^<]*)", written)
    bold = [title for attributes, title in lines if 'stroke-width="2.5"' in attributes]
    assert [title for title in bold if "SCoRe" in title] == [
        f"SCoRe, mean over seeds: Acc@t{turn}" for turn in (1, 2, 3)
    ]
    assert sum("seed 1" in title for _, title in lines) == 6
    solid = {title[-2:] for attributes, title in lines if "dasharray" not in attributes}
    assert solid == {"t3"}
