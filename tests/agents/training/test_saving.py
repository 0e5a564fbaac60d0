"""`save_trained`: the model of a run is what the method has learned last."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_agents.training.saving import save_trained, write_model


class Saver:
    """Saves a word."""

    def __init__(self, word: str) -> None:
        self.word = word

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        (path / "weights").write_text(self.word)


@pytest.mark.parametrize("itself", [False, True])
def test_a_resumed_run_saves_what_it_has_learned(tmp_path: Path, itself: bool) -> None:
    policy = cast(Any, SimpleNamespace())
    for word in ("first", "later"):
        run = RunFolder(tmp_path / "run", {"learning": {}}, resume=True)
        if itself and word == "later":  # its learn writes the model
            (run.model / "weights").write_text("its own, later")
        save_trained(Saver(word), policy, run)
        run.close()
    assert (run.model / "weights").read_text() == ("its own, later" if itself else "later")


@pytest.mark.parametrize(
    ("text", "stays"), [("# A card\n", True), ("- **License:** [More Information Needed]\n", False)]
)
def test_an_empty_model_card_is_left_out(tmp_path: Path, text: str, stays: bool) -> None:
    def write(path: Path) -> None:
        Saver("weights").save(path)
        (path / "README.md").write_text(text)

    run = RunFolder(tmp_path / "run", {"learning": {}})
    write_model(run, write)
    run.close()
    assert (run.model / "README.md").exists() is stays
