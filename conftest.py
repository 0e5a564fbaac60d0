"""Modules of libraries that are not installed are not collected: doctests would import them."""

from importlib.util import find_spec

OPTIONAL = {
    "skyrl": ["tests/doors/test_skyrl.py"],
    "openenv": [
        "selfcorrect_env/serving/openenv",
        "tests/doors/test_openenv.py",
        "tests/doors/test_openenv_leaks.py",
    ],
    "verifiers": [
        "selfcorrect_env/serving/verifiers",
        "selfcorrect_vf",
        "tests/doors/test_verifiers.py",
    ],
    "tinker": ["agents/selfcorrect_agents/adapters/tinker"],
    "trl": ["agents/selfcorrect_agents/adapters/trl", "tests/doors/trl"],
}
"""A library that cannot share the project's environment, with what needs it. Its tests run in
an environment of its own: ``tests/doors/test_peers.py``."""

collect_ignore = [
    path for library, paths in OPTIONAL.items() if not find_spec(library) for path in paths
]
