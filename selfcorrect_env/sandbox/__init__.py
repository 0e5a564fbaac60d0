"""A sandbox that runs untrusted programs and judges them by tests out of their reach."""

from selfcorrect_env.sandbox.backends import BACKENDS, Backend, open_backend
from selfcorrect_env.sandbox.jobs import Job, Outcome
from selfcorrect_env.sandbox.layers import Layer, layers, missing_for_strong
from selfcorrect_env.sandbox.pool import Isolation, Sandbox
from selfcorrect_env.sandbox.trial import best_layers

__all__ = [
    "BACKENDS",
    "Backend",
    "Isolation",
    "Job",
    "Layer",
    "Outcome",
    "Sandbox",
    "best_layers",
    "layers",
    "missing_for_strong",
    "open_backend",
]
