"""Agents that learn on selfcorrect_env: language models, training, and a folder for each method.

The public names are imported on first use, so that ``import selfcorrect_agents`` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfcorrect_agents.lazy_names import on_first_use

if TYPE_CHECKING:
    from selfcorrect_agents.errors import (
        ComparisonError,
        CreditError,
        DiskError,
        DivergenceError,
        LearningError,
        UnjudgedError,
        UnsupportedModelError,
    )
    from selfcorrect_agents.imitation.config import Fitting, SupervisedConfig
    from selfcorrect_agents.imitation.fitting import imitate
    from selfcorrect_agents.imitation.traces import Trace, consecutive
    from selfcorrect_agents.lm.agent import LanguageModelAgent, PlayConfig
    from selfcorrect_agents.lm.loading import load_policy
    from selfcorrect_agents.lm.model_config import LoRAConfig, ModelConfig
    from selfcorrect_agents.lm.policy import Policy
    from selfcorrect_agents.lm.template_config import TemplateConfig
    from selfcorrect_agents.lm.tiny import TinyConfig, tiny_base
    from selfcorrect_agents.methods.base import Base
    from selfcorrect_agents.methods.multiturn_rl import MultiTurnRL, MultiTurnRLConfig
    from selfcorrect_agents.methods.pag import PAG, PAGConfig, PAGPlayConfig
    from selfcorrect_agents.methods.prompting import Prompting, PromptingConfig
    from selfcorrect_agents.methods.rise import RISE, RISEConfig
    from selfcorrect_agents.methods.sb3 import (
        SB3A2C,
        SB3PPO,
        CausalLMPolicy,
        SB3A2CConfig,
        SB3PPOConfig,
    )
    from selfcorrect_agents.methods.score import SCoRe, SCoReConfig
    from selfcorrect_agents.methods.served import ServedConfig, ServedModel
    from selfcorrect_agents.methods.sft import PairSFT, PairSFTConfig
    from selfcorrect_agents.methods.single_turn_rl import SingleTurnRL, SingleTurnRLConfig
    from selfcorrect_agents.methods.star import STaR, STaRConfig
    from selfcorrect_agents.methods.thinktwice import ThinkTwice, ThinkTwiceConfig
    from selfcorrect_agents.rl.config import Objective
    from selfcorrect_agents.rl.rollout import Rollout, collect
    from selfcorrect_agents.training.config import (
        Evaluation,
        Execution,
        OnPolicyConfig,
        Optimization,
        Sampling,
        flat,
        from_flat,
    )
    from selfcorrect_agents.training.presets import preset
    from selfcorrect_agents.training.run_folder import RunFolder
    from selfcorrect_agents.training.trained_agent import TrainedAgent
    from selfcorrect_agents.training.trainer import Stage, Trainer

__all__ = [
    "PAG",
    "RISE",
    "SB3A2C",
    "SB3PPO",
    "Base",
    "CausalLMPolicy",
    "ComparisonError",
    "CreditError",
    "DiskError",
    "DivergenceError",
    "Evaluation",
    "Execution",
    "Fitting",
    "LanguageModelAgent",
    "LearningError",
    "LoRAConfig",
    "ModelConfig",
    "MultiTurnRL",
    "MultiTurnRLConfig",
    "Objective",
    "OnPolicyConfig",
    "Optimization",
    "PAGConfig",
    "PAGPlayConfig",
    "PairSFT",
    "PairSFTConfig",
    "PlayConfig",
    "Policy",
    "Prompting",
    "PromptingConfig",
    "RISEConfig",
    "Rollout",
    "RunFolder",
    "SB3A2CConfig",
    "SB3PPOConfig",
    "SCoRe",
    "SCoReConfig",
    "STaR",
    "STaRConfig",
    "Sampling",
    "ServedConfig",
    "ServedModel",
    "SingleTurnRL",
    "SingleTurnRLConfig",
    "Stage",
    "SupervisedConfig",
    "TemplateConfig",
    "ThinkTwice",
    "ThinkTwiceConfig",
    "TinyConfig",
    "Trace",
    "TrainedAgent",
    "Trainer",
    "UnjudgedError",
    "UnsupportedModelError",
    "collect",
    "consecutive",
    "flat",
    "from_flat",
    "imitate",
    "load_policy",
    "preset",
    "tiny_base",
]

_NAMES_OF = {
    "errors": (
        *("ComparisonError", "CreditError", "DiskError", "DivergenceError", "LearningError"),
        *("UnjudgedError", "UnsupportedModelError"),
    ),
    "imitation.config": ("Fitting", "SupervisedConfig"),
    "imitation.fitting": ("imitate",),
    "imitation.traces": ("Trace", "consecutive"),
    "lm.agent": ("LanguageModelAgent", "PlayConfig"),
    "lm.loading": ("load_policy",),
    "lm.model_config": ("LoRAConfig", "ModelConfig"),
    "lm.policy": ("Policy",),
    "lm.template_config": ("TemplateConfig",),
    "lm.tiny": ("TinyConfig", "tiny_base"),
    "methods.base": ("Base",),
    "methods.multiturn_rl": ("MultiTurnRL", "MultiTurnRLConfig"),
    "methods.pag": ("PAG", "PAGConfig", "PAGPlayConfig"),
    "methods.prompting": ("Prompting", "PromptingConfig"),
    "methods.rise": ("RISE", "RISEConfig"),
    "methods.sb3": ("SB3A2C", "SB3PPO", "CausalLMPolicy", "SB3A2CConfig", "SB3PPOConfig"),
    "methods.score": ("SCoRe", "SCoReConfig"),
    "methods.served": ("ServedConfig", "ServedModel"),
    "methods.sft": ("PairSFT", "PairSFTConfig"),
    "methods.single_turn_rl": ("SingleTurnRL", "SingleTurnRLConfig"),
    "methods.star": ("STaR", "STaRConfig"),
    "methods.thinktwice": ("ThinkTwice", "ThinkTwiceConfig"),
    "rl.config": ("Objective",),
    "rl.rollout": ("Rollout", "collect"),
    "training.config": (
        *("Evaluation", "Execution", "OnPolicyConfig", "Optimization", "Sampling"),
        *("flat", "from_flat"),
    ),
    "training.presets": ("preset",),
    "training.run_folder": ("RunFolder",),
    "training.trained_agent": ("TrainedAgent",),
    "training.trainer": ("Stage", "Trainer"),
}
__getattr__ = on_first_use(__name__, _NAMES_OF)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
