"""A process of a comparison: trains and measures one cell after another.

Reads each cell as a line of JSON from standard input, which stays open: when the scheduler closes
it, or ends, the running cell stops as by Ctrl-C and saves its state. A cell is finished when its
done.json is there. One that fails ends the process, so the next cell starts in a fresh one.
"""

from __future__ import annotations

import _thread
import gc
import json
import os
import queue
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from selfcorrect_agents.comparison.plan.base_model import to_play, trained_in
from selfcorrect_agents.comparison.plan.cells import Cell, write_identity
from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent
from selfcorrect_agents.comparison.plan.config import BASE_FIRST, TEMPERATURES
from selfcorrect_agents.comparison.plan.environments import (
    make_env,
    make_held_out_env,
    make_training_env,
)
from selfcorrect_agents.comparison.results.clock import Clock
from selfcorrect_agents.comparison.results.processor import PROCESSOR_FILE, add_processor
from selfcorrect_agents.comparison.results.sampling import sample_many
from selfcorrect_agents.comparison.run.base_first import BaseFirst
from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.loading import load_policy
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.training.run_folder import RunFolder, read_metrics
from selfcorrect_agents.training.saving import save_trained
from selfcorrect_env import Agent, AsyncAgent, Report, SelfCorrectError, evaluate
from selfcorrect_env.evaluation import REPORT_FILE, AnyEnv

METRICS, TRAINED = "run/metrics.jsonl", "trained.json"


def work(cell: Cell, folder: Path) -> None:
    """Train and measure a cell in this process; resumes an interrupted one.

    Args:
        cell: what is trained and measured.
        folder: its folder, which exists.
    """
    compared_agent = cell.compared_agent()
    clock = Clock(folder / "seconds.json")
    policy: Policy | None = None
    if compared_agent.trains:
        with clock.spent_on("training"):
            policy = train(cell, compared_agent, folder)
    add_processor(folder / PROCESSOR_FILE)
    with clock.spent_on("measuring"):
        measure(cell, compared_agent, policy, folder)
    write_identity(cell, folder, "done.json")


def train(cell: Cell, compared_agent: ComparedAgent, folder: Path) -> Policy:
    """Train the cell's method, unless that is finished, and load the trained policy.

    What was trained is saved by `save_trained`, and always read back from the disk, so that an
    interrupted cell is measured like an uninterrupted one.

    Raises:
        LearningError: there is no policy to save; see `save_trained`.
    """
    run_folder, trained = folder / "run", folder / TRAINED
    if trained.exists():
        return load_policy(trained_in(str(run_folder / "model"), cell.model))
    policy = load_policy(cell.model, train=True)
    env, apart = make_training_env(cell.train), make_held_out_env(cell.train, cell.learning())
    held_out: dict[str, Any] = {} if apart is None else {"held_out": apart}
    problems = {} if apart is None else {"held_out_problems": apart.problems.fingerprint}
    run = RunFolder.of(
        run_folder,
        cell.method.agent,
        cell.learning(),
        env,
        model=cell.model.model,
        metadata={**cell.identity["training"], **problems},
        resume=True,
        episodes_every=0,
    )
    if not run.checkpoints.exists():
        run.rewind(0)  # a method without checkpoints starts over, and so does its log
    agent = compared_agent.of_policy(policy, _settings(cell, temperature=1.0))
    try:
        history = agent.learn(env, cell.learning(), run=run, progress=False, **held_out) or []
    finally:
        run.close()
        env.close()
        if apart is not None:
            apart.close()
    run.start()
    metrics = folder / METRICS
    if not (metrics.exists() and read_metrics(metrics)):  # a method that logs nothing itself
        _log(run, history)
    save_trained(agent, policy, run)
    trained.write_text(json.dumps({"steps": len(history)}) + "\n", "utf-8")
    del agent, policy
    gc.collect()  # its cycles would keep the weights beside those that are loaded now
    return load_policy(trained_in(str(run.model), cell.model))


def measure(cell: Cell, compared_agent: ComparedAgent, policy: Policy | None, folder: Path) -> None:
    """Measure the cell's agent in every decoding, and draw the samples for scaling.

    Args:
        cell: what is measured.
        compared_agent: its agent.
        policy: the trained policy; None if the agent does not train.
        folder: the cell's folder.
    """

    def agent(temperature: float, seed: int) -> Agent:
        settings = _settings(cell, temperature=temperature, seed=seed)
        if policy is None:
            return compared_agent.untrained(settings)
        return compared_agent.of_policy(policy, settings)

    def decoded(name: str) -> Agent:
        playing = agent(TEMPERATURES[name], cell.seed)
        return BaseFirst(_base(cell), playing) if name == BASE_FIRST else playing

    env = make_env(cell.test)
    try:
        reports = []
        for name in cell.decodings:
            reports.append(_evaluate(cell, decoded(name), env, name, folder))
            gc.collect()  # the base of one decoding holds a cycle with its weights
        if cell.scaling is not None:
            temperature = cell.scaling.temperature
            sample_many(
                lambda seed: agent(temperature, seed),
                env,
                cell.scaling,
                folder / "scaling",
                problems=min(cell.scaling.n, reports[0].measured.size),
                seed=cell.seed,
                batch_size=cell.batch_size,
            )
    finally:
        env.close()


def _base(cell: Cell) -> Agent:
    """Return the untrained base model, which samples first attempts by the cell's seed."""
    return LanguageModelAgent(
        load_policy(to_play(cell.model)),
        max_new_tokens=cell.max_new_tokens,
        temperature=TEMPERATURES[BASE_FIRST],
        seed=cell.seed,
    )


def _evaluate(cell: Cell, agent: Agent, env: AnyEnv, decoding: str, folder: Path) -> Report:
    out = folder / decoding
    resumes = isinstance(agent, AsyncAgent)  # its replies do not depend on those before
    if out.exists() and not resumes and not (out / REPORT_FILE).exists():
        # interrupted: an agent that resumed after its episodes would draw other replies
        shutil.rmtree(out)
    settings = _settings(cell, temperature=TEMPERATURES[decoding])
    return evaluate(
        agent,
        env,
        n=cell.n,
        batch_size=cell.batch_size,
        name=cell.name,
        settings={"agent": cell.method.agent, **settings},
        out=out,
    )


def _settings(cell: Cell, *, temperature: float, seed: int | None = None) -> dict[str, Any]:
    return cell.play_settings(temperature=temperature, seed=cell.seed if seed is None else seed)


def _log(run: RunFolder, history: list[dict[str, float]]) -> None:
    for step, metrics in enumerate(history, start=1):
        run.log(step, {key: value for key, value in metrics.items() if key != "step"})
    run.close()


class Tasks:
    """The lines of standard input, as they come; when it ends, a running task is stopped."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._running = self._ended = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        self._lines.put(None)
        self._ended = True
        if self._running:
            _thread.interrupt_main()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (line := self._lines.get()) is not None:
            self._running = True
            if self._ended:  # before the task was begun, so nothing has interrupted it
                return
            yield json.loads(line)
            self._running = False


def run(tasks: Iterable[Mapping[str, Any]]) -> None:
    """Work on each task; the cells of a process change nothing of each other's results."""
    for task in tasks:
        cell, folder = Cell.from_dict(task["cell"]), Path(task["folder"])
        _write_output_to(folder / "log.txt")
        torch.set_num_threads(1)
        torch.manual_seed(cell.seed)  # for agents that use torch's own generator
        work(cell, folder)
        gc.collect()  # models hold cycles, and the next cell loads its own


def _write_output_to(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def main() -> int:
    """Entry of the process; its exit status."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        run(Tasks())
    except SelfCorrectError as error:  # the message is enough
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
