"""What the sandbox is given and what it returns: a `Job` and its `Outcome`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A program and the tests that judge it."""

    source: str
    """The program's Python source code."""
    tests: tuple[str, ...]
    """Pieces of Python code, run in order; each raises if the program is wrong."""
    names: tuple[str, ...]
    """The names in the program that the tests use."""
    setup: str = ""
    """Python code that runs before the tests, in the checker."""
    stdin: str | None = None
    """If it is given, there are no tests: the program is run as a script with this input, and the
    outcome holds its output (`selfcorrect_env.sandbox.standard_streams`)."""
    classes: tuple[str, ...] = ()
    """Those of the names that are classes: their objects answer ``in`` by themselves."""


@dataclass(frozen=True)
class Outcome:
    """The result of a job."""

    passed: int
    """Number of tests that passed."""
    total: int
    """Number of tests."""
    failed: str = ""
    """The message of the first test that failed; "" if none did."""
    timeout: bool = False
    """Whether the program was stopped at its deadline."""
    memory: bool = False
    """Whether the program exceeded its memory limit."""
    broken: str = ""
    """A failure of the sandbox itself; then the outcome implies nothing about the program."""
    output: str = ""
    """What a script printed; it ended by itself, with exit status 0, unless ``failed`` says how."""

    cause: str = ""
    """Whose failure it is (`selfcorrect_env.sandbox.checker.check`); "" if there is none."""

    @property
    def right(self) -> bool:
        """Whether every test passed."""
        return 0 < self.total == self.passed and not (self.failed or self.timeout or self.broken)
