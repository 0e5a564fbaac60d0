"""GSM8K: grade-school word problems (Cobbe et al., arXiv 2110.14168; MIT licence).

A row has two columns; the reference is the text after ``####``:

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
"""Repository id on the hub; the configuration is ``main``."""

VARIABLE = "SELFCORRECT_GSM8K_PATH"
"""The environment variable for the path of its file or folder."""

PUBLISHED = {"train": 7_473, "test": 1_319}
"""Number of problems in each split."""


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
            ``question`` and ``answer``, or a folder with such a file for each split. Default: the
            environment variable ``SELFCORRECT_GSM8K_PATH``, then the hub.
        revision: a commit or tag of the repository on the hub, ``"main"`` for the newest; by
            default the commit in `selfcorrect_env.problems.hub.PINNED`.

    The metadata contain the whole worked solution, as ``answer``. If the size differs from the
    published one, a `ProblemSetWarning` is issued.

    Raises:
        UnknownNameError: no such split.
        ProblemSetError: it is not available (the message lists the ways to get it), or a row is
            invalid.
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
                f"GSM8K is not available: {error}. Three ways to get it: "
                f"(1) with a network, pip install 'selfcorrect-env[data]', which loads {REPO} "
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
    """Return the reference of a row: the text after ``####``, without thousands separators.

    >>> final_answer({"answer": "8 * 150 = <<8*150=1200>>1200 #### 1,200"})
    '1200'

    Raises:
        ValueError: the column ``answer`` is missing, or it has no text after ``####``.
    """
    answer = row.get("answer")
    if not isinstance(answer, str):
        raise ValueError(f"expected text in the column 'answer', got {answer!r:.60}")
    _, mark, reference = answer.rpartition("####")
    if not mark or not reference.strip():
        raise ValueError(f"no '#### answer' at the end of {answer[-60:]!r}")
    return reference.strip().replace(",", "")
