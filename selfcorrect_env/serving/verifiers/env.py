"""The conversation of several attempts as an environment of verifiers, played without its cloud."""

from __future__ import annotations

from typing import Any

import verifiers.v1 as vf
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from verifiers.v1.dialects.chat import message_to_wire

from selfcorrect_env.errors import UnsupportedEnvError
from selfcorrect_env.serving.verifiers.taskset import SelfCorrectTask


class SelfCorrectVerifiersConfig(vf.SingleAgentEnvConfig):
    """One agent, whose requests are sent by this process.

    verifiers' own default is a sandbox in Prime Intellect's cloud, which needs an account.
    """

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())
    """The model that answers."""


class SelfCorrectVerifiersEnv(  # pyright: ignore[reportGeneralTypeIssues]  # a narrower config
    vf.SingleAgentEnv, vf.Env[SelfCorrectVerifiersConfig]
):
    """Asks for an attempt, then sends the correction instruction and asks again.

    The instruction is the environment's, the same text whatever the reply was. Scores come from
    the task, after the conversation.
    """

    async def run(self, task: vf.Task[Any], agents: vf.Agents) -> None:
        """Play one episode.

        Raises:
            UnsupportedEnvError: the task comes from another taskset.
        """
        if not isinstance(task, SelfCorrectTask):
            raise UnsupportedEnvError(
                f"This environment plays the tasks of selfcorrect-vf, got a {type(task).__name__}."
            )
        env = task.env
        async with agents.agent.interaction(task) as interaction:
            segment = await interaction.turn()
            for _ in range(env.attempts - 1):
                if segment.terminated:  # a limit or a failure, which the trace names
                    return
                segment = await interaction.turn(env.prompts.correction)


class PlainChat(vf.Harness[vf.HarnessConfig]):
    """Sends the conversation to the model and nothing else: no tools, no program, no container.

    verifiers' ``null`` harness does the same in a process of its own for each turn, which ``uv``
    prepares.
    """

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Ask for one reply; verifiers records it, and any error, at ``endpoint``.

        The client retries what may pass by itself (status 429 and 5xx, cut connections) twice.
        """
        system, prompt = self.resolve_prompt(data)
        messages: list[Any] = [] if system is None else [{"role": "system", "content": system}]
        if isinstance(prompt, str):
            messages.append({"role": "user", "content": prompt})
        else:
            messages += [message_to_wire(message) for message in prompt or []]
        # no certificates are read for a local address, and the time limits are those of verifiers
        transport = DefaultAsyncHttpxClient(verify=endpoint.startswith("https:"))
        async with AsyncOpenAI(
            base_url=endpoint, api_key=secret, timeout=None, http_client=transport
        ) as client:
            await client.chat.completions.create(model=ctx.model, messages=messages)
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")
