"""Every recipe has a plan, and fits on the cards that its page names."""

from pathlib import Path

import pytest
from recipe_plans import CARDS, MODELS, RECIPES, hours_of, planned, table_rows, trained_rows

from selfcorrect_agents.comparison.plan.config import read_config
from selfcorrect_agents.lm.shapes import shape_of


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_fits_on_its_cards(path):
    rows, shape = trained_rows(path)
    task, cap = path.stem.rpartition("-")[2], read_config(path).token_cap
    assert len(rows) == 8
    for row in rows:
        hours = []
        for card in CARDS:
            work, found = planned(row, shape, task, card)
            assert found.peak < card.memory
            assert work.rank == 16
            assert work.mixed
            assert work.checkpointing
            assert work.episodes == 128
            assert work.sampled == (3 if row.method.agent == "pag" else 2) * cap
            hours.append(hours_of(row, shape, work, found, card))
        assert hours[0] > hours[1] > 0, "the larger card is faster"


def test_the_models_have_their_published_numbers_of_weights():
    counts = {name: shape_of(config).parameters for name, config in MODELS.items()}
    assert counts["Qwen/Qwen2.5-1.5B-Instruct"] == pytest.approx(1.54e9, rel=0.005)
    assert counts["meta-llama/Llama-3.2-3B-Instruct"] == pytest.approx(3.21e9, rel=0.005)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_page_has_the_rows_that_the_script_prints(path: Path) -> None:
    page = (RECIPES / "README.md").read_text("utf-8")
    for row in table_rows(path):
        assert row in page, f"python benchmarks/recipe_plans.py prints {row}"
