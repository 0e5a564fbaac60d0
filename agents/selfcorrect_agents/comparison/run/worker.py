"""The process of one cell: trains its method and measures it.

Reads the cell as one line of JSON from standard input, which stays open as a leash: when the
scheduler closes it, or is gone, the process stops as by Ctrl-C, with what it has on the disk.
"""

from __future__ import annotations

import _thread
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import torch
import transformers

from selfcorrect_agents.comparison.plan.cells import Cell, facts_of, write_facts
from selfcorrect_agents.comparison.plan.config import DECODINGS
from selfcorrect_agents.comparison.plan.contestants import Contestant, play_settings
from selfcorrect_agents.comparison.plan.environments import make_env, make_training_env
from selfcorrect_agents.comparison.results.clock import Clock
from selfcorrect_agents.comparison.results.sampling import sample_many
from selfcorrect_agents.errors import ComparisonError
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.run_folder import RunFolder
from selfcorrect_env import Agent, Report, SelfCorrectError, evaluate
from selfcorrect_env.evaluation import REPORT_FILE, AnyEnv

METRICS, TRAINED = "run/metrics.jsonl", "trained.json"


def work(cell: Cell, place: Path) -> None:
    """Make a cell in this process; goes on where an interrupted one stopped.

    Args:
        cell: what is trained and measured.
        place: its folder, which exists.
    """
    contestant = cell.contestant()
    clock = Clock(place / "seconds.json")
    policy: Policy | None = None
    if contestant.trains:
        with clock.spent_on("training"):
            policy = train(cell, contestant, place)
    with clock.spent_on("measuring"):
        measure(cell, contestant, policy, place)
    write_facts(cell, place, "done.json")


def train(cell: Cell, contestant: Contestant, place: Path) -> Policy:
    """Train the cell's method, unless it has learnt already, and load what it has become.

    That is ``run/model`` as the method wrote it; where it wrote none, its agent's attribute
    ``policy``; where it has none, the policy that it was given. It is read back from the disk
    either way, so that a cell is measured alike, whether it was interrupted or not.

    Raises:
        ComparisonError: the agent's ``policy`` is no `Policy`, and it wrote no ``run/model``.
    """
    run_folder, trained = place / "run", place / TRAINED
    if trained.exists():
        return load_policy(run_folder / "model", device=cell.device)
    policy = load_policy(cell.model, device=cell.device)
    run = RunFolder(run_folder, facts_of(cell)["training"], resume=True, episodes_every=0)
    if not run.checkpoints.exists():
        run.rewind(0)  # a method that keeps no checkpoints starts over, and so does its log
    agent = contestant.of_policy(policy, _settings(cell, temperature=1.0))
    env = make_training_env(cell.train)
    try:
        history = agent.learn(env, cell.learning(), run=run, progress=False)
    finally:
        run.close()
        env.close()
    if not (place / METRICS).exists():  # a method that logs nothing itself
        _log(run, history)
    if not run.model.exists():
        _save(_learnt(agent, policy, cell), run.model)
    trained.write_text(json.dumps({"steps": len(history)}) + "\n", "utf-8")
    return load_policy(run.model, device=cell.device)


def _learnt(agent: Any, given: Policy, cell: Cell) -> Policy:
    policy = getattr(agent, "policy", given)
    if not isinstance(policy, Policy):
        raise ComparisonError(
            f"{cell.method.agent!r} has learnt, but its attribute policy is a "
            f"{type(policy).__name__}, not a selfcorrect_agents.lm.policy.Policy. Make it one, or "
            "let learn write run.model (a folder as save_pretrained writes it)."
        )
    return policy


def _save(policy: Policy, folder: Path) -> None:
    """Write a policy whole or not at all."""
    written = folder.with_name(f".{folder.name}")
    if written.exists():  # of a process that was killed
        shutil.rmtree(written)
    policy.save_pretrained(written)
    written.rename(folder)


def measure(cell: Cell, contestant: Contestant, policy: Policy | None, place: Path) -> None:
    """Measure the cell's agent in every decoding, and sample it many times where asked for.

    Args:
        cell: what is measured.
        contestant: its method.
        policy: what it has become; None where it does not train.
        place: the cell's folder.
    """

    def agent(temperature: float, seed: int) -> Agent:
        settings = _settings(cell, temperature=temperature, seed=seed)
        if policy is None:
            return contestant.untrained(settings)
        return contestant.of_policy(policy, settings)

    env = make_env(cell.test)
    try:
        reports = [
            _evaluate(cell, agent(DECODINGS[name], cell.seed), env, name, place)
            for name in cell.decodings
        ]
        if cell.scaling is not None:
            temperature = cell.scaling.temperature
            sample_many(
                lambda seed: agent(temperature, seed),
                env,
                cell.scaling,
                place / "scaling",
                problems=min(cell.scaling.problems, reports[0].measured.size),
                seed=cell.seed,
                batch_size=cell.batch_size,
            )
    finally:
        env.close()


def _evaluate(cell: Cell, agent: Agent, env: AnyEnv, decoding: str, place: Path) -> Report:
    out = place / decoding
    if out.exists() and not (out / REPORT_FILE).exists():
        # interrupted: going on after its episodes, an agent would draw others than without a stop
        shutil.rmtree(out)
    settings = _settings(cell, temperature=DECODINGS[decoding])
    return evaluate(
        agent,
        env,
        n=cell.problems,
        batch_size=cell.batch_size,
        name=cell.name,
        settings={"agent": cell.method.agent, **settings},
        out=out,
    )


def _settings(cell: Cell, *, temperature: float, seed: int | None = None) -> dict[str, Any]:
    return play_settings(
        cell.method,
        model=cell.model,
        device=cell.device,
        max_new_tokens=cell.max_new_tokens,
        temperature=temperature,
        seed=cell.seed if seed is None else seed,
    )


def _log(run: RunFolder, history: list[dict[str, float]]) -> None:
    for step, figures in enumerate(history, start=1):
        run.log(step, {key: value for key, value in figures.items() if key != "step"})
    run.close()


def stop_when_let_go() -> None:
    """Stop this process, as Ctrl-C would, once standard input ends."""

    def wait() -> None:
        sys.stdin.read()
        _thread.interrupt_main()

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Entry of a cell's process; its exit status."""
    task = json.loads(sys.stdin.readline())
    stop_when_let_go()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    try:
        work(Cell.from_dict(task["cell"]), Path(task["place"]))
    except SelfCorrectError as error:  # a mistake that is explained needs no trace
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
