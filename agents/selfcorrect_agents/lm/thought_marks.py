"""Marks around thoughts and channels in the texts of models."""

THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|channel>thought": "<channel|>",
}
"""The marks around a thought that a prompt may open; the last ones are those of Gemma 4."""

MARKS = {*THOUGHTS, *THOUGHTS.values(), "<|channel>"}
"""Marks of thoughts that may be special tokens: without them a thought looks like a reply."""

CHANNEL = "<|channel|>"
"""The mark after which gpt-oss names the channel of a message."""

CHANNELS = {CHANNEL, "<|message|>", "<|start|>", "<|end|>"}
"""Special tokens of gpt-oss: without them the analysis looks like a part of the reply."""
