"""The corpus of `SelfCorrect-ToyCode-v0`: the missing operation, then the log of a run.

At the first attempt the operation is a guess, because the program before it has to be computed
without intermediate steps. The log shows its digits one by one; if the guess is wrong, its last
digit differs from the target. The log does not contain the right operation: a second attempt has
to compare the digits, and find the right one among the remaining digits, or from the digit before
the last step and the target.

A fix is a local repair: it adds another digit. The data contain only ``+``, with the digits that
may be right (`CHOICES`); the model has to discover that a difference or a product may pass as
well.

In contrast to `arithmetic`, first answers may also be wrong in rows of one turn
(`TinyConfig.first_right` is the share of right ones): the target is in the statement, and a model
that mostly sees passing programs learns to write the target at the end of every log, as if the
test had passed.
"""

from __future__ import annotations

import numpy as np

from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora.task import DIGITS, Corpus, Task, other_digit
from selfcorrect_env import PROMPTS
from selfcorrect_env.problems.generated import toycode
from selfcorrect_env.verifiers import toycode as language


def corpus(config: TinyConfig, count: int) -> Corpus:
    """Return ``count`` conversations. A wrong first digit has no loss."""
    prompts = PROMPTS["toycode"]
    rng = np.random.default_rng([config.seed, 1])
    drawn = toycode.statements(rng, count, split="train", operations=config.operations)
    behaviour = rng.choice(3, size=count, p=[config.copy, config.fix, 1 - config.copy - config.fix])
    first_right = rng.random(count) < config.first_right
    # a separate generator, so that slips do not change the other draws
    slip_rng = np.random.default_rng([config.seed, 2])
    slips = slip_rng.random((count, 2)) < config.slips
    texts, masked = [], np.full(count, -1)
    for i, prompt in enumerate(drawn):
        right = toycode.as_problem(prompt).reference[-1]

        def reply(turn: int, digit: str, i: int = i, prompt: str = prompt) -> str:
            return f"+{digit}" + log(prompt, f"+{digit}", slip_rng if slips[i, turn] else None)

        question = prompts.attempt.replace("{prompt}", prompt)
        first = (
            right if first_right[i] else other_digit(rng, right, among=DIGITS[: toycode.CHOICES])
        )
        if first != right:
            masked[i] = len(question) + 1
        if i % 2 == 0:
            texts.append(f"{question}{reply(0, first)}<eos>")
            continue
        spoilt = other_digit(rng, right, first, among=DIGITS[: toycode.CHOICES])
        second = [first, right, spoilt][behaviour[i]]
        texts.append(f"{question}{reply(0, first)}<eos>{prompts.correction}{reply(1, second)}<eos>")
    return Corpus(texts, masked)


def log(prompt: str, operation: str, slip: np.random.Generator | None = None) -> str:
    """Return the log of the program of ``prompt``, completed by ``operation``.

    With the random generator ``slip``, the digit of a random step is wrong, and later steps
    continue from it.

    >>> log("*7-4?3>8=", "+5")
    '*71-47+52'
    """
    statement = language.read_statement(prompt)
    program = statement.program + operation
    digit, steps = statement.tests[0][0], len(program) // 2
    slipped = None if slip is None else int(slip.integers(steps))
    lines = []
    for step in range(steps):
        here = program[2 * step : 2 * step + 2]
        result = language.run(here, digit)
        if slip is not None and step == slipped:
            result = other_digit(slip, result)
        digit = int(result)
        lines.append(here + result)
    return "".join(lines)


TASK = Task(prompts="toycode", symbols="0123456789+-*?>=", corpus=corpus)
