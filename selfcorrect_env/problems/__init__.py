"""Problem sets: `ProblemSet`, the named sets, and loading one by its name."""

from selfcorrect_env.problems.problem_set import Column, ProblemSet
from selfcorrect_env.problems.sources import SOURCES, Source, load_problems, source

__all__ = ["SOURCES", "Column", "ProblemSet", "Source", "load_problems", "source"]
