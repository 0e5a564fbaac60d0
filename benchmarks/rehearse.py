"""Does a whole comparison run from end to end? A small copy of it, on a small model.

    python benchmarks/rehearse.py benchmarks/sums.toml --model path/to/SmolLM2-135M-Instruct
    python benchmarks/rehearse.py benchmarks/recipes/qwen2.5-1.5b-math.toml --problems procedural \\
        --model path/to/SmolLM2-135M-Instruct

Every row of the file is trained and measured with one seed: with `--share` of the episodes and of
the held-out problems, one problem of two samples a step, two problems in each evaluation in the
course of training, and short replies. A row whose method
needs more steps than that (SCoRe with a warm start takes four) gets them, and so do all others. The
copy is written to `--out`, and then run by `selfcorrect compare`. It shows that everything works;
its scores say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from selfcorrect_agents.cli.comparison_run import compare
from selfcorrect_agents.comparison.plan.cells import Cell, plan
from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent
from selfcorrect_agents.comparison.plan.config import CompareConfig, MethodConfig, read_config
from selfcorrect_agents.flat_config import flat_fields

SAMPLES = 2
"""Episodes of a problem in one step: the least that have a baseline."""
SMALLEST = {"problems_per_step": 1, "samples": SAMPLES, "eval_problems": 2}
"""Settings of a method -> what a small copy sets them to."""


@dataclass(frozen=True)
class Options:
    """Which comparison, and how small."""

    file: tyro.conf.Positional[Path]
    """A compare.toml."""
    model: str
    """The small model: a folder, a Hugging Face id, a .gguf file, or "tiny"."""
    share: float = 0.01
    """Share of the training episodes and of the held-out problems."""
    max_new_tokens: int = 24
    """Token cap of one reply."""
    problems: str | None = None
    """Another problem set, for machines without the file's own."""
    dtype: str = "float32"
    """Precision of the forward pass."""
    out: str = "runs/rehearsal"
    """The folder of the results."""


def main() -> int:
    """Write the small copy and run it; returns the exit status of the comparison."""
    options = tyro.cli(Options, description=__doc__)
    return compare(small_copy(options), Path(options.out))


def small_copy(options: Options) -> CompareConfig:
    """Return the comparison of a file at a small size, of as many steps as its rows need."""
    config = read_config(options.file)
    config = replace(
        config,
        title=f"Rehearsal: {config.title}",
        seeds=config.seeds[:1],
        n=max(2, round(options.share * config.n)),
        max_new_tokens=options.max_new_tokens,
        model={**config.model, "model": options.model, "dtype": options.dtype},
        train=replace(config.train, options=with_problems(config.train.options, options.problems)),
        test=replace(config.test, options=with_problems(config.test.options, options.problems)),
        methods=tuple(
            replace(method, learning=small_steps(method), episodes=None)
            for method in config.methods
        ),
        scaling=config.scaling and replace(config.scaling, n=2),
    )
    wanted = max(SAMPLES, round(options.share * (config.episodes or 0)))
    needed = max(map(least_episodes, plan(replace(config, episodes=None))))
    return replace(config, episodes=max(wanted, needed))


def with_problems(options: Any, problems: str | None) -> dict[str, Any]:
    """Return an environment's options with another problem set, if one is given."""
    return dict(options) if problems is None else {**options, "problems": problems}


def small_steps(method: MethodConfig) -> dict[str, Any]:
    """Return a method's settings with the smallest steps; those of the base are none."""
    agent = ComparedAgent.find(method)
    fields = flat_fields(agent.found.Learning) if agent.trains else {}
    return {**method.learning, **{name: n for name, n in SMALLEST.items() if name in fields}}


def least_episodes(cell: Cell) -> int:
    """Return the smallest budget that the method of a cell accepts."""
    learning = cell.learning()
    if learning is None:
        return 0
    for steps in range(1, learning.total_steps + 1):
        try:
            return learning.within(steps * learning.episodes_per_step).episodes
        except ValueError:
            continue
    return learning.episodes


if __name__ == "__main__":
    raise SystemExit(main())
