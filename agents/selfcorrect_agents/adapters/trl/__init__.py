"""SCoRe inside TRL's GRPO trainer; needs the extra ``[trl]``.

`SCoReGRPOTrainer` is TRL's ``GRPOTrainer`` with per-turn advantages and SCoRe's two stages.
`EpisodeRollouts` alone is a ``rollout_func`` for any ``GRPOTrainer``: it plays whole episodes, and
the reward is then one number an episode.
"""

from selfcorrect_agents.adapters.needed import require

require("trl", "trl")

from selfcorrect_agents.adapters.trl.config import SCoReGRPOConfig  # noqa: E402
from selfcorrect_agents.adapters.trl.rollouts import EpisodeRollouts, last_score  # noqa: E402
from selfcorrect_agents.adapters.trl.trainer import SCoReGRPOTrainer  # noqa: E402

__all__ = ["EpisodeRollouts", "SCoReGRPOConfig", "SCoReGRPOTrainer", "last_score"]
