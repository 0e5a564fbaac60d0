"""Trials: training runs of the embedded tasks, in several processes, with stored results.

Shared by the scripts that need many trials. A trial is determined by its fields and by the weights
of its base; its result is a line of a JSON Lines file, so a script that was stopped resumes where
it was. A result of other weights under the same name is not used.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfcorrect_agents.comparison.plan.content_hashes import weights_of
from selfcorrect_env.evaluation import progress_display


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One method, trained once from one base model and measured once."""

    method: str
    """A method's name, or ``base``."""
    model: str
    """The base model, such as ``tiny:seed=100``."""
    env: str
    """An environment's id."""
    split: str
    """The split to evaluate on; training uses ``train``."""
    episodes: int
    """Training budget."""
    learning: dict[str, Any] = field(default_factory=dict)
    """Fields of the method's configuration that differ from its defaults."""
    problems: int = 1000
    """Number of problems to evaluate on, sampled at T = 1."""

    @property
    def key(self) -> str:
        """An identifier that is unique among trials."""
        return json.dumps(asdict(self), sort_keys=True)


def run_trials(trials: Iterable[Trial], path: Path, *, jobs: int) -> dict[str, dict[str, Any]]:
    """Run the trials that are not in ``path``, ``jobs`` at a time; return all results by key.

    Raises:
        RuntimeError: a trial failed. Those that were running then are finished and stored.
    """
    results = read_results(path)
    missing = list({t.key: t for t in trials if t.key not in results}.values())
    if not missing:
        return results
    path.parent.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    with (
        progress_display() as bar,
        ProcessPoolExecutor(jobs, mp_context=spawn) as pool,
    ):
        models = list(dict.fromkeys(trial.model for trial in missing))
        task = bar.add_task("base models", total=len(models))
        for done in as_completed([pool.submit(prepare_base, model) for model in models]):
            done.result()
            bar.advance(task)
        task = bar.add_task("trials", total=len(missing))
        waiting = {pool.submit(run_trial, trial): trial for trial in missing}
        failed: tuple[Trial, BaseException] | None = None
        for done in as_completed(waiting):
            if done.cancelled():
                continue
            trial, error = waiting[done], done.exception()
            if error is not None:
                failed = failed or (trial, error)
                for other in waiting:
                    other.cancel()  # those that are running go on
                continue
            results[trial.key] = done.result()
            line = {"trial": asdict(trial), "base": weights_of(trial.model)}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**line, "result": done.result()}) + "\n")
            bar.advance(task)
    if failed is not None:
        raise RuntimeError(f"A trial failed: {failed[0]}") from failed[1]
    return results


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Return the results in a file, by the keys of their trials; those of other weights left out.

    Raises:
        ValueError: a line does not say which weights its base had.
    """
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    if any("base" not in row for row in rows):
        raise ValueError(f"{path} has results that don't name their base's weights: move it away.")
    bases = {name: weights_of(name) for name in {row["trial"]["model"] for row in rows}}
    same = [row for row in rows if row["base"] == bases[row["trial"]["model"]]]
    if len(same) < len(rows):
        print(f"{path}: {len(rows) - len(same)} of {len(rows)} results are of other base weights")
    return {Trial(**row["trial"]).key: row["result"] for row in same}


def prepare_base(model: str) -> None:
    """Pre-train a base model unless it is in the cache."""
    from selfcorrect_agents.lm.loading import load_policy

    load_policy(model)


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train and evaluate in this process; return JSON-serialisable metrics (shares in [0, 1])."""
    import gymnasium as gym
    import torch
    import transformers

    from selfcorrect_agents.lm.agent import LanguageModelAgent
    from selfcorrect_agents.lm.loading import load_policy
    from selfcorrect_agents.training.config import from_flat
    from selfcorrect_agents.training.method_lookup import find_method
    from selfcorrect_env import evaluate

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    policy = load_policy(trial.model)
    started, history = time.process_time(), []
    if trial.method != "base":
        method: Any = find_method(trial.method)
        config = from_flat(method.Learning, trial.learning).within(trial.episodes)
        env: Any = gym.make(trial.env, split="train").unwrapped
        history = method(policy).learn(env, config)
    seconds = time.process_time() - started
    agent = LanguageModelAgent(policy, max_new_tokens=16, temperature=1.0, seed=1)
    measured = gym.make(trial.env, split=trial.split)
    report = evaluate(agent, measured, n=trial.problems, batch_size=500)
    m = report.metrics
    turns = range(1, len(m.accuracy) + 1)
    ends = [e.attempts[0].reply[-1:] == e.problem.reference for e in report.episodes]
    return {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        **{f"t{t}": m.accuracy[t - 1].value for t in turns},
        "delta": m.delta.value,
        "i_to_c": m.delta_i_to_c.value,
        "c_to_i": m.delta_c_to_i.value,
        "unchanged": m.unchanged_answers.value,
        "ends_right": sum(ends) / len(ends),
        "episodes": history[-1]["episodes"] if history else 0,
        "seconds": round(seconds, 1),
        "curve": [
            [row["episodes"], *(round(row[f"t{t}/accuracy"], 4) for t in turns)]
            for row in history
            if f"t{len(turns)}/accuracy" in row
        ],
    }
