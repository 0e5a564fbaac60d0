"""The environment as a taskset and an environment of verifiers, Prime Intellect's library.

`taskset` holds the problems and the scores, `env` the conversation. They import ``verifiers.v1``,
which the extra ``verifiers`` installs; the top-level module ``selfcorrect_vf`` is the plugin that
``vf-eval selfcorrect-vf`` loads.
"""
