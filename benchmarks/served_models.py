"""How long does an evaluation of a served model take, if each reply takes a second?

A stand-in server on this machine answers every request after ``--latency`` seconds, over real HTTP.
The agent `openai` plays ``--problems`` sums, two turns each, with ``--concurrency`` requests at a
time. The least time that this can take is requests × latency / concurrency.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from stand_in_server import Message, StandInServer

from selfcorrect_agents import ServedConfig, ServedModel
from selfcorrect_env import SelfCorrectEnv, evaluate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds of a reply")
    parser.add_argument("--fault-every", type=int, default=0, help="one in N requests fails (429)")
    options = parser.parse_args()
    rows = [{"prompt": f"{i} + {i}", "reference": str(2 * i)} for i in range(options.problems)]
    every = options.fault_every

    def fault(number: int) -> str:
        return "429" if every and number % every == every - 1 else ""

    with (
        StandInServer(second_thoughts, latency=options.latency, fault=fault) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        agent = ServedModel(ServedConfig(model="stand-in", base_url=server.url))
        wall, cpu = time.perf_counter(), time.process_time()
        report = evaluate(
            agent,
            SelfCorrectEnv(rows),
            concurrency=options.concurrency,
            out=Path(folder) / "run",
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    least = len(server.requests) * options.latency / options.concurrency
    assert len(server.answered) == 2 * options.problems
    assert set(server.answered.values()) == {1}
    assert report.metrics.delta.value == 1.0
    assert not report.metrics.unjudged
    print(
        f"{options.problems} problems × 2 turns, {options.concurrency} at a time, "
        f"{options.latency:g} s a reply: {wall:.1f} s ({len(server.requests)} requests, at least "
        f"{least:.1f} s), {cpu:.1f} s of processor time with the server's"
    )


def second_thoughts(messages: list[Message]) -> str:
    """Answer wrong at first, then right."""
    return "none" if len(messages) == 1 else str(2 * int(messages[0]["content"].split()[0]))


if __name__ == "__main__":
    main()
