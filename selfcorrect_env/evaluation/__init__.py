"""Measuring agents: `evaluate`, metrics with intervals, reports, stored episodes, reward checks."""

from selfcorrect_env.evaluation.agent_factory import (
    AgentFactory,
    find_agent,
    installed_agents,
    installed_configurations,
    load_configuration,
    load_named,
    summary,
)
from selfcorrect_env.evaluation.agents import AsyncAgent, as_agent
from selfcorrect_env.evaluation.code_identity import code_of, hash_of_files
from selfcorrect_env.evaluation.edit_distance import edit_distance_ratio
from selfcorrect_env.evaluation.episode_files import (
    EpisodeLog,
    read_episodes,
    replacing,
    to_row,
    write_episodes,
)
from selfcorrect_env.evaluation.episode_text import episode_text
from selfcorrect_env.evaluation.evaluator import evaluate, play
from selfcorrect_env.evaluation.intervals import (
    LEVEL,
    RESAMPLES,
    Array,
    Estimate,
    constant_mean,
    difference,
    estimate,
    mcnemar,
    ratio,
    share,
    wilson,
)
from selfcorrect_env.evaluation.metrics import (
    Metrics,
    TurnMetrics,
    correct_to_incorrect,
    correctness,
    gained,
    incorrect_to_correct,
    judged,
    measure,
    per_problem,
    same_answers,
    scores,
    turn_metrics,
)
from selfcorrect_env.evaluation.pass_at_k import answer_codes, maj_at_k, pass_at_k
from selfcorrect_env.evaluation.progress import progress_display
from selfcorrect_env.evaluation.report import EPISODES_FILE, REPORT_FILE, Report, compare
from selfcorrect_env.evaluation.rescoring import Rescored, rescore
from selfcorrect_env.evaluation.runners import AnyEnv, runner_for
from selfcorrect_env.evaluation.sampled import Samples, measure_samples
from selfcorrect_env.evaluation.usage import Usage
from selfcorrect_env.evaluation.validation import validate

__all__ = [
    "EPISODES_FILE",
    "LEVEL",
    "REPORT_FILE",
    "RESAMPLES",
    "AgentFactory",
    "AnyEnv",
    "Array",
    "AsyncAgent",
    "EpisodeLog",
    "Estimate",
    "Metrics",
    "Report",
    "Rescored",
    "Samples",
    "TurnMetrics",
    "Usage",
    "answer_codes",
    "as_agent",
    "code_of",
    "compare",
    "constant_mean",
    "correct_to_incorrect",
    "correctness",
    "difference",
    "edit_distance_ratio",
    "episode_text",
    "estimate",
    "evaluate",
    "find_agent",
    "gained",
    "hash_of_files",
    "incorrect_to_correct",
    "installed_agents",
    "installed_configurations",
    "judged",
    "load_configuration",
    "load_named",
    "maj_at_k",
    "mcnemar",
    "measure",
    "measure_samples",
    "pass_at_k",
    "per_problem",
    "play",
    "progress_display",
    "ratio",
    "read_episodes",
    "replacing",
    "rescore",
    "runner_for",
    "same_answers",
    "scores",
    "share",
    "summary",
    "to_row",
    "turn_metrics",
    "validate",
    "wilson",
    "write_episodes",
]
