"""The map of methods: its texts are inside their cells."""

from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import phase_picture
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

CELLS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "map" / "cells.csv"


@pytest.mark.slow
@pytest.mark.parametrize("worst", [False, True], ids=["stored", "longest captions"])
def test_no_text_touches_a_border_or_another_text(worst: bool) -> None:
    rows = phase_picture.read_rows(CELLS)
    if worst:  # some runs of each cell part of the way, the others with another end
        for i, row in enumerate(rows):
            ends = ("part of the way", "got worse")
            row.update(solved=False, outcome=ends[i % 2], t1=1.0, t2=1.0)
    figure, cells = phase_picture.phase_map(rows)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert len(cells) == 9 * len({row["method"] for row in rows})
    boxes = []
    for cell in cells:
        box = cell.text.get_window_extent()
        x, y = cell.centre
        corners = cell.axes.transData.transform([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)])
        (left, bottom), (right, top) = corners
        assert left < box.x0, cell.text.get_text()
        assert box.x1 < right, cell.text.get_text()
        assert bottom < box.y0, cell.text.get_text()
        assert box.y1 < top, cell.text.get_text()
        boxes.append(box)
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    boxes += [*titles, figure._suptitle.get_window_extent()]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_a_cell_says_how_its_runs_ended() -> None:
    ended = {"t1": 0.4, "t2": 0.9, "prior": 0.07, "solved": True, "episodes_to_solve": 8000.0}
    other = {**ended, "t2": 0.5, "solved": False, "episodes_to_solve": "", "outcome": "copies"}
    assert phase_picture.caption([ended, other]) == "40 → 70\n1 of 2\nafter 8k\ncopies"
    assert phase_picture.base_caption([ended]) == "40 → 90\nfixes 7.0%"


@pytest.mark.slow
def test_the_stored_picture_is_of_the_stored_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outlines depend on matplotlib's release; the number of cells does not."""
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "none")
    phase_picture.draw(tmp_path / "map.svg", phase_picture.read_rows(CELLS))
    drawn = (tmp_path / "map.svg").read_text("utf-8")
    assert drawn.count(" of 2") == 5 * 6 + 1  # two bases a cell; and the legend
    assert drawn.count(" of 5") == 4 * 6  # five in the cells that the text argues from
