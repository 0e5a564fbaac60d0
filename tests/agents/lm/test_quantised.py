"""What configurations of transformers say about quantised weights."""

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import BitsAndBytesConfig, Qwen2Config

from selfcorrect_agents.lm.quantised import bytes_of_weight, is_quantised
from selfcorrect_agents.lm.shapes import shape_of

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 8}}},
}


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        (None, None, None),
        ({"quant_method": "gguf", "dequantize": True}, None, None),
        ({"quant_method": "a new one"}, None, None),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 0.55, 0.57),
        (BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=True), 0.51, 0.53),
        (BitsAndBytesConfig(load_in_8bit=True), 1.0, 1.0),
        (AWQ, 0.51, 0.53),
        ({**AWQ, "quant_method": "gptq", "bits": 8, "group_size": -1}, 1.0, 1.0),
        (COMPRESSED, 1.0, 1.03),
        ({"quant_method": "fp8"}, 1.0, 1.0),
        ({"quant_method": "mxfp4"}, 0.53, 0.54),
    ],
)
def test_the_bytes_of_a_weight(settings: Any, least: float | None, most: float | None) -> None:
    config = SimpleNamespace(quantization_config=settings)
    found = bytes_of_weight(config)
    if least is None or most is None:
        assert found is None
    else:
        assert found is not None
        assert least <= found <= most
        assert is_quantised(config)


def test_the_linear_layers_of_a_shape_are_quantised() -> None:
    sizes: dict[str, Any] = {
        **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 100},
    }
    plain = shape_of(Qwen2Config(**sizes))
    assert (plain.quantised, plain.dequantised) == (0, 0)
    nf4 = {"quant_method": "bitsandbytes", "load_in_4bit": True}

    def shape(**more: Any) -> Any:
        config = Qwen2Config(**sizes)
        config.quantization_config = {**nf4, **more}
        return shape_of(config)

    found = shape()
    attention, mlp = 4 * 64 * 64, 3 * 64 * 128
    assert (found.parameters, found.ports) == (plain.parameters, plain.ports)
    assert found.quantised < found.parameters - 2 * 100 * 64  # neither embedding nor output layer
    assert found.quantised == 2 * (attention + mlp)
    assert found.dequantised == 64 * 128
    without = 2 * (attention + 2 * 64 * 128)
    assert shape(llm_int8_skip_modules=["down_proj"]).quantised == without
    assert shape(modules_to_not_convert=["model.layers.*.mlp.down_proj"]).quantised == without
    assert shape(ignore=[r"re:.*\.mlp\.down_proj$"]).quantised == without
    assert shape(load_in_4bit=False).unknown_quantisation
