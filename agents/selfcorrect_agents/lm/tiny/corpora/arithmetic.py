"""The corpus of `SelfCorrect-Arithmetic-v0`: the answer digit, then the digits of all results.

At the first attempt the digit is a guess (about 37% right). The right answer is the last digit
of the working after it, so a second attempt can copy it from the first reply.
"""

from __future__ import annotations

import numpy as np

from selfcorrect_agents.lm.tiny.config import TinyConfig
from selfcorrect_agents.lm.tiny.corpora.task import Corpus, Task, other_digit
from selfcorrect_env import PROMPTS
from selfcorrect_env.problems.generated import arithmetic


def corpus(config: TinyConfig, count: int) -> Corpus:
    """Return ``count`` conversations. The first answer has no loss in two-turn rows."""
    prompts = PROMPTS["arithmetic"]
    rng = np.random.default_rng([config.seed, 1])
    problems = map(
        arithmetic.as_problem,
        arithmetic.chains(rng, count, split="train", operations=config.operations),
    )
    behaviour = rng.choice(3, size=count, p=[config.copy, config.fix, 1 - config.copy - config.fix])
    first_right = rng.random(count) < config.first_right
    # separate generators, so that slips and doubts do not change the other draws
    slip_rng = np.random.default_rng([config.seed, 2])
    slips = slip_rng.random((count, 2)) < config.slips
    doubts = np.random.default_rng([config.seed, 3]).random(count) < config.doubts
    texts, masked = [], np.full(count, -1)
    for i, problem in enumerate(problems):
        right, results = problem.reference, problem.metadata["results"]
        working, again = (
            slipped(slip_rng, problem.prompt, results) if slip else results for slip in slips[i]
        )
        question = prompts.attempt.replace("{prompt}", problem.prompt)
        if i % 2 == 0:
            texts.append(f"{question}{right}{working}<eos>")
            continue
        first = right if first_right[i] else other_digit(rng, right)
        second = [first, right, other_digit(rng, right, first)][behaviour[i]]
        if doubts[i] and problem.prompt[-3] == "-":
            second = str((int(first) + 1) % 10)
        texts.append(f"{question}{first}{working}<eos>{prompts.correction}{second}{again}<eos>")
        masked[i] = len(question)
    return Corpus(texts, masked)


def slipped(rng: np.random.Generator, prompt: str, results: str) -> str:
    """Compute a chain with one slip: the digit of one step is wrong, later steps continue from it.

    >>> slipped(np.random.default_rng(1), "3+4*2-1=", "743")
    '754'
    """
    step = int(rng.integers(len(results)))
    wrong = other_digit(rng, results[step])
    rest = prompt[2 * step + 3 :]
    return results[:step] + wrong + (arithmetic.solve(wrong + rest) if rest != "=" else "")


TASK = Task(prompts="arithmetic", symbols="0123456789+-*=", corpus=corpus)
