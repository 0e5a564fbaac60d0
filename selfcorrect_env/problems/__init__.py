"""Problem sets: `ProblemSet`, the named sets, loading one by its name, and overlap of two sets."""

from selfcorrect_env.problems.overlap import (
    TrainedOn,
    read_trained_on,
    shared_problems,
    write_trained_on,
)
from selfcorrect_env.problems.own_problems import Problems, has_splits
from selfcorrect_env.problems.problem_set import Column, ProblemSet
from selfcorrect_env.problems.sources import SOURCES, Source, load_problems, source

__all__ = [
    "SOURCES",
    "Column",
    "ProblemSet",
    "Problems",
    "Source",
    "TrainedOn",
    "has_splits",
    "load_problems",
    "read_trained_on",
    "shared_problems",
    "source",
    "write_trained_on",
]
