"""Pre-train the tiny bases of the published tables and store them in the package.

A base whose weights are stored already is left as it is. Files of bases that are no longer named
are removed, so after a change of a corpus or of the procedure this makes all of them anew.

    python benchmarks/store_bases.py                                # all of them
    python benchmarks/store_bases.py --jobs 2 --only tiny:seed=0 tiny:seed=1
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import tyro
from phase_diagram import Options as MapOptions
from phase_diagram import base_model
from rich.progress import track
from write_comparison import DOUBTS, FURTHER_SEEDS, SEEDS

from selfcorrect_agents.lm.loading import parse_tiny
from selfcorrect_agents.lm.tiny import base_name, pretrain
from selfcorrect_agents.lm.tiny.shipped import FOLDER, store

TUNING = (100, 101)
"""Seeds of the bases that settings are searched on; no table uses them."""

ARITHMETIC = [
    f"tiny:seed={seed}" for seed in (*range(SEEDS["SelfCorrect-Arithmetic-v0"]["main"]), *TUNING)
]
"""Of the first table, the sensitivities, the quickstart and the examples."""

TOYCODE = [
    f"tiny:task=toycode,seed={seed},steps=1200"
    for seed in (*range(SEEDS["SelfCorrect-ToyCode-v0"]["main"]), *TUNING)
]
"""Of the second task."""

DOUBTING = [f"tiny:seed={seed},doubts={DOUBTS:g}" for seed in range(FURTHER_SEEDS)]
"""That get worse at the second attempt greedily, too."""

MAP = [base_model(fix, MapOptions.spoils, slips, seed) for fix, slips, seed in MapOptions().cells()]
"""Of the map and its remedies."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which bases, and how fast."""

    only: tuple[str, ...] = ()
    """Names of bases; by default all of the tables."""
    jobs: int = 2
    """Number of processes that run at the same time."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    names = options.only or (*ARITHMETIC, *TOYCODE, *DOUBTING, *MAP)
    if not options.only:
        remove_others(names)
    with ProcessPoolExecutor(options.jobs) as pool:
        sizes = list(track(pool.map(ship, names), total=len(names), description="bases"))
    print(f"{len(names)} bases, {sum(sizes) / 1e6:.1f} MB, in {FOLDER}")


def ship(name: str) -> int:
    """Store a base's weights unless they are stored; return the size of their file in bytes."""
    config = parse_tiny(name)
    weights = FOLDER / f"{base_name(config)}.safetensors"
    if not weights.is_file():
        model, _ = pretrain(config)
        store(model, weights)
    return weights.stat().st_size


def remove_others(names: tuple[str, ...]) -> None:
    """Remove the files of bases that are not among these."""
    kept = {f"{base_name(parse_tiny(name))}.safetensors" for name in names}
    for file in FOLDER.glob("*.safetensors"):
        if file.name not in kept:
            file.unlink()


if __name__ == "__main__":
    main()
