"""GSM8K: grade-school word problems (Cobbe et al., arXiv 2110.14168; MIT licence).

A row has two columns, and the reference is what stands after ``####``:

    {"question": "A robe takes 2 bolts of blue fiber and half that much white fiber. …",
     "answer": "It takes 2/2=<<2/2=1>>1 bolt of white fiber\\n… #### 3"}
"""

from __future__ import annotations

import os

from selfcorrect_env.errors import HubUnavailableError, ProblemSetError
from selfcorrect_env.problems.files import check_count, given_file
from selfcorrect_env.problems.hub import hub_rows
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.problems.row_files import Row
from selfcorrect_env.problems.splits import check_split

REPO = "openai/gsm8k"
"""Its id on the hub; the configuration is ``main``."""

VARIABLE = "SELFCORRECT_GSM8K_PATH"
"""The environment variable that may name a file or a folder of it."""

PUBLISHED = {"train": 7_473, "test": 1_319}
"""How many problems each split has."""


def load(
    split: str = "test",
    *,
    path: str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> ProblemSet:
    """Load GSM8K.

    Args:
        split: ``"train"`` (7,473 problems) or ``"test"`` (1,319).
        path: a ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file with the columns
            ``question`` and ``answer``, or a folder with such a file for each split. Without
            it, the environment variable ``SELFCORRECT_GSM8K_PATH`` is used, then the hub.
        revision: a commit or tag of the hub's repository, ``"main"`` for its newest; by default
            the commit that `selfcorrect_env.problems.hub.PINNED` names.

    The whole worked solution stays in the metadata, as ``answer``. A set of another size than
    the published one gives a `ProblemSetWarning`.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it cannot be had (the message names the ways), or a row is broken.
    """
    check_split("gsm8k", split)
    file = given_file(path, VARIABLE, split)
    if file is not None:
        where = str(file)
        problems = ProblemSet.from_file(
            file, name="GSM8K", split=split, prompt_column="question", reference_column=final_answer
        )
    else:
        where = f"{REPO} on the Hugging Face hub"
        try:
            rows = hub_rows((REPO,), split, "main", revision)
        except HubUnavailableError as error:
            raise ProblemSetError(
                f"GSM8K cannot be had: {error}. Three ways to get it: "
                f"(1) with a network, pip install 'selfcorrect-env[data]': {REPO} is then loaded "
                "from the Hugging Face hub; (2) path=FILE, with the columns question and answer; "
                f"(3) the environment variable {VARIABLE}=FILE. FILE may be a folder with "
                "train.jsonl and test.jsonl."
            ) from error
        problems = ProblemSet.from_dataset(
            rows, name="GSM8K", split=split, prompt_column="question", reference_column=final_answer
        )
    check_count(problems, PUBLISHED[split], where)
    return problems


def final_answer(row: Row) -> str:
    """Return the reference of a row: what stands after ``####``, without thousands' commas.

    >>> final_answer({"answer": "8 * 150 = <<8*150=1200>>1200 #### 1,200"})
    '1200'

    Raises:
        ValueError: the column ``answer`` is missing, or nothing stands after ``####`` in it.
    """
    answer = row.get("answer")
    if not isinstance(answer, str):
        raise ValueError(f"expected text in the column 'answer', got {answer!r:.60}")
    _, mark, reference = answer.rpartition("####")
    if not mark or not reference.strip():
        raise ValueError(f"no '#### answer' at the end of {answer[-60:]!r}")
    return reference.strip().replace(",", "")
