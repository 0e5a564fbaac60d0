"""`SelfCorrectEnv`: one problem, several attempts, as a ``gymnasium.Env``."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv

from selfcorrect_env.env_setup import Setup, SetupProperties
from selfcorrect_env.errors import EpisodeError, UnknownNameError
from selfcorrect_env.problems.own_problems import Problems
from selfcorrect_env.prompts import Prompts
from selfcorrect_env.session import Session, require_reply
from selfcorrect_env.spaces import ConversationSpace, ReplySpace
from selfcorrect_env.types import Conversation, ScoreFunction, Verifier
from selfcorrect_env.vector_copies import CopiesVectorEnv, copied, is_modified
from selfcorrect_env.vector_env import SelfCorrectVectorEnv
from selfcorrect_env.verifiers.base import judge

RESET_OPTIONS = ("index", "id")


class SelfCorrectEnv(SetupProperties, gym.Env[Conversation, str]):
    """Answer a problem, be told only that there might be an error, answer again.

    ## Description
    The setting of Kumar et al. (arXiv 2409.12917, section 3). The environment shows a
    problem ``x``; the agent answers (``y_1``). The environment then appends the correction
    instruction ``p_1``, which never depends on the answer; the agent answers again (``y_2``).
    A verifier scores every answer. Nothing that the agent sees depends on a score.

    ## Action Space
    `ReplySpace`: any ``str``. The text of a model is never an error: an empty, huge or hostile
    reply is scored like any other. An action that is not a str is a ``TypeError``.

    ## Observation Space
    `ConversationSpace`: the messages so far, ready for
    ``tokenizer.apply_chat_template(observation)`` or
    ``client.chat.completions.create(messages=observation)``.

    ## Rewards
    ``r(y_t, y*)`` in [0, 1] after each attempt, mostly 0 or 1. It is 0 if the verifier
    failed: check ``info["verdict"].judged`` before learning from it. SCoRe's bonus is a
    wrapper, `selfcorrect_env.wrappers.ProgressBonus`.

    ## Starting State
    A problem drawn uniformly by ``self.np_random``, or the one that
    ``reset(options={"index": i})`` or ``reset(options={"id": "…"})`` names.

    ## Episode End
    Termination: after the last attempt. Truncation: never.

    ## Information
    After ``reset``: ``problem_id``; ``attempt`` (0); ``problem_set``, a dict of ``name``,
    ``split``, ``size`` and ``fingerprint``. After ``step``: ``problem_id``; ``attempt`` (from
    1); ``verdict``, the reply's `Verdict`. After the last step also ``transition``, a
    `Transition` or None, and ``finished``, the whole `Episode`. The info is for learners and
    logs; do not show it to the agent.

    ## Arguments
    problems: the name of a problem set; or problems of your own: the path of a file (JSON
        Lines, JSON, CSV, TSV or Parquet), of a folder with a file for each split or of one that
        ``save_to_disk`` wrote; a list of dicts, a ``DataFrame``, a ``datasets.Dataset`` or
        ``DatasetDict``; or a `ProblemSet`.
    split: ``"train"``, ``"test"`` or another split of a named set, a folder, a ``DatasetDict``
        or a set divided by ``holdout``; by default ``"test"``. Other problems are one set
        without splits: asking for a split is an error.
    verifier: a verifier's name, a `Verifier`, or a function ``(problem, response) -> score``;
        by default the problem set's own, else that of ``defaults``, else ``"exact"``.
    prompts: the name of prompts or a `Prompts`; by default the problem set's own, else those
        of ``defaults``, else ``"plain"``.
    attempts: attempts in an episode, ≥ 1; the paper's setting is 2.
    defaults: the name of a problem set whose verifier and prompts are used for problems that
        have none of their own. An id made by ``gym.make`` sets it to its own problem set.
    render_mode: None, ``"ansi"`` (``render`` returns text) or ``"human"`` (prints each step).
    options: for a named problem set, its further options (``path=…``, ``level=…``). For
        problems of your own, ``prompt_column``, ``reference_column`` and ``id_column`` (the
        names of the columns, by default ``"prompt"``, ``"reference"`` and ``"id"``, or functions
        of the row) and ``holdout`` (a share of the problems, chosen by a hash of their text,
        that is the split ``"test"``; the rest is ``"train"``).

    ## Version History
    v0: first version.

    ## References
    Kumar et al., "Training Language Models to Self-Correct via Reinforcement Learning",
    arXiv 2409.12917.

    >>> env = SelfCorrectEnv([{"prompt": "1 + 1 = ?", "reference": "2"}], verifier="exact")
    >>> conversation, info = env.reset(seed=0)
    >>> conversation, reward, terminated, truncated, info = env.step("3")
    >>> [message["role"] for message in conversation], reward, terminated
    (['user', 'assistant', 'user'], 0.0, False)
    >>> conversation, reward, terminated, truncated, info = env.step("2")
    >>> reward, terminated, str(info["transition"])
    (1.0, True, 'i->c')

    """

    metadata: dict[str, Any] = {  # noqa: RUF012  gymnasium's, which instances may replace
        "render_modes": ["human", "ansi"],
        "render_fps": 4,
    }

    def __init__(
        self,
        problems: Problems = "arithmetic",
        *,
        split: str | None = None,
        verifier: str | Verifier | ScoreFunction | None = None,
        prompts: str | Prompts | None = None,
        attempts: int = 2,
        defaults: str | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            # a TypeError is what callers expect of a class that cannot render in this mode:
            # stable-baselines3's make_vec_env then makes the environment without it
            known = self.metadata["render_modes"]
            raise TypeError(str(UnknownNameError.of("render mode", render_mode, known)))
        self._setup = Setup.resolve(
            problems,
            split=split,
            verifier=verifier,
            prompts=prompts,
            attempts=attempts,
            defaults=defaults,
            options=options,
        )
        self._session: Session | None = None
        self.render_mode = render_mode
        self.observation_space = ConversationSpace()
        self.action_space = ReplySpace()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Conversation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: of ``self.np_random``, which draws the problem.
            options: ``{"index": i}`` or ``{"id": "…"}`` selects the problem instead.

        Raises:
            IndexError: there is no problem of this index.
            UnknownNameError: there is no problem of this id, or no such option.
        """
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            if name not in RESET_OPTIONS:
                raise UnknownNameError.of("option of reset", name, RESET_OPTIONS)
        problem = self._setup.find_problem(options.get("index"), options.get("id"))
        if problem is None:
            problem = self._setup.draw_problem(self.np_random)
        self._session = session = Session(problem, self._setup)
        if self.render_mode == "human":
            self._print(session)
        return session.observation(), session.info()

    def step(self, action: str) -> tuple[Conversation, float, bool, bool, dict[str, Any]]:
        """Give the next reply.

        Args:
            action: the reply, any str; a `Reply` also holds its number of tokens.

        Returns:
            The conversation so far, the reply's score, whether the episode is over, False,
            and the information that the class describes.

        Raises:
            TypeError: the reply is no str.
            EpisodeError: there is no episode under way.
        """
        reply = require_reply(action)
        session = self._session
        if session is None or session.over:
            raise EpisodeError(
                "step() was called before reset()."
                if session is None
                else f"step() was called after the episode's last attempt ({self.attempts} of "
                f"{self.attempts}); call reset() to start another."
            )
        (verdict,) = judge(self.verifier, (session.problem,), (reply,))
        session.add(reply, verdict)
        if self.render_mode == "human":
            self._print(session)
        return session.observation(), float(verdict.score), session.over, False, session.info()

    def render(self) -> str | None:  # type: ignore[override]  # gymnasium's type has frames only
        """Return the episode so far as text (``"ansi"``); ``"human"`` has printed it already.

        Raises:
            EpisodeError: ``"ansi"`` before the first ``reset``.
        """
        if self.render_mode != "ansi":
            return None
        if self._session is None:
            raise EpisodeError("render() was called before reset().")
        from selfcorrect_env.rendering import to_text

        return to_text(self._session.problem, self._session.conversation, self._session.attempts)

    def vectorised(
        self, num_envs: int, *, autoreset_mode: AutoresetMode | str = AutoresetMode.DISABLED
    ) -> VectorEnv[Any, Any, Any]:
        """Return a new vector environment of ``num_envs`` rows that plays the same episodes.

        It is a `SelfCorrectVectorEnv`, which verifies the replies of a step together. If a subclass
        replaces ``reset``, ``step`` or another method of an episode, it is a `CopiesVectorEnv`,
        which runs the subclass's methods row by row. A subclass may replace this method too.

        Args:
            num_envs: number of rows, >= 1.
            autoreset_mode: what happens after the end of an episode; by default nothing.

        Raises:
            UnsupportedEnvError: an object of the subclass cannot be copied.
        """
        if is_modified(self, SelfCorrectEnv):
            return CopiesVectorEnv(self, num_envs, autoreset_mode=autoreset_mode)
        return SelfCorrectVectorEnv.like(self, num_envs, autoreset_mode=autoreset_mode)

    def copy(self) -> SelfCorrectEnv:
        """Return an independent copy of the same class, with no episode under way.

        It shares the problem set, the verifier and the prompts, and draws its own random numbers.

        Raises:
            UnsupportedEnvError: an attribute of a subclass cannot be copied.
        """
        twin = copied(self)
        twin._session = None
        return twin

    def __str__(self) -> str:
        name = self.spec.id if self.spec is not None else type(self).__name__
        return f"<{name}: {self._setup}>"

    __repr__ = __str__

    @staticmethod
    def _print(session: Session) -> None:
        from selfcorrect_env.rendering import to_terminal

        to_terminal(session.problem, session.conversation, session.attempts)
