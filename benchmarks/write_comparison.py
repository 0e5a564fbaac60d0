"""Write the compare.toml of an embedded task, with a row for every method, ablation and control.

Each method has the settings that `tune.py` chose for it. The settings of SCoRe's ablations and of
the controls are derived from SCoRe's, so only the named part differs.

    python benchmarks/write_comparison.py --settings benchmarks/settings/arithmetic.json \\
        > benchmarks/arithmetic.toml
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.training.config import flat, from_flat


@dataclass(frozen=True, kw_only=True)
class Options:
    """Settings, title and size of the comparison."""

    settings: str
    """The file of settings that `tune.py` wrote."""
    title: str = "Every method of the paper at toy scale"
    """Title of the comparison."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of base models and runs."""
    n: int = 2000
    """Number of held-out problems."""
    controls: bool = True
    """Whether to add rows for the controls."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    found = json.loads(Path(options.settings).read_text())
    tuning, chosen = found["options"], found["chosen"]
    rows = methods(chosen, tuning["episodes"], options.controls)
    env = tuning["env"]
    lines = [
        "# Written by write_comparison.py; settings chosen by tune.py on the validation split.",
        f"title = {json.dumps(options.title)}",
        f'model = "{tuning["model"]}"',
        f"seeds = {list(options.seeds)}",
        f"episodes = {tuning['episodes']}",
        f"n = {options.n}",
        f'env = "{env}"',
        'scaling = {n = 200, samples = 32, temperature = 1.0, methods = ["base", '
        '"multi-turn RL", "SCoRe"]}',
    ]
    for label, (agent, learning) in rows.items():
        lines += ["", f"[methods.{json.dumps(label, ensure_ascii=False)}]", f'agent = "{agent}"']
        if learning:
            fields = ", ".join(f"{k} = {json.dumps(v)}" for k, v in learning.items())
            lines.append(f"learning = {{{fields}}}")
    print("\n".join(lines))


def methods(
    chosen: dict[str, dict[str, Any]], episodes: int, controls: bool
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every row: label -> (agent, fields of its configuration)."""
    score = from_flat(SCoReConfig, chosen["score"]).within(episodes)
    rows: dict[str, tuple[str, dict[str, Any]]] = {
        "base": ("base", {}),
        "STaR": ("star", chosen["star"]),
        "STaR+": ("star", chosen["star+"]),
        "Pair-SFT": ("sft", chosen["sft"]),
        "Pair-SFT+": ("sft", chosen["sft+"]),
        "RISE": ("rise", chosen["rise"]),
        "single-turn RL": ("single_turn_rl", chosen["single_turn_rl"]),
        "multi-turn RL": ("multiturn_rl", chosen["multiturn_rl"]),
        "SCoRe": ("score", changed(score)),
        "SCoRe w/o stage I": ("score", changed(score.without_stage_one())),
        "SCoRe w/o shaping": ("score", changed(score.without_shaping())),
        "SCoRe, STaR in stage II": ("score", changed(score.with_star())),
        "SCoRe, interleaved twice": ("score", changed(replace(score, rounds=2).within(episodes))),
        "SCoRe, half offline": ("score", changed(replace(score, offline_share=0.5))),
    }
    if controls:
        shared = ("problems_per_step", "learning_rate", "beta_1")
        plain = {field: flat(score)[field] for field in shared}
        if plain != chosen["multiturn_rl"]:  # otherwise the row exists already
            rows["control: RL, SCoRe's KL"] = ("multiturn_rl", plain)
        rows |= {
            "control: RL, r2 alone": ("multiturn_rl", {**plain, "first_scale": 0.0}),
            "control: RL, SCoRe's KL, 11 r2": (
                "multiturn_rl",
                {**plain, "later_scale": 1 + score.alpha},
            ),
            "control: 11 r2 for the bonus": ("score", changed(replace(score, shaping="scale"))),
        }
    return rows


def changed(config: SCoReConfig) -> dict[str, Any]:
    """Return the fields that differ from the defaults."""
    default = flat(SCoReConfig())
    return {k: v for k, v in flat(config).items() if v != default[k]}


if __name__ == "__main__":
    main()
