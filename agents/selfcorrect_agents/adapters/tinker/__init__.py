"""SCoRe on services with Tinker's API; needs the extra ``[tinker]``.

The service holds the model: `TinkerSampler` asks it for turns, `TinkerLearner` sends it episodes
with an advantage for each token, and `TinkerSCoRe` is the run of both.
"""

from selfcorrect_agents.adapters.needed import require

require("tinker", "tinker")

from selfcorrect_agents.adapters.tinker.learner import TinkerLearner  # noqa: E402
from selfcorrect_agents.adapters.tinker.sampler import TinkerSampler  # noqa: E402
from selfcorrect_agents.adapters.tinker.score import TinkerSCoRe  # noqa: E402

__all__ = ["TinkerLearner", "TinkerSCoRe", "TinkerSampler"]
