"""Write the compare.toml of an embedded task: the main table, or another one from the same search.

- main: the base, every row of the search, and SCoRe's ablations of table 4
- defaults: the base, plain RL, SCoRe and Pair-SFT+ with the package's defaults instead of the
  settings of the search: what the search is worth
- ablations: SCoRe's further ablations, and controls
- beyond: γ = 0.8 with α = 1 (appendix A.2), corrections of the base's first attempts (figure 5,
  here after training, not along it), and inference scaling at equal replies and equal tokens
  (figure 1, right)
- ten-attempts: ten attempts of models that were trained on two (appendix A.1)
- one-reply: RL on a single reply, which may be as long as both attempts together, with as many
  training replies as the rows of two attempts. What it does not use of its tokens is in the table
  of costs: where the answer comes first, working after it can't help that answer
- doubts: bases that get worse at the second attempt greedily, too (arithmetic only)

Each row has the settings that `tune.py` chose for it. The settings of SCoRe's ablations and of the
controls are derived from SCoRe's and from plain RL's, so only the named part differs.

    python benchmarks/write_comparison.py --settings benchmarks/settings/arithmetic.json \\
        > benchmarks/arithmetic.toml
    python benchmarks/write_comparison.py --settings benchmarks/settings/arithmetic.json \\
        --table ablations > benchmarks/further/ablations.toml
    python benchmarks/write_comparison.py --settings benchmarks/settings/arithmetic.json \\
        --task toycode --title "A second task: completing programs" > benchmarks/toycode.toml
    python benchmarks/write_comparison.py --settings benchmarks/settings/arithmetic.json \\
        --equal-compute runs/arithmetic/comparison.json > compute.toml

The second task has no search of its own: every row keeps the settings that were chosen on the
first one, which none of them was tuned for.

Equal compute: every trained row gets as many episodes as cost it what SCoRe's cost in the
comparison named, counted in sampled tokens plus tokens with a gradient, means over its seeds. Rows
that cost as much as SCoRe at equal episodes, within 2%, are left out: they are in the table of the
comparison named. Costs
are taken as proportional to episodes, which those of imitation are not (a fit takes 10,000 pairs at
most). So run it again on the comparison that came out; it prints what each row cost, relative to
SCoRe.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import tyro

from selfcorrect_agents.comparison.results.comparison import read_comparison
from selfcorrect_agents.methods.score import SCoReConfig
from selfcorrect_agents.training.config import flat, from_flat

DOUBTS = 0.9
"""Share of second replies to chains ending in a subtraction that change the answer, in the
pre-training of the bases of the table "doubts"."""

PLUS = "Pair-SFT+, right first replies too"
"""The row of the search that is Pair-SFT+ as it is configured by default."""

ATTEMPTS = 2
"""Of an episode of the search."""

SEEDS = {
    "SelfCorrect-Arithmetic-v0": {"main": 20, "defaults": 10},
    "SelfCorrect-ToyCode-v0": {"main": 10},
}
"""Environment -> table -> number of seeds."""

FURTHER_SEEDS = 5
"""Of every other table, and of every table of another environment."""

TASKS = {
    "toycode": {
        "env": "SelfCorrect-ToyCode-v0",
        "model": "tiny:task=toycode,seed={seed},steps=1200",
        "episodes": 20_480,
    }
}
"""Tasks that settings of another search can be tried on: environment, base models and budget."""

EQUAL_COMPUTE = "Equal compute"
"""Title of a comparison at equal compute."""

SAME_COST = 0.02
"""A row whose cost differs from SCoRe's by at most this share has had equal compute already."""

Rows: TypeAlias = dict[str, tuple[str, dict[str, Any]]]
"""Label -> (agent, fields of its configuration)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Settings, title and size of the comparison."""

    settings: str
    """The file of settings that `tune.py` wrote."""
    title: str = ""
    """Title of the comparison; by default the table's."""
    seeds: tuple[int, ...] = ()
    """Seeds of base models and runs; by default the table's (`SEEDS`)."""
    n: int = 2000
    """Number of held-out problems."""
    arrival: float = 0.9
    """Acc@t2 from which a seed has arrived."""
    table: Literal[
        "main", "defaults", "ablations", "beyond", "ten-attempts", "one-reply", "doubts"
    ] = "main"
    """Which table."""
    task: Literal["searched", "toycode"] = "searched"
    """The task that was searched on, or another one."""
    equal_compute: Path | None = None
    """A comparison.json whose costs decide each row's number of episodes."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    found = json.loads(Path(options.settings).read_text())
    chosen = found["chosen"]
    same = options.task == "searched"
    task = found["options"] if same else TASKS[options.task]
    chosen_on = "the validation split" if same else f"another task, {found['options']['env']}"
    table = TABLES[options.table]
    seeds = options.seeds or seeds_of(task["env"], options.table, options.equal_compute)
    episodes = task["episodes"] * ATTEMPTS // table.attempts
    rows = table.rows(chosen, episodes)
    budgets: dict[str, int] = {}
    if options.equal_compute is not None:
        budgets = budgets_of(options.equal_compute, rows)
        rows = {label: rows[label] for label in budgets}
    title = options.title or (table.title if options.equal_compute is None else EQUAL_COMPUTE)
    lines = [
        f"# Written by write_comparison.py; settings chosen by tune.py on {chosen_on}.",
        f"title = {json.dumps(title, ensure_ascii=False)}",
        f'model = "{task["model"]}{table.base}"',
        f"seeds = {list(seeds)}",
        f"episodes = {episodes}",
        f"n = {options.n}",
        f"arrival = {options.arrival:g}",
        f'env = "{task["env"]}"',
        *table.head,
    ]
    for label, (agent, learning) in rows.items():
        lines += ["", f"[methods.{json.dumps(label, ensure_ascii=False)}]", f'agent = "{agent}"']
        if learning:
            fields = ", ".join(f"{k} = {json.dumps(v)}" for k, v in learning.items())
            lines.append(f"learning = {{{fields}}}")
        if label in budgets:
            lines.append(f"episodes = {budgets[label]}")
    print("\n".join(lines))


def seeds_of(env: str, table: str, equal_compute: Path | None) -> range:
    """Return the seeds of a table."""
    kind = table if equal_compute is None else "equal compute"
    return range(SEEDS.get(env, {}).get(kind, FURTHER_SEEDS))


def budgets_of(path: Path, rows: Rows) -> dict[str, int]:
    """Return the episodes that cost what SCoRe's cost, for each row that costs more or less.

    Raises:
        SystemExit: a row's cost is not known from the file.
    """
    found = {method.name: method for method in read_comparison(path).methods}
    costs: dict[str, tuple[float, float]] = {}
    for name, (agent, _) in rows.items():
        spent = found[name].spent if name in found else None
        if agent == "base":
            continue
        if spent is None or None in (spent.tokens, spent.gradient_tokens, spent.episodes):
            raise SystemExit(f"{path} has no costs of the row {name!r}.")
        total = (spent.tokens or 0) + (spent.gradient_tokens or 0)
        costs[name] = total, spent.episodes or 0
    if "SCoRe" not in costs:
        raise SystemExit(f"The table has no row 'SCoRe', whose cost is the aim: {', '.join(rows)}.")
    aim, _ = costs["SCoRe"]
    for name, (total, _) in costs.items():
        print(f"{name}: {total / aim:.2f} of SCoRe's tokens", file=sys.stderr)
    return {
        name: round(episodes * aim / total)
        for name, (total, episodes) in costs.items()
        if abs(total / aim - 1) > SAME_COST
    }


def main_rows(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return the base, every row that was searched for, and SCoRe's ablations of table 4."""
    rows: Rows = {"base": ("base", {})}
    rows |= {row: (found["method"], found["learning"]) for row, found in chosen.items()}
    score = of_score(chosen, episodes)
    without = score.without_stage_one()
    rate = score.optimization.learning_rate
    return rows | {
        "SCoRe w/o stage I": ("score", changed(without)),
        "SCoRe w/o stage I, its rate": (
            "score",
            changed(replace(without, stage_two_learning_rate=rate)),
        ),
        "SCoRe w/o shaping": ("score", changed(score.without_shaping())),
    }


def defaults(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return the base, and rows of the search with their methods' defaults."""
    fields = {"multi-turn RL, r2 alone": ("first_scale",), PLUS: ("plus", "first_reply")}
    rows: Rows = {"base": ("base", {})}
    for row in ("multi-turn RL", "multi-turn RL, r2 alone", "SCoRe", PLUS):
        found = chosen[row]
        named = {name: found["learning"][name] for name in fields.get(row, ())}
        rows[row] = (found["method"], named)
    return rows


def ablations(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return SCoRe with its further ablations, and the controls."""
    score = of_score(chosen, episodes)
    plain = chosen["multi-turn RL"]["learning"]
    return {
        "base": ("base", {}),
        "SCoRe": ("score", changed(score)),
        "SCoRe, STaR in stage II": ("score", changed(score.with_star())),
        "SCoRe, interleaved twice": ("score", changed(replace(score, rounds=2).within(episodes))),
        "SCoRe, half offline": ("score", changed(replace(score, offline_share=0.5))),
        "control: 1 + α times r2 for the bonus": (
            "score",
            changed(replace(score, shaping="scale")),
        ),
        "control: RL, 1 + α times r2": (
            "multiturn_rl",
            {**plain, "later_scale": 1 + score.alpha},
        ),
    }


def beyond(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return SCoRe with discounts, and what it is compared with."""
    score = of_score(chosen, episodes)
    discounted = replace(score, alpha=1.0, objective=replace(score.objective, gamma=0.8))
    return {
        **two_turns(chosen, episodes),
        "SCoRe, γ = 0.8, α = 1": ("score", changed(discounted)),
        "Pair-SFT": ("sft", chosen["Pair-SFT"]["learning"]),
        "Pair-SFT+": ("sft", chosen["Pair-SFT+"]["learning"]),
        "STaR+": ("star", chosen["STaR+"]["learning"]),
    }


def two_turns(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return the base, plain RL with both rewards, and SCoRe."""
    rows = ("multi-turn RL", "multi-turn RL, r2 alone")
    return {
        "base": ("base", {}),
        **{row: (chosen[row]["method"], chosen[row]["learning"]) for row in rows},
        "SCoRe": ("score", changed(of_score(chosen, episodes))),
    }


def imitation_too(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return the rows of `two_turns`, and the row of imitation that keeps its first attempt."""
    found = chosen[PLUS]
    return {**two_turns(chosen, episodes), PLUS: (found["method"], found["learning"])}


def one_reply(chosen: dict[str, dict[str, Any]], episodes: int) -> Rows:
    """Return the base, and RL on its only reply."""
    learning = chosen["single-turn RL"]["learning"]
    return {"base": ("base", {}), "single-turn RL": ("single_turn_rl", learning)}


def of_score(chosen: dict[str, dict[str, Any]], episodes: int) -> SCoReConfig:
    """Return SCoRe's chosen configuration within the budget."""
    return from_flat(SCoReConfig, chosen["SCoRe"]["learning"]).within(episodes)


def changed(config: SCoReConfig) -> dict[str, Any]:
    """Return the fields that differ from the defaults."""
    default = flat(SCoReConfig())
    return {k: v for k, v in flat(config).items() if v != default[k]}


@dataclass(frozen=True)
class TableKind:
    """What a table has."""

    rows: Callable[[dict[str, dict[str, Any]], int], Rows]
    """Returns its rows, of the chosen settings and the budget."""
    title: str
    """Its title by default."""
    head: tuple[str, ...] = ()
    """Further lines at the top of the file."""
    base: str = ""
    """Further options of the base model."""
    attempts: int = ATTEMPTS
    """Of an episode in training: a table with fewer has more episodes, as many replies in all."""


TABLES = {
    "main": TableKind(main_rows, "Every method of the paper at toy scale"),
    "defaults": TableKind(defaults, "With the default settings"),
    "ablations": TableKind(ablations, "Ablations of SCoRe, and controls"),
    "beyond": TableKind(
        beyond,
        "First attempts of the base, discounts, and more samples",
        (
            'decodings = ["sampled", "greedy", "base_first"]',
            "scaling = {n = 200, samples = 32, temperature = 1.0}",
        ),
    ),
    "ten-attempts": TableKind(
        imitation_too,
        "Ten attempts of models trained on two",
        ("train = {attempts = 2}", "test = {attempts = 10}"),
    ),
    "one-reply": TableKind(
        one_reply, "One long reply", ("attempts = 1", "max_new_tokens = 32"), attempts=1
    ),
    "doubts": TableKind(
        two_turns, "Bases that get worse greedily, too", base=f",doubts={DOUBTS:g}"
    ),
}


if __name__ == "__main__":
    main()
