"""selfcorrect-env: train language models to correct themselves, on a Gymnasium environment.

Importing this package registers its environments:

>>> import gymnasium as gym
>>> import selfcorrect_env
>>> env = gym.make("SelfCorrect-Arithmetic-v0")
"""

from importlib.metadata import version as _version

from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import (
    CheckpointError,
    EpisodeError,
    ProblemSetError,
    SelfCorrectError,
    UnknownNameError,
    UnsupportedEnvError,
    VerifierError,
)
from selfcorrect_env.evaluation.evaluator import as_agent, evaluate, play
from selfcorrect_env.evaluation.report import Report, compare
from selfcorrect_env.problems.problem_set import ProblemSet
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.registration import register_envs
from selfcorrect_env.token_level import AttemptEpisodes, TokenCodec, TokenLevel
from selfcorrect_env.training_env import TrainingEnv, training_env
from selfcorrect_env.types import (
    Agent,
    Attempt,
    Conversation,
    Episode,
    Message,
    Problem,
    Reason,
    Reply,
    Transition,
    Verdict,
    Verifier,
)
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

__version__ = _version("selfcorrect-env")

__all__ = [
    "Agent",
    "Attempt",
    "AttemptEpisodes",
    "CheckpointError",
    "Conversation",
    "Episode",
    "EpisodeError",
    "Message",
    "Problem",
    "ProblemSet",
    "ProblemSetError",
    "ProgressBonus",
    "Prompts",
    "Reason",
    "Reply",
    "Report",
    "SelfCorrectEnv",
    "SelfCorrectError",
    "SelfCorrectVectorEnv",
    "TokenCodec",
    "TokenLevel",
    "TrainingEnv",
    "Transition",
    "UnknownNameError",
    "UnsupportedEnvError",
    "VectorProgressBonus",
    "Verdict",
    "Verifier",
    "VerifierError",
    "__version__",
    "as_agent",
    "compare",
    "evaluate",
    "play",
    "register_envs",
    "training_env",
]

register_envs()
