"""selfcorrect-env: train language models to correct themselves, on a Gymnasium environment.

Importing this package registers its environments:

>>> import gymnasium as gym
>>> import selfcorrect_env
>>> env = gym.make("SelfCorrect-Arithmetic-v0")
"""

from selfcorrect_env import interrupts as _interrupts  # noqa: F401 - first: see its docstring

# isort: split
from importlib.metadata import version as _version

from selfcorrect_env.caches import cache_folder
from selfcorrect_env.env import SelfCorrectEnv
from selfcorrect_env.errors import (
    AgentError,
    CheckpointError,
    ContractError,
    EpisodeError,
    HubUnavailableError,
    MathUnavailableError,
    NoReplyError,
    PluginWarning,
    ProblemSetError,
    ProblemSetWarning,
    PromptsError,
    RequestError,
    SandboxError,
    SelfCorrectError,
    UnjudgedWarning,
    UnknownNameError,
    UnknownProblemSetError,
    UnsupportedEnvError,
    UsageError,
    VerifierError,
)
from selfcorrect_env.evaluation import AsyncAgent, Report, as_agent, compare, evaluate, play
from selfcorrect_env.plugins import import_attribute
from selfcorrect_env.printing import printable
from selfcorrect_env.problems import ProblemSet, load_problems
from selfcorrect_env.prompts import PROMPTS, Prompts, get_prompts, prompts_of
from selfcorrect_env.registration import register_envs
from selfcorrect_env.spaces import ConversationSpace, ReplySpace
from selfcorrect_env.terminal import is_quiet, progress_console
from selfcorrect_env.token_level import (
    AttemptEpisodes,
    TokenCodec,
    TokenLevel,
    longest_episode,
)
from selfcorrect_env.training_env import AnyEnv, TrainingEnv, training_env
from selfcorrect_env.types import (
    Agent,
    Attempt,
    Conversation,
    Episode,
    Generation,
    Message,
    Problem,
    Reason,
    Reply,
    Transition,
    Verdict,
    Verifier,
)
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.verifiers import get_verifier, judge
from selfcorrect_env.wrappers import ProgressBonus, VectorProgressBonus

__version__ = _version("selfcorrect-env")

__all__ = [
    "PROMPTS",
    "Agent",
    "AgentError",
    "AnyEnv",
    "AsyncAgent",
    "Attempt",
    "AttemptEpisodes",
    "CheckpointError",
    "ContractError",
    "Conversation",
    "ConversationSpace",
    "Episode",
    "EpisodeError",
    "Generation",
    "HubUnavailableError",
    "MathUnavailableError",
    "Message",
    "NoReplyError",
    "PluginWarning",
    "Problem",
    "ProblemSet",
    "ProblemSetError",
    "ProblemSetWarning",
    "ProgressBonus",
    "Prompts",
    "PromptsError",
    "Reason",
    "Reply",
    "ReplySpace",
    "Report",
    "RequestError",
    "SandboxError",
    "SelfCorrectEnv",
    "SelfCorrectError",
    "SelfCorrectVectorEnv",
    "TokenCodec",
    "TokenLevel",
    "TrainingEnv",
    "Transition",
    "UnjudgedWarning",
    "UnknownNameError",
    "UnknownProblemSetError",
    "UnsupportedEnvError",
    "UsageError",
    "VectorProgressBonus",
    "Verdict",
    "Verifier",
    "VerifierError",
    "__version__",
    "as_agent",
    "cache_folder",
    "compare",
    "evaluate",
    "get_prompts",
    "get_verifier",
    "import_attribute",
    "is_quiet",
    "judge",
    "load_problems",
    "longest_episode",
    "play",
    "printable",
    "progress_console",
    "prompts_of",
    "register_envs",
    "training_env",
]

register_envs()
