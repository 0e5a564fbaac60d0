"""Forward passes of Llama-like decoders over the weights of a transformers model.

`decoder_of` returns a `Decoder` if a model's architecture is supported (Llama, Mistral, Qwen2,
Qwen3, OLMo 2, and models that use their classes, such as SmolLM2), and says why not otherwise. The
decoder calls the model's own linear modules, so adapters of peft, ``disable_adapter``, autocast and
activation checkpointing work as in the model's forward.

Tokens are packed: a pass reads N tokens of many rows, one after another, as (N,) ids and (N,)
positions, without padding between them. Only attention knows about rows, and it is an argument of
the pass (`Decoder.hidden`):

- `PackedRows` scores. ``packed = pack_rows(ids, mask, samples)`` packs a (B, T) batch whose rows
  come in groups of ``samples``. The longest common beginning of a group, its prompt, is packed
  once, and its keys and values are expanded for the rows of the group; gradients flow through both.
  ``hidden = decoder.hidden(packed.ids, packed.positions, packed.attention())`` is (N, H), and
  ``hidden[packed.predictors(columns)]`` is (B, C, H), the hidden states that predict the tokens in
  ``columns``. `Policy.packed_hidden` does the same for any model, with or without a decoder.
- `KeyValueCache` samples: it stores the keys and values of rows that grow.
"""

from selfcorrect_agents.lm.decoders.checking import checked
from selfcorrect_agents.lm.decoders.decoder import Decoder, decoder_of
from selfcorrect_agents.lm.decoders.packing import PackedRows, pack_rows

__all__ = ["Decoder", "PackedRows", "checked", "decoder_of", "pack_rows"]
