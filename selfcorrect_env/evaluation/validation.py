"""`validate`: check that the reward of an environment can be trusted.

Every problem goes through `CHECKS`, and each failure becomes a `Finding`: a bad reference answer
of a public data set is listed, not hidden.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.evaluation.episode_files import replacing
from selfcorrect_env.evaluation.tables import as_text
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.types import Conversation, Problem, Verdict
from selfcorrect_env.verifiers import AnswerFormat, answer_format, judge

if TYPE_CHECKING:
    from rich.console import RenderableType

BATCH = 64
"""Replies that are judged together."""

SHOWN = 10
"""Findings of one check that the printed report shows; the file has them all."""


@dataclass(frozen=True)
class Finding:
    """Something that a check found wrong with a problem, or with the environment as a whole."""

    problem_id: str
    """The problem's id; "" for the environment as a whole."""
    what: str
    """One line: what was checked, and the result."""


@dataclass(frozen=True)
class Check:
    """One question that was asked of every problem."""

    name: str
    """Its short name."""
    claim: str
    """What must hold."""
    tried: int
    """How often it was tried."""
    findings: tuple[Finding, ...]
    """Where it did not hold."""

    @property
    def outcome(self) -> str:
        """``"ok"``, the number of findings, or ``"not tried"`` if nothing could be checked."""
        if self.findings:
            return f"{len(self.findings):,}"
        return "ok" if self.tried else "not tried"


@dataclass(frozen=True)
class Validation:
    """What `validate` found; ``print(validation)`` shows it."""

    problem_set: str
    split: str
    size: int
    """Number of problems in the whole set."""
    fingerprint: str
    validated: int
    """Number of problems that were checked: the first N."""
    verifier: str
    prompts: str
    attempts: int
    seconds: float
    """How long it took, wall clock."""
    checks: tuple[Check, ...] = field(default=())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, in the order of the checks."""
        return tuple(finding for check in self.checks for finding in check.findings)

    def to_json(self, path: str | Path) -> None:
        """Write everything as JSON: all of it or nothing."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        return as_text(self.__rich__())

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = (
            f"{self.problem_set}/{self.split} (fingerprint {self.fingerprint}), "
            f"{self.validated:,} of {self.size:,} problems, verifier {self.verifier}, "
            f"prompts {self.prompts}, {self.seconds:.1f} s"
        )
        table = Table(title=Text(title), title_justify="left")
        for column in ("check", "what must hold"):
            table.add_column(column)
        for column in ("tried", "found"):
            table.add_column(column, justify="right")
        for check in self.checks:
            table.add_row(check.name, Text(check.claim), f"{check.tried:,}", check.outcome)
        listed = [Text(line) for check in self.checks for line in _listed(check)]
        return Group(table, *listed)


def validate(
    env: SelfCorrectEnv,
    *,
    n: int | None = None,
    on_check: Callable[[str], None] = lambda name: None,
) -> Validation:
    """Check on every problem that the environment's reward can be trusted.

    Args:
        env: the environment; it is not stepped, so an episode in progress is not disturbed.
        n: only the first ``n`` problems; None means all.
        on_check: called with each check's name before it starts.

    Raises:
        ProblemSetError: ``n`` is below 1.
    """
    start = time.perf_counter()
    problems = env.problems if n is None else env.problems.head(n)
    subject = Subject(env, problems)
    checks = []
    for name, (claim, function) in CHECKS.items():
        on_check(name)
        tried, findings = 0, []
        for finding in function(subject):
            tried += 1
            if finding is not None:
                findings.append(finding)
        checks.append(Check(name, claim, tried, tuple(findings)))
    return Validation(
        problem_set=env.problems.name,
        split=env.problems.split,
        size=len(env.problems),
        fingerprint=env.problems.fingerprint,
        validated=len(problems),
        verifier=env.verifier.name,
        prompts=env.prompts.name,
        attempts=env.attempts,
        seconds=time.perf_counter() - start,
        checks=tuple(checks),
    )


@dataclass(frozen=True)
class Subject:
    """What is validated: an environment, and those of its problems that are looked at."""

    env: SelfCorrectEnv
    problems: ProblemSet

    def verdicts(self, cases: Sequence[tuple[Problem, str]]) -> Iterator[Verdict]:
        """Judge (problem, reply) pairs, in batches."""
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            yield from judge(self.env.verifier, [p for p, _ in batch], [r for _, r in batch])

    def right_replies(self, problem: Problem) -> list[str]:
        """Write replies that give the reference, or another accepted answer, and nothing else."""
        answers = (problem.reference, *problem.accepted)
        return [reply for answer in answers for reply in self.answer_format.examples(answer)]

    @property
    def answer_format(self) -> AnswerFormat:
        """How right and hedging replies are written for the environment's verifier."""
        return answer_format(self.env.verifier)


Outcomes = Iterable["Finding | None"]
"""One for each trial: what was found, or None."""


def statements(subject: Subject) -> Outcomes:
    """Statement and reference are there, and no statement has two answers."""
    answers: dict[str, set[str]] = {}
    for problem in subject.problems:
        answers.setdefault(problem.prompt, set()).add(problem.reference)
        blank = [name for name in ("prompt", "reference") if not getattr(problem, name).strip()]
        others = len(answers[problem.prompt]) > 1
        if blank:
            yield Finding(problem.id, f"its {' and '.join(blank)} is blank")
        elif others:
            yield Finding(problem.id, "an earlier problem has this statement and another answer")
        else:
            yield None


def references(subject: Subject) -> Outcomes:
    """The reference answer scores 1, in every form that a right reply takes.

    A problem without one is a finding of `statements`. Where the verifier fails at the reference,
    it fails at the problem: no reply to it can be judged.
    """
    stated = [p for p in subject.problems if p.reference.strip()]
    cases = [(p, reply) for p in stated for reply in subject.right_replies(p)]
    for (problem, reply), verdict in zip(cases, subject.verdicts(cases), strict=True):
        if not verdict.judged:
            yield Finding(problem.id, f"its reference cannot be judged: {verdict.detail}")
        else:
            yield None if verdict.correct else _finding(problem, reply, verdict)


def worthless(subject: Subject) -> Outcomes:
    """Replies without an answer score 0: nothing, the statement, the whole message echoed."""
    cases = []
    for problem in subject.problems:
        shown = subject.env.prompts.first(problem)[-1]["content"]
        correction = subject.env.prompts.correction
        cases += [(problem, reply) for reply in ("", problem.prompt, shown, correction)]
    for (problem, reply), verdict in zip(cases, subject.verdicts(cases), strict=True):
        held = verdict.score == 0.0 and verdict.judged
        yield None if held else _finding(problem, reply, verdict)


def echoes(subject: Subject) -> Outcomes:
    """An expression of the statement scores 0 as an answer.

    Tried are formulas, their sides, and typed sums. Numbers, letters and words are not tried: they
    may well be the answer, by chance or because the statement lists them ("which of 3, 5 and 7").
    A finding means that the statement contains the answer; where it lists expressions to choose
    from, that is as it should be.
    """
    answer_format = subject.answer_format
    from selfcorrect_env.verifiers.math.echoes import expressions  # slow to import

    if not answer_format.expressions:
        return
    cases = [
        (problem, answer_format.examples(expression)[0])
        for problem in subject.problems
        for expression in expressions(problem.prompt)
    ]
    for (problem, reply), verdict in zip(cases, subject.verdicts(cases), strict=True):
        yield None if verdict.score == 0.0 else _finding(problem, reply, verdict)


def hedging(subject: Subject) -> Outcomes:
    """Offering the right answer beside a wrong one scores 0, in at least one of the two orders.

    A verifier that reads the first answer, or the last, thereby makes the reply commit itself.
    """
    hedged = subject.answer_format.hedged
    if subject.answer_format.hedge is None:
        return
    references = [p.reference for p in subject.problems]
    pairs = []
    for index, problem in enumerate(subject.problems):
        following = (references[i % len(references)] for i in itertools.count(index + 1))
        other = next(
            (r for r in itertools.islice(following, len(references)) if r != problem.reference),
            None,
        )
        if other is not None and not _equal(subject, problem, other):
            pairs.append((problem, other))
    cases = [
        (problem, hedged(first, second) or "")
        for problem, other in pairs
        for first, second in ((problem.reference, other), (other, problem.reference))
    ]
    verdicts = list(subject.verdicts(cases))
    for index in range(0, len(cases), 2):
        pays = verdicts[index].score > 0 and verdicts[index + 1].score > 0
        yield _finding(*cases[index], verdicts[index]) if pays else None


def determinism(subject: Subject) -> Outcomes:
    """The same reply gets the same verdict: again, alone, backwards and in another thread."""
    cases = [
        (problem, reply)
        for problem in subject.problems
        for reply in (subject.right_replies(problem)[0], problem.prompt)
    ]
    first = list(subject.verdicts(cases))
    with ThreadPoolExecutor(1) as thread:
        backwards = thread.submit(lambda: list(subject.verdicts(cases[::-1]))).result()[::-1]
    sample = range(0, len(cases), max(1, len(cases) // 50))
    alone = {i: next(subject.verdicts([cases[i]])) for i in sample}
    for i, (problem, reply) in enumerate(cases):
        others = [backwards[i], *([alone[i]] if i in alone else [])]
        differing = [v for v in others if (v.score, v.reason) != (first[i].score, first[i].reason)]
        yield (
            Finding(problem.id, f"{reply!r:.60} was judged {first[i]}, then {differing[0]}")
            if differing
            else None
        )


def seeds(subject: Subject) -> Outcomes:
    """The same seed draws the same episode, and problems are drawn evenly."""
    env = _env(subject, subject.problems, 0.0)
    for seed in range(20):
        drawn = [env.reset(seed=seed)[0], env.reset(seed=seed)[0]]
        yield None if drawn[0] == drawn[1] else Finding("", f"seed {seed} drew two episodes")
    if len(subject.problems) > 1:
        env.reset(seed=0)
        ids = Counter(env.reset()[1]["problem_id"] for _ in range(20))
        yield None if len(ids) > 1 else Finding("", "20 resets drew one and the same problem")


def isolation(subject: Subject) -> Outcomes:
    """An episode shows nothing of another one, and playing changes no problem."""
    env = _env(subject, subject.problems, 0.0)
    before = [_conversations(env, index, "a") for index in range(len(subject.problems))]
    for index in reversed(range(len(subject.problems))):
        again = _conversations(env, index, "a")
        same = again == before[index]
        yield (
            None
            if same
            else Finding(subject.problems[index].id, "its episode differs after others were played")
        )


def secrecy(subject: Subject) -> Outcomes:
    """The conversation depends neither on the reference nor on the verdict."""
    mark = "reference-of-another-problem"
    other = ProblemSet(
        (
            Problem(id=p.id, prompt=p.prompt, reference=f"{mark} {i}", metadata=p.metadata)
            for i, p in enumerate(subject.problems)
        ),
        name=subject.problems.name,
        split=subject.problems.split,
    )
    envs = [_env(subject, subject.problems, 0.0), _env(subject, other, 1.0)]
    for index, problem in enumerate(subject.problems):
        ours, theirs = (_conversations(env, index, "a reply") for env in envs)
        same = ours == theirs
        yield (
            None
            if same
            else Finding(problem.id, "its conversation changes with the reference or the verdict")
        )


CHECKS: dict[str, tuple[str, Callable[[Subject], Outcomes]]] = {
    "statement": (
        "statement and reference are there, and no statement has two answers",
        statements,
    ),
    "reference": ("the reference answer, and every other accepted one, scores 1", references),
    "worthless": ("an empty reply, the statement and the instructions score 0", worthless),
    "echo": ("an expression of the statement, as the answer, scores 0", echoes),
    "hedging": ("the reference beside a wrong answer scores 0 in one order at least", hedging),
    "determinism": ("a verdict is the same again, alone, and in another thread", determinism),
    "seeds": ("a seed draws the same episode again", seeds),
    "isolation": ("an episode does not depend on earlier episodes", isolation),
    "secrecy": ("nothing of the reference or the verdict is in the conversation", secrecy),
}
"""Every check by name: what must hold, and the function that tries it."""


def _env(subject: Subject, problems: ProblemSet, score: float) -> SelfCorrectEnv:
    """Return the environment with other problems, and a verifier that always says ``score``."""
    return SelfCorrectEnv(
        problems,
        verifier=lambda problem, reply: score,
        prompts=subject.env.prompts,
        attempts=subject.env.attempts,
    )


def _conversations(env: SelfCorrectEnv, index: int, reply: str) -> list[Conversation]:
    """Play a problem with the same reply at each attempt, and return what was shown."""
    conversation, _ = env.reset(options={"index": index})
    shown, over = [conversation], False
    while not over:
        conversation, _, over, _, _ = env.step(reply)
        shown.append(conversation)
    return shown


def _equal(subject: Subject, problem: Problem, other: str) -> bool:
    reply = subject.answer_format.examples(other)[0]
    return next(subject.verdicts([(problem, reply)])).correct


def _finding(problem: Problem, reply: str, verdict: Verdict) -> Finding:
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return Finding(
        problem.id,
        f"the reply {_short(reply)} to a problem whose reference is "
        f"{_short(problem.reference)} scored {verdict.score:g}: {verdict.reason}{detail}",
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:50]} … {text[-27:]}")


def _listed(check: Check) -> list[str]:
    lines = [
        f"{check.name}: {finding.problem_id or 'the environment'}: {finding.what}"
        for finding in check.findings[:SHOWN]
    ]
    more = len(check.findings) - SHOWN
    return [*lines, f"{check.name}: … and {more:,} more"] if more > 0 else lines
