"""Results of two methods with two seeds, of episodes made by hand."""

from dataclasses import replace

from selfcorrect_agents.comparison.plan.cells import plan
from selfcorrect_agents.comparison.plan.compared_agents import ComparedAgent
from selfcorrect_agents.comparison.plan.config import CompareConfig, config_of
from selfcorrect_agents.comparison.results.cell_results import CellResult, MethodResults
from selfcorrect_env.evaluation import per_problem
from selfcorrect_env.evaluation.report import Measured, Report
from selfcorrect_env.types import Attempt, Episode, Problem, Reason, Verdict

VERDICTS = {
    "c": Verdict(1.0, Reason.CORRECT, "2"),
    "i": Verdict(0.0, Reason.WRONG, "3"),
    "e": Verdict(0.0, Reason.ERROR, detail="it broke"),
    "p": Verdict(0.5, Reason.PARTIAL, "2"),
}
MEASURED = Measured(
    agent="it",
    problem_set="sums",
    split="test",
    size=100,
    fingerprint="0123456789abcdef",
    verifier="exact",
    prompts="plain",
    attempts=2,
)


def episodes(outcomes: str) -> list[Episode]:
    return [
        Episode(
            problem=Problem(id=str(i), prompt="1 + 1", reference="2"),
            attempts=tuple(
                Attempt(reply=f"it is {o}", verdict=VERDICTS[o], tokens=3 * turn)
                for turn, o in enumerate(outcome, start=1)
            ),
            conversation=(),
        )
        for i, outcome in enumerate(outcomes.split())
    ]


HISTORY = [
    {"step": s, "episodes": 4 * s, "tokens": 9 * s, "t1/kl": 0.1 * s, "t1/accuracy": 0.5}
    for s in range(1, 11)
]
OUTCOMES = {
    ("base", 0): "ii ii cc ci ee",
    ("base", 1): "ii ii cc cc ii",
    ("SCoRe", 0): "ic ic cc cc ee",
    ("SCoRe", 1): "ic ii cc cc ic",
}


def config() -> CompareConfig:
    methods = {"base": {}, "SCoRe": {"agent": "score"}}
    return config_of(
        {"title": "A | title", "seeds": [0, 1], "methods": methods, "decodings": ["greedy"]}, "test"
    )


def results(asked: CompareConfig, outcomes: dict[str, str] | None = None) -> list[MethodResults]:
    """Return the results of ``asked``: episodes of `OUTCOMES`, or of ``outcomes`` in each seed."""
    made = []
    for method in asked.methods:
        cells = []
        for cell in plan(asked):
            if cell.method != method:
                continue
            label = method.label
            played = episodes(outcomes[label] if outcomes else OUTCOMES[label, cell.seed])
            measured = replace(MEASURED, attempts=len(played[0].attempts))
            report = Report.of(played, measured)
            trained = method.label == "SCoRe"
            cells.append(
                CellResult(
                    cell=cell,
                    reports={"greedy": report},
                    problems={"greedy": per_problem(report.episodes)},
                    history=HISTORY if trained else [],
                    seconds={"measuring": 2.0, **({"training": 60.0} if trained else {})},
                    scaling=None,
                )
            )
        made.append(MethodResults(method, ComparedAgent.find(method), cells))
    return made
