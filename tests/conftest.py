"""What holds for every test: no network, one thread per process, no time limits of hypothesis.

The variables must be set before torch, transformers or datasets are imported anywhere.
"""

import os

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import hypothesis  # noqa: E402

hypothesis.settings.register_profile(
    "selfcorrect", deadline=None, derandomize="CI" in os.environ, print_blob=True
)
hypothesis.settings.load_profile("selfcorrect")
