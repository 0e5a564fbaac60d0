"""The output layer for few rows."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from selfcorrect_agents.lm.output_layer import few_rows


@pytest.mark.parametrize("rows", [1, 32, 33])
@pytest.mark.parametrize("vocabulary", [100, 8192, 9000])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_layer(rows: int, vocabulary: int, bias: bool) -> None:
    layer, hidden = nn.Linear(8, vocabulary, bias=bias), torch.randn(rows, 8)
    assert_close(few_rows(layer, hidden), layer(hidden), rtol=1e-5, atol=1e-5)
