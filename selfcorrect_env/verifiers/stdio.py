"""Programs that read standard input and write standard output, judged by what they print."""

from __future__ import annotations

import ast
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from selfcorrect_env.sandbox import Backend, Isolation, Job, open_backend
from selfcorrect_env.sandbox.pool import MEBIBYTE
from selfcorrect_env.types import Problem, Reason, Verdict
from selfcorrect_env.verifiers.answer_format import AnswerFormat
from selfcorrect_env.verifiers.base import failed
from selfcorrect_env.verifiers.code import CodeVerifier
from selfcorrect_env.verifiers.code.blocks import parts_of, readings, tagged
from selfcorrect_env.verifiers.code.programs import LONGEST
from selfcorrect_env.verifiers.code.syntax import Parser
from selfcorrect_env.verifiers.output_match import difference
from selfcorrect_env.verifiers.thoughts import without_thoughts


class StdioVerifier:
    """Runs the program of a reply once for each input, and compares what it prints.

    A problem whose metadata have ``inputs`` and ``outputs`` (lists of as many texts) is judged so;
    one whose metadata have ``tests`` and ``names`` is judged by `CodeVerifier`, since sets such as
    APPS and LiveCodeBench have both kinds. The program is the last Python code block of the reply
    that calls something, else the last that is valid, else the whole reply. It runs as
    ``__main__`` in a fresh process of the sandbox for each input, and the first input whose
    output is not the expected one ends the judgement. What is expected never enters that process.
    How outputs are compared: `selfcorrect_env.verifiers.output_match`.

    Verdicts: ``correct`` if every output is right and the program ended by itself, with exit
    status 0; ``wrong``, with the number of the test and how it failed; ``no answer``; ``timeout``
    if the program exceeded its time or memory at one input; ``error`` if the sandbox failed.

    Args:
        deadline: seconds for each input, > 0.
        workers: number of programs that run at the same time, ≥ 1.
        memory_mb: address space of a program, in MiB.
        tolerance: by how much a printed number may differ from the expected one, absolutely or
            relative to it, ≥ 0; by default numbers are compared exactly.
        isolation: as in `CodeVerifier`.
        backend: as in `CodeVerifier`.

    Raises:
        SandboxError: this machine does not support the requested isolation.
        ValueError: the tolerance is negative.
    """

    name = "stdio"
    answer_format = AnswerFormat(hedge=None, expressions=False)  # a program is one answer

    def __init__(
        self,
        deadline: float = 5.0,
        workers: int = 2,
        memory_mb: int = 512,
        tolerance: float = 0.0,
        isolation: Isolation = "strong",
        backend: str | Backend = "local",
    ) -> None:
        if not tolerance >= 0:
            raise ValueError(f"tolerance must be at least 0, got {tolerance!r}.")
        self._arguments = (deadline, workers, memory_mb, tolerance, isolation, backend)
        self._workers, self._tolerance = workers, tolerance
        self._functions = CodeVerifier(deadline, workers, memory_mb, isolation, backend)
        self._sandbox = open_backend(
            backend,
            deadline=deadline,
            workers=workers,
            memory=memory_mb * MEBIBYTE,
            isolation=isolation,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return StdioVerifier, self._arguments  # a copy has its own processes

    def __repr__(self) -> str:
        deadline, workers, _, tolerance, isolation, _ = self._arguments
        return (
            f"StdioVerifier(deadline={deadline:g}, workers={workers}, tolerance={tolerance:g}, "
            f"isolation={isolation!r})"
        )

    def verify(self, problem: Problem, response: str) -> Verdict:
        """Judge one response; thread-safe."""
        return self.verify_batch([problem], [response])[0]

    def verify_batch(self, problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
        """Judge many responses, ``workers`` at a time."""
        pairs = list(zip(problems, responses, strict=True))
        functions = [i for i, (problem, _) in enumerate(pairs) if "tests" in problem.metadata]
        found = dict(
            zip(
                functions,
                self._functions.verify_batch(
                    [problems[i] for i in functions], [responses[i] for i in functions]
                ),
                strict=True,
            )
        )
        scripts = [i for i in range(len(pairs)) if i not in found]
        found |= dict(zip(scripts, self._judge_all([pairs[i] for i in scripts]), strict=True))
        return [found[i] for i in range(len(pairs))]

    def close(self) -> None:
        """Kill the sandbox's idle processes; they start again when needed."""
        self._sandbox.close()
        self._functions.close()

    def _judge_all(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        stopped = threading.Event()
        if len(pairs) < 2 or self._workers == 1:
            return [self._judge(pair[0], pair[1], stopped) for pair in pairs]
        with ThreadPoolExecutor(min(self._workers, len(pairs))) as threads:
            try:
                return list(threads.map(lambda pair: self._judge(pair[0], pair[1], stopped), pairs))
            except BaseException:  # Ctrl-C: the threads end with the input that they are at
                stopped.set()
                raise

    def _judge(self, problem: Problem, response: str, stopped: threading.Event) -> Verdict:
        inputs, outputs = (problem.metadata.get(key) for key in ("inputs", "outputs"))
        if not inputs or not outputs or len(inputs) != len(outputs):
            return failed(
                f"problem {problem.id!r} has no standard input to run on: its metadata need as "
                "many 'outputs' as 'inputs', at least one"
            )
        program = script_of(response)
        if program is None:
            return Verdict(0.0, Reason.NO_ANSWER)
        if len(program) > LONGEST:
            detail = f"a program of {len(program):,} characters; more than {LONGEST:,} are not run"
            return Verdict(0.0, Reason.WRONG, program[:100], detail)
        for number, (given, expected) in enumerate(zip(inputs, outputs, strict=True), start=1):
            if stopped.is_set():
                return failed("the judgement was interrupted")
            outcome = self._sandbox.run_all([Job(program, (), (), stdin=given)])[0]
            if outcome.broken:
                return failed(outcome.broken)
            detail = outcome.failed or difference(outcome.output, expected, self._tolerance)
            if detail:
                reason = Reason.TIMEOUT if outcome.timeout or outcome.memory else Reason.WRONG
                text = f"test {number} of {len(inputs)}: {' '.join(detail.split())}"
                return Verdict(0.0, reason, program, text)
        return Verdict(1.0, Reason.CORRECT, program)


def script_of(response: str) -> str | None:
    """Return the program in a reply, or None if the reply has no text that could be one.

    It is the last code block that is valid Python and calls something (an example of an output is
    often valid Python, and calls nothing); else the last that is valid; else the last one; without
    a code block the text, or the text between tags. Thoughts are left out.

    >>> script_of("Sum:\\n```python\\nprint(int(input()) + 1)\\n```\\nExample:\\n```\\n3\\n```")
    'print(int(input()) + 1)\\n'
    """
    text = without_thoughts(response).replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if len(text) > LONGEST:
        return text
    parser = Parser()
    parts = parts_of(text, parser)
    sources = list(parts.blocks) if parts.fenced else tagged(parts.rest, parser)
    valid: list[str] = []
    for source in reversed(sources):
        for reading in readings(source):
            tree = parser.parse(reading)
            if tree is not None and any(isinstance(node, ast.Call) for node in ast.walk(tree)):
                return reading
            if tree is not None:
                valid.append(reading)
                break
    return next(iter([*valid, *reversed(sources)]), None)
