"""A causal language model as stable-baselines3's policy: its logits are the action's logits."""

from __future__ import annotations

from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn
from typing_extensions import Self

from selfcorrect_agents.lm.last_hidden import with_last_hidden
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.methods.sb3.prefixes import Merged, merge
from selfcorrect_agents.rl.objectives import kl_full


class CausalLMPolicy(ActorCriticPolicy):
    """An actor-critic policy whose trunk and actor are a causal LM.

    The actor's logits are the model's next-token logits; the critic is a linear head on the
    last hidden state, initialised with zeros. Observations are those of `TokenLevel`. Common
    prefixes in a batch are read once (`prefixes`), so a batch of whole episodes costs about one
    pass over the episodes.

    With a ``reference``, `evaluate_actions` returns ``−KL(π_θ ‖ π_ref)`` of the next-token
    distribution in place of the entropy that stable-baselines3 expects, so the entropy bonus with
    coefficient ``ent_coef`` becomes a KL penalty with this coefficient. (Entropy is minus the KL to
    the uniform distribution, up to a constant.)

    Args:
        observation_space: the one of `TokenLevel`.
        action_space: the one of `TokenLevel`.
        lr_schedule: learning rate schedule of the optimiser.
        language_model: the policy to train, in place.
        reference: π_ref, or None for stable-baselines3's entropy bonus.
        value_reaches_model: whether the critic's gradient reaches the model's weights.
        settings: further arguments of ``ActorCriticPolicy``, including those of the optimiser.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        language_model: Policy,
        reference: Policy | None = None,
        value_reaches_model: bool = True,
        **settings: Any,
    ) -> None:
        self.language_model = language_model  # not a module; _build registers its model
        self.reference = reference
        self.value_reaches_model = value_reaches_model
        super().__init__(observation_space, action_space, lr_schedule, **settings)

    def _build(self, lr_schedule: Schedule) -> None:
        """Use the language model instead of stable-baselines3's networks."""
        self.model = self.language_model.model
        hidden = cast(nn.Linear, self.model.get_output_embeddings()).weight.shape[1]
        self.value_net = nn.Linear(hidden, 1)
        nn.init.zeros_(self.value_net.weight)
        nn.init.zeros_(self.value_net.bias)
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        optimizer: Any = self.optimizer_class
        self.optimizer = optimizer(weights, lr=lr_schedule(1), **self.optimizer_kwargs)

    def set_training_mode(self, mode: bool) -> None:
        """Do nothing, so that dropout stays off: the policy that samples is the one trained."""

    def train(self, mode: bool = True) -> Self:
        """Do nothing; see `set_training_mode`."""
        return self

    # -- methods that stable-baselines3 calls --------------------------------------------
    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sample the next tokens: (N,) ids, (N, 1) values, (N,) log-probabilities."""
        logits, hidden, _ = self._read(obs)
        distribution = self._distribution(logits)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self._values(hidden), distribution.log_prob(actions)

    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return (N, 1) values, (N,) log-probabilities, and (N,) ``−KL`` or entropies."""
        logits, hidden, merged = self._read(obs)
        distribution = self._distribution(logits)
        bonus = distribution.entropy()
        if self.reference is not None:
            bonus = -kl_full(logits, self._reference_logits(obs, merged))
        return self._values(hidden), distribution.log_prob(actions), bonus

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Return the distribution of the next token."""
        return self._distribution(self._read(obs)[0])

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Return (N, 1) values."""
        return self._values(self._read(obs)[1])

    # -- other --------------------------------------------------------------------------
    def kl_to(self, reference: Policy, obs: PyTorchObs) -> Tensor:
        """Return (N,) ``KL(π_θ ‖ π_ref)`` of the next token, over the vocabulary, in nats."""
        logits, _, merged = self._read(obs)
        return kl_full(logits, _logits(reference, obs, merged))

    def _read(self, obs: PyTorchObs) -> tuple[Tensor, Tensor, Merged]:
        """Return (N, V) next-token logits, float32, and (N, H) last hidden states."""
        ids, mask = _tokens(obs)
        merged = merge(ids, mask)
        ids, mask = _cut(ids, mask, merged)
        columns, index = torch.unique(merged.last, return_inverse=True)
        inputs = {
            "input_ids": ids,
            "attention_mask": mask.long(),
            "position_ids": torch.arange(ids.shape[1], device=ids.device).expand_as(ids),
            "logits_to_keep": columns,
            "use_cache": False,
        }
        with self.language_model.computing():
            output, hidden = with_last_hidden(self.model, lambda: self.model(**inputs))
        logits = output.logits[merged.owner, index].float()
        return logits, hidden[merged.owner, merged.last].float(), merged

    def _distribution(self, logits: Tensor) -> Distribution:
        return CategoricalDistribution(logits.shape[-1]).proba_distribution(logits)

    def _values(self, hidden: Tensor) -> Tensor:
        return self.value_net(hidden if self.value_reaches_model else hidden.detach())

    def _reference_logits(self, obs: PyTorchObs, merged: Merged) -> Tensor:
        return _logits(cast(Policy, self.reference), obs, merged)


@torch.no_grad()
def _logits(policy: Policy, obs: PyTorchObs, merged: Merged) -> Tensor:
    """Return (N, V) next-token logits of a frozen policy."""
    ids, mask = _cut(*_tokens(obs), merged)
    columns, index = torch.unique(merged.last, return_inverse=True)
    return policy.logits(ids, mask, columns + 1)[merged.owner, index]


def _tokens(obs: PyTorchObs) -> tuple[Tensor, Tensor]:
    if not isinstance(obs, dict):
        raise TypeError(f"Expected observations of TokenLevel (a dict), got {type(obs).__name__}.")
    return obs["ids"].long(), obs["mask"].bool()


def _cut(ids: Tensor, mask: Tensor, merged: Merged) -> tuple[Tensor, Tensor]:
    """Return the merged rows, cut to the length of the longest."""
    width = int(merged.last.max()) + 1
    return ids[merged.rows, :width], mask[merged.rows, :width]
