"""What the model is asked, what the environment sees, and what it costs."""

from collections.abc import Sequence

import pytest

from selfcorrect_agents.lm.agent import LanguageModelAgent
from selfcorrect_agents.lm.model_config import ModelConfig
from selfcorrect_agents.lm.policy import Policy
from selfcorrect_agents.lm.samplers import Context
from selfcorrect_agents.methods.prompting import Prompting, PromptingConfig
from selfcorrect_agents.methods.prompting.texts import FEEDBACK, REWRITE, ZERO_SHOT
from selfcorrect_env import Conversation, Message, SelfCorrectEnv, play
from selfcorrect_env.errors import AgentError
from selfcorrect_env.evaluation.agent_factory import find_agent
from selfcorrect_env.prompts import PROMPTS
from selfcorrect_env.testing import check_agent

ROWS = [{"prompt": f"{i}+{i}=", "reference": str(2 * i)} for i in range(5)]


class Heard:
    """Keeps what a policy reads: whole conversations, and messages that continue one."""

    def __init__(self, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[list[Conversation]] = []
        self.added: list[list[tuple[str, str]]] = []
        start, extend = policy.start, policy.extend

        def starting(conversations: Sequence[Conversation], samples: int = 1) -> Context:
            self.started.append(list(conversations))
            return start(conversations, samples)

        def extending(context: Context, added: Sequence[Sequence[Message]]) -> None:
            self.added.append([(m["role"], m["content"]) for messages in added for m in messages])
            extend(context, added)

        monkeypatch.setattr(policy, "start", starting)
        monkeypatch.setattr(policy, "extend", extending)


@pytest.fixture
def heard(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(policy, monkeypatch)


def env(prompts: str = "math", attempts: int = 2) -> SelfCorrectEnv:
    return SelfCorrectEnv(ROWS, prompts=prompts, attempts=attempts, verifier="exact")


@pytest.mark.parametrize(
    ("prompts", "task"),
    [("math", "math"), ("gsm8k", "math"), ("mbpp", "code"), ("arithmetic", "plain")],
)
def test_a_critique_then_a_rewrite_go_on_from_the_first_attempt(
    policy: Policy, heard: Heard, prompts: str, task: str
) -> None:
    played = play(Prompting(policy, max_new_tokens=4, temperature=1.0), env(prompts))
    assert [len(conversations) for conversations in heard.started] == [5]  # read once
    assert heard.added == [[("user", FEEDBACK[task])] * 5, [("user", REWRITE[task])] * 5]
    for episode in played:  # the environment's own two-step episode
        asked = PROMPTS[prompts].correct(episode.conversation[:1], episode.attempts[0].reply)
        assert episode.conversation[:-1] == asked
        assert episode.conversation[-1]["content"] == episode.attempts[1].reply


def test_the_rewrite_is_conditioned_on_the_critique(policy: Policy) -> None:
    """The whole exchange written out by hand, greedy: the agent's replies are the same."""
    agent = Prompting(policy, max_new_tokens=5)
    (episode,) = play(agent, env(), indices=[3])
    plain = LanguageModelAgent(policy, max_new_tokens=5)
    (critique,) = agent.critiques
    asked = (*episode.conversation[:2], {"role": "user", "content": FEEDBACK["math"]})
    told = (
        *asked,
        {"role": "assistant", "content": str(critique)},
        {"role": "user", "content": REWRITE["math"]},
    )
    context = policy.start([episode.conversation[:1]])
    turns = []
    for message in (asked[-1:], told[-1:], ()):
        turns.append(context.sample(5, 0.0))
        if message:
            policy.extend(context, [message])
    replies = [policy.replies(turn)[0] for turn in turns]
    assert replies == [episode.attempts[0].reply, critique, episode.attempts[1].reply]
    assert plain.act([asked[:1]]) == replies[:1]


def test_tokens_are_those_of_critique_and_rewrite(policy: Policy) -> None:
    agent = Prompting(policy, max_new_tokens=6, temperature=1.0)
    episodes = play(agent, env())
    for episode, critique in zip(episodes, agent.critiques, strict=True):
        rewrite = episode.attempts[1]
        assert critique.tokens
        assert rewrite.tokens
        own = rewrite.tokens - critique.tokens
        assert 1 <= own <= 6
        assert own == 6 or not rewrite.truncated
    assert "self-refine" in agent.decoding


def test_zero_shot_is_the_papers_instruction_whatever_the_environments_is(
    policy: Policy, heard: Heard
) -> None:
    play(Prompting(policy, max_new_tokens=4, style="zero-shot", task="code"), env("plain"))
    assert heard.added == [[("user", ZERO_SHOT["code"])] * 5]
    assert ZERO_SHOT["math"].startswith("There might be an error in the solution above because of")


def test_zero_shot_where_the_instruction_is_the_papers_is_the_base(policy: Policy) -> None:
    agents = (
        Prompting(policy, max_new_tokens=5, temperature=1.0, seed=2, style="zero-shot"),
        LanguageModelAgent(policy, max_new_tokens=5, temperature=1.0, seed=2),
    )
    ours, base = (play(agent, env("gsm8k")) for agent in agents)
    assert ours == base


def test_zero_shot_needs_a_task_that_the_paper_had(policy: Policy) -> None:
    with pytest.raises(AgentError, match="task='math'"):
        play(Prompting(policy, max_new_tokens=2, style="zero-shot"), env("plain"))


def test_texts_of_ones_own(policy: Policy, heard: Heard) -> None:
    texts = {"feedback": "What is wrong?", "rewrite": "Again!"}
    play(Prompting(policy, max_new_tokens=3, **texts), env("plain"))  # type: ignore[arg-type]
    play(Prompting(policy, max_new_tokens=3, style="zero-shot", instruction="Mend it."), env())
    assert [added[0][1] for added in heard.added] == ["What is wrong?", "Again!", "Mend it."]


@pytest.mark.parametrize(
    ("style", "text"),
    [("zero-shot", "feedback"), ("zero-shot", "rewrite"), ("self-refine", "instruction")],
)
def test_a_text_that_the_style_does_not_use_is_refused(
    policy: Policy, style: str, text: str
) -> None:
    for make in (PromptingConfig, lambda **options: Prompting(policy, **options)):
        with pytest.raises(ValueError, match=f"does not use {text}"):
            make(style=style, **{text: "?"})  # type: ignore[arg-type]


def test_more_attempts_and_mixed_batches(policy: Policy, heard: Heard) -> None:
    """A third attempt starts from the text that the environment shows, and from that alone."""
    agent = Prompting(policy, max_new_tokens=3, temperature=1.0)
    episodes = play(agent, env(attempts=3))
    assert [len(conversations[0]) for conversations in heard.started] == [1, 5]
    shown = [c[:-1] for c in heard.started[1]]
    assert shown == [episode.conversation[:4] for episode in episodes]
    check_agent(agent)


def test_the_registry_builds_it_with_its_options(policy: Policy, tmp_path: object) -> None:
    policy.save_pretrained(str(tmp_path))
    factory = find_agent("prompting")
    assert factory.config is PromptingConfig
    config = PromptingConfig(
        model=ModelConfig(model=str(tmp_path)),
        max_new_tokens=7,
        seed=3,
        style="zero-shot",
        task="math",
    )
    agent = factory.build(config)
    assert isinstance(agent, Prompting)
    assert (agent.max_new_tokens, agent.style, agent.task) == (7, "zero-shot", "math")
