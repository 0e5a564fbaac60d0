"""Our episodes and objectives inside other trainers and services, one package for each.

Each needs an extra of its own: `selfcorrect_agents.adapters.trl` needs ``[trl]``,
`selfcorrect_agents.adapters.tinker` needs ``[tinker]``.
"""
