"""The objectives, as pure functions of tensors: one for each equation.

Source: Kumar et al., arXiv 2409.12917, sections 3 and 5. Axes: B episodes, K turns (K = 2 in
the paper), C columns of sampled tokens, V vocabulary. ``x_t`` is the context of turn t, so
``x_2 = [x, y_1, p_1]``.

These functions are independent of models, configurations and environments. To *maximise* an
objective J, losses are returned: minimise them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


# -- rewards ---------------------------------------------------------------------------
def progress_bonus(scores: Tensor, alpha: float) -> Tensor:
    """Equation 5: add ``α · (r(y_t) − r(y_{t−1}))`` to the reward of every turn but the first.

    Args:
        scores: (B, K) ``r(y_t, y*)``.
        alpha: α; 0 adds nothing.

    Returns:
        (B, K) shaped rewards. The first turn's is unchanged: the bonus is credited only to
        the turn that earned it, since otherwise a wrong first attempt would pay.
    """
    shaped = scores.clone()
    shaped[:, 1:] += alpha * (scores[:, 1:] - scores[:, :-1])
    return shaped


def reward_to_go(rewards: Tensor, gamma: float) -> Tensor:
    """Return of each turn: ``R_t = Σ_{s≥t} γ^{s−t} r_s``.

    Args:
        rewards: (B, K) rewards of each turn.
        gamma: discount across turns, in [0, 1]. The paper uses 0 (appendix A.2): each
            turn's tokens are credited with that turn's reward alone.

    Returns:
        (B, K) returns.
    """
    returns = rewards.clone()
    for turn in range(rewards.shape[1] - 2, -1, -1):
        returns[:, turn] += gamma * returns[:, turn + 1]
    return returns


def leave_one_out(returns: Tensor, samples: int, valid: Tensor | None = None) -> Tensor:
    """Advantage against the mean of the *other* samples of the same problem, turn by turn.

    ``A_i = R_i − mean_{j≠i} R_j`` (RLOO; Ahmadian et al., arXiv 2402.14740). The baseline of
    an episode does not depend on that episode, so the policy gradient is unbiased.

    Args:
        returns: (B, K), rows ``i·samples …`` belonging to one problem.
        samples: episodes of each problem, at least 2.
        valid: (B,) or (B, K) bool; False leaves an episode, or a turn of it, out: of the
            baseline, and with advantage 0.

    Returns:
        (B, K) advantages; 0 where fewer than two valid samples of a problem are left.

    Raises:
        ValueError: ``samples`` is below 2 or does not divide B.
    """
    if samples < 2 or len(returns) % samples:
        raise ValueError(
            f"leave_one_out needs at least 2 samples of each problem and whole groups; "
            f"got {samples} samples and {len(returns)} episodes."
        )
    weight = _weights(returns, samples, valid)
    grouped = returns.view(-1, samples, returns.shape[1])
    others = (weight.sum(dim=1, keepdim=True) - weight).clamp(min=1.0)
    total = (weight * grouped).sum(dim=1, keepdim=True)
    baseline = (total - weight * grouped) / others
    usable = weight * (weight.sum(dim=1, keepdim=True) >= 2)
    return (usable * (grouped - baseline)).view_as(returns)


def batch_mean(returns: Tensor, valid: Tensor | None = None) -> Tensor:
    """Advantage against the mean of all other episodes of the batch, turn by turn.

    `leave_one_out` with the whole batch as one group: unbiased, but a problem's difficulty
    remains in the advantage.

    Args:
        returns: (B, K), B ≥ 2.
        valid: (B,) or (B, K) bool; False leaves an episode, or a turn of it, out.

    Returns:
        (B, K) advantages.
    """
    return leave_one_out(returns, len(returns), valid)


def group_normalised(
    returns: Tensor, samples: int, valid: Tensor | None = None, epsilon: float = 1e-4
) -> Tensor:
    """``(R_i − mean_j R_j) / (std_j R_j + ε)`` over a problem's samples, turn by turn.

    The advantage of GRPO (Shao et al., arXiv 2402.03300). Dividing by the standard deviation
    weighs problems by how one-sided their outcomes are, and cancels any factor of the reward:
    where all samples share their first score, SCoRe's α has no effect.

    Args:
        returns: (B, K), rows ``i·samples …`` belonging to one problem.
        samples: episodes of each problem, at least 2.
        valid: (B,) or (B, K) bool; False leaves an episode, or a turn of it, out: of mean and
            deviation, with advantage 0.
        epsilon: added to the standard deviation.

    Returns:
        (B, K) advantages; 0 where fewer than two valid samples of a problem are left.

    Raises:
        ValueError: as `leave_one_out`.
    """
    # R_i − mean of all = (n − 1)/n · (R_i − mean of the others)
    others = leave_one_out(returns, samples, valid)
    weight = _weights(returns, samples, valid)
    count = weight.sum(dim=1, keepdim=True).clamp(min=1.0)
    centred = others.view(-1, samples, returns.shape[1]) * (count - 1) / count
    deviation = (weight * centred.square()).sum(dim=1, keepdim=True)
    deviation = (deviation / (count - 1).clamp(min=1.0)).sqrt()
    return (centred / (deviation + epsilon)).view_as(returns)


def role_normalised(
    advantages: Tensor, roles: Sequence[int], valid: Tensor, epsilon: float = 1e-8
) -> Tensor:
    """``(A − mean A) / √(var A + ε)`` over all turns of a role: PAG's RoleAdvNorm.

    Answering and verifying have rewards of different size and spread; each role's advantages get
    mean 0 and variance 1 (Jiang et al., arXiv 2506.10406). A turn counts once, however long it is.

    Args:
        advantages: (B, K).
        roles: (K,) the role of each turn: turns of equal roles are normalised together.
        valid: (B, K) bool; False leaves a turn of an episode out, with advantage 0.
        epsilon: added to the variance.

    Returns:
        (B, K); 0 for a role of which fewer than two turns are valid.
    """
    result = torch.zeros_like(advantages)
    of_turn = torch.tensor(list(roles), device=advantages.device)
    for role in sorted(set(roles)):
        chosen = valid & (of_turn == role)
        if int(chosen.sum()) >= 2:
            values = advantages[chosen]
            scale = (values.var() + epsilon).sqrt()
            result = torch.where(chosen, (advantages - values.mean()) / scale, result)
    return result


def _weights(returns: Tensor, samples: int, valid: Tensor | None) -> Tensor:
    """(groups, samples, 1 or K) 1 where a return counts; 0 where it does not."""
    if valid is None:
        valid = torch.ones(len(returns), dtype=torch.bool, device=returns.device)
    columns = 1 if valid.dim() == 1 else valid.shape[1]
    return valid.to(returns.dtype).view(-1, samples, columns)


# -- the policy gradient ---------------------------------------------------------------
def clipped_surrogate(
    logps: Tensor, behaviour: Tensor, advantages: Tensor, epsilon: float
) -> Tensor:
    """PPO's ``min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)`` with ``ρ = π / π_behaviour`` (1707.06347).

    Args:
        logps: (B, U) log-probabilities of units (whole turns, or tokens), with gradient.
        behaviour: (B, U) those of the policy that sampled them.
        advantages: (B, U), constants.
        epsilon: ε > 0.

    Returns:
        (B, U), to be maximised. At ``logps = behaviour`` its gradient is A ∇log π. Larger ratios
        than e⁸⁰ count as that.
    """
    ratio = (logps - behaviour).clamp(max=80.0).exp()
    clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon)
    return torch.minimum(ratio * advantages, clipped * advantages)


def truncated_importance(
    logps: Tensor, behaviour: Tensor, advantages: Tensor, cap: float
) -> Tensor:
    """``min(ρ, cap) A log π`` with ``ρ = π / π_behaviour`` a constant weight.

    REINFORCE on samples of another policy; the cap trades bias for variance (truncated
    importance sampling, Ionides 2008). Shapes as `clipped_surrogate`; cap > 0.
    """
    weight = (logps.detach() - behaviour).exp().clamp(max=cap)
    return weight * advantages * logps


def policy_gradient_loss(gain: Tensor, valid: Tensor) -> Tensor:
    """REINFORCE: with ``gain = A log π`` a loss whose gradient is ``−E Σ_u A_u ∇log π_u``.

    Args:
        gain: (B, U) what each unit (a whole turn ``y_t``, or a token) is to raise: its
            advantage, a constant, times its log-probability; or a surrogate from above.
        valid: (B,) bool; episodes that count.

    Returns:
        A scalar: the mean over valid episodes, so its size is that of the equation.
    """
    return -mean_of_valid(gain.sum(dim=1), valid)


def mean_of_valid(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, …) values over the valid episodes; 0 where there are none."""
    weight = valid.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
    return (weight * values).sum(dim=0) / weight.sum().clamp(min=1.0)


# -- the divergence from the reference: KL(π_θ(·|x_t) ‖ π_ref(·|x_t)) --------------------
def kl_full(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """Exact KL(π ‖ π_ref) of the next-token distributions, over the whole vocabulary.

    Args:
        logits: (B, C, V), with gradient.
        ref_logits: (B, C, V), constants.

    Returns:
        (B, C) nats, ≥ 0. Summed over a turn it is an unbiased value of the turn's KL with
        less variance than a sampled estimate. Its own gradient takes the prefix as given;
        `kl_with_prefixes` adds what is missing.
    """
    logps = logits.log_softmax(dim=-1)
    return (logps.exp() * (logps - ref_logits.log_softmax(dim=-1))).sum(dim=-1)


def kl_with_prefixes(kl: Tensor, later: Tensor, logps: Tensor) -> Tensor:
    """The same value as ``kl``, with the gradient of the whole turn's KL.

    A token's choice decides at which prefixes the later ones are compared, so with
    ``KL_turn = E Σ_u KL_u``: ``∇KL_turn = E Σ_u [ ∇KL_u + (Σ_{v>u} KL_v) ∇log π_u ]``.

    Args:
        kl: (B, C) `kl_full` of each token, with gradient.
        later: (B, C) the sum of ``kl`` over the later tokens of its turn.
        logps: (B, C) log-probabilities of the sampled tokens, with gradient.
    """
    return kl + later.detach() * (logps - logps.detach())


def kl_k1(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """``k1 = log π − log π_ref`` of the sampled tokens: unbiased *value* of the KL.

    It belongs in the reward (as ``−β k1``). As a loss its expected gradient is zero, so it
    must not be used as one. Shapes: any, the same for both.
    """
    return logps - ref_logps


def kl_k2(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """``k2 = (log π − log π_ref)² / 2``: as a *loss* on on-policy samples, the KL's gradient.

    Summed over a turn's tokens *before* squaring, that is exact: E ∇k2 = E[k1 ∇log π] = ∇KL.
    """
    return 0.5 * (logps - ref_logps).square()


def kl_k3(logps: Tensor, ref_logps: Tensor) -> Tensor:
    """``k3 = e^{−k1} − 1 + k1``: a low-variance, non-negative *value* of the KL, token by token.

    As a loss it follows the gradient of the *forward* KL(π_ref ‖ π), which is not the paper's.
    """
    difference = ref_logps - logps
    return difference.exp() - 1.0 - difference


def kl_loss(kl: Tensor, betas: Tensor, valid: Tensor) -> Tensor:
    """``E Σ_t β_t KL_t``: equations 2 to 4's penalty, with a coefficient for each turn.

    Args:
        kl: (B, K) KL of each turn (or k2 of it), with gradient.
        betas: (K,) coefficients.
        valid: (B,) bool; episodes that count.
    """
    return mean_of_valid((betas * kl).sum(dim=1), valid)


# -- tokens ----------------------------------------------------------------------------
def token_logps(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities of given tokens under ``softmax(logits)``.

    Args:
        logits: (B, C, V).
        ids: (B, C) int64.

    Returns:
        (B, C) float32.
    """
    chosen = logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)
