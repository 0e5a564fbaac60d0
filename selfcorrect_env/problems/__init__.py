"""Problem sets: `ProblemSet`, the named sets, loading one by its name, and overlap of two sets."""

from selfcorrect_env.problems.hub import ask_hub, offline_variable
from selfcorrect_env.problems.overlap import (
    TrainedOn,
    read_trained_on,
    shared_problems,
    write_trained_on,
)
from selfcorrect_env.problems.own_problems import Problems, has_splits
from selfcorrect_env.problems.problem_set import Column, ProblemSet
from selfcorrect_env.problems.sources import SOURCES, Source, load_problems, source
from selfcorrect_env.problems.splits import statement_hash

__all__ = [
    "SOURCES",
    "Column",
    "ProblemSet",
    "Problems",
    "Source",
    "TrainedOn",
    "ask_hub",
    "has_splits",
    "load_problems",
    "offline_variable",
    "read_trained_on",
    "shared_problems",
    "source",
    "statement_hash",
    "write_trained_on",
]
