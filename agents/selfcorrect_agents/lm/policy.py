"""`Policy`: a causal language model with its tokenizer. It samples token ids and scores them.

Scoring uses the token ids that were sampled: a conversation is tokenised once, and one forward
pass over the whole episode scores every turn. `Policy` joins the parts: `Chat` (text and ids), a
`Sampler` (ids in, turns out) and the scorer (`hidden` and `head`, of which
`selfcorrect_agents.rl.scoring` makes log-probabilities without a [B, T, V] tensor).
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from selfcorrect_agents.errors import LearningError, UnsupportedModelError
from selfcorrect_agents.lm.chat import Chat
from selfcorrect_agents.lm.decoders import (
    Decoder,
    PackedRows,
    checked,
    decoder_of,
    pack_rows,
)
from selfcorrect_agents.lm.gpu_attention import without_cudnn_attention
from selfcorrect_agents.lm.output_layer import (
    LinearHead,
    LogitChange,
    few_rows,
    is_plain,
    logit_changes,
)
from selfcorrect_agents.lm.plain_context import positions
from selfcorrect_agents.lm.player import Player
from selfcorrect_agents.lm.positions import position_limit
from selfcorrect_agents.lm.progress_bars import no_progress_bars
from selfcorrect_agents.lm.quantised import is_quantised, needs_adapter
from selfcorrect_agents.lm.samplers import (
    CachedSampler,
    Sampler,
    cache_argument,
)
from selfcorrect_agents.lm.template_config import TemplateConfig
from selfcorrect_agents.lm.training_mode import without_dropout

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Policy(Player):
    """A causal language model with its tokenizer.

    The model is put into evaluation mode and its dropout set to 0, for training as well: the policy
    that is scored must be the one that sampled. If it is on a GPU, PyTorch's attention by cuDNN is
    switched off in the process (`without_cudnn_attention` says why).

    Args:
        model: any ``transformers`` causal LM that takes ``position_ids`` and a cache, with or
            without adapters of peft.
        tokenizer: its tokenizer; without a chat template it gets a plain one.
        autocast: the precision of forward passes, independent of that of the stored weights;
            None uses the weights' own.
        sampler: samples replies; by default a `CachedSampler` of the model.
        template: what the chat template is given beside the messages.

    Raises:
        ValueError: the tokenizer has no end-of-sequence token, or its chat template refuses what
            ``template`` gives it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        autocast: torch.dtype | None = None,
        sampler: Sampler | None = None,
        template: TemplateConfig | None = None,
    ) -> None:
        self.model = model
        chat = Chat(tokenizer, _end_ids(model), self.vocab_size, template)
        self.tokenizer = tokenizer
        self.autocast = autocast
        self.cache_argument = cache_argument(model)
        without_dropout(model)
        model.eval()
        if model.device.type == "cuda":
            without_cudnn_attention()
        super().__init__(chat, sampler or CachedSampler(self, chat.ends))
        self._logit_change: LogitChange | UnsupportedModelError | None = None
        self._decoder: Decoder | UnsupportedModelError | None = None
        base: Any = model
        self._positions = position_limit(base.get_base_model() if self.has_adapter else base)
        self._warned_of_length = False

    @property
    def device(self) -> torch.device:
        """Device of the model's weights."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of forward passes: that of `autocast`, or of the weights."""
        return self.autocast or cast(Any, self.model.get_input_embeddings()).weight.dtype

    @property
    def precision(self) -> str:
        """The name of `dtype`, such as "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    def check_length(self, tokens: int) -> None:
        """Check that rows of so many tokens have positions; warn once where the model may not know.

        Raises:
            UnsupportedModelError: the model has no positions for them.
        """
        if self._positions is not None and not self._warned_of_length:
            within = self._positions.check(tokens, what="prompt, replies and token cap")
            self._warned_of_length = not within

    @property
    def vocab_size(self) -> int:
        """Number of token ids that the model gives logits for."""
        return int(self._output_layer.weight.shape[0])

    @property
    def has_adapter(self) -> bool:
        """Whether the model is wrapped by peft."""
        return hasattr(self.model, "peft_config")

    # -- loading and saving -------------------------------------------------------------
    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> Policy:
        """Load a model and its tokenizer; ``options`` are the fields of `ModelConfig`.

        Args:
            model: a folder written by ``save_pretrained`` (a model, or an adapter of peft), a hub
                id, or the path of a ``.gguf`` file.
            options: ``device``, ``dtype``, ``revision``, ``lora`` … By default the model runs in
                float32 on the CPU.

        Raises:
            OSError: there is no such model, or the hub cannot be reached.
            ValueError: the tokenizer has no end-of-sequence token.
        """
        from selfcorrect_agents.lm.loading import load_policy
        from selfcorrect_agents.lm.model_config import ModelConfig

        options = {"device": "cpu", "dtype": "float32", **options}
        return load_policy(ModelConfig(model=str(model), **options))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model and tokenizer.

        ``AutoModelForCausalLM`` loads the folder. A model with an adapter writes the adapter
        alone, in peft's format, which ``AutoPeftModelForCausalLM`` loads.
        """
        with no_progress_bars(), warnings.catch_warnings():
            # peft looks for a config.json to know whether the vocabulary was changed: it was not
            warnings.filterwarnings("ignore", r"Could not find a config file in .*\.gguf")
            self.model.save_pretrained(folder, max_shard_size="5GB")
        self.tokenizer.save_pretrained(folder)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return the weights that are trained, by name: all of them, or the adapter's."""
        return {name: w for name, w in self.model.named_parameters() if w.requires_grad}

    def prepare_training(self) -> None:
        """Store the trainable weights in float32, if they are not.

        A small step vanishes in the rounding of bfloat16. Forward passes keep their precision, by
        `autocast`; float16, which would need its gradients scaled, becomes float32.

        Raises:
            LearningError: the weights are quantised, and there is no adapter to train; the model
                has another adapter than "default", the only one that a saved model is loaded with;
                or frozen weights are in float16.
        """
        if not self.has_adapter and is_quantised(self.config):
            raise LearningError(needs_adapter(self.tokenizer.name_or_path))
        adapters: dict[str, Any] = getattr(self.model, "peft_config", {"default": None})
        if set(adapters) != {"default"}:
            raise LearningError(
                f"Training needs one adapter, named 'default' as get_peft_model does, and the "
                f"model has {', '.join(map(repr, adapters))}: a saved model is loaded with that "
                "one alone. Merge the others into the model first (merge_and_unload)."
            )
        frozen = (w for w in self.model.parameters() if not w.requires_grad)
        if any(weight.dtype == torch.float16 for weight in frozen):
            raise LearningError(
                "Frozen weights are in float16, in which gradients of this size vanish: load the "
                "model in bfloat16 or float32."
            )
        rounded = [w for w in self.trainable().values() if w.dtype != torch.float32]
        if not rounded:
            return
        if self.autocast is None and self.dtype == torch.bfloat16:
            self.autocast = self.dtype
        for weight in rounded:
            weight.data = weight.data.float()
        self._decoder = self._logit_change = None  # they were compared in the former precision

    def load_weights(self, folder: str | Path) -> None:
        """Load the weights that `save_pretrained` of this policy wrote.

        Raises:
            OSError: the folder holds no such weights.
        """
        from selfcorrect_agents.lm.pretrained import load_weights

        load_weights(self.model, Path(folder))

    # -- scoring ------------------------------------------------------------------------
    def forward(self, **inputs: Any) -> Any:
        """Run the model as transformers does."""
        with self.computing():
            return self.model(**inputs)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """What every forward pass of the layers runs in: the precision of `autocast`."""
        with self._precision():
            yield

    @property
    def decoder(self) -> Decoder | None:
        """Our own forward pass of the layers; None if transformers runs them.

        It is compared with the model's own forward when it is first asked for.
        """
        if self._decoder is None:
            try:
                decoder = decoder_of(self.model)
                if isinstance(change := self._change_of_logits(), UnsupportedModelError):
                    raise change
                self._decoder = checked(decoder, self)
            except UnsupportedModelError as reason:
                self._decoder = reason
        return None if isinstance(self._decoder, UnsupportedModelError) else self._decoder

    def fingerprint(self) -> str:
        """Return a hash of the weights, with their names, types and shapes."""
        digest = hashlib.sha256()
        for name, weights in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}\n".encode())
            digest.update(weights.detach().cpu().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def forward_pass(self) -> str:
        """What computes the layers, for reports: "own (Llama)", or "transformers (reason)"."""
        if (decoder := self.decoder) is not None:
            return f"own ({decoder.family})"
        return f"transformers ({self._decoder})"

    def packed_hidden(self, packed: PackedRows) -> Tensor:
        """Return the hidden states of packed tokens, (N, H), in one forward pass.

        With a `decoder`, the prompt that a group of rows shares is computed once. Other models
        compute every row with its prompt. Gradients flow where they are on.
        """
        if not self.makes_logits:
            rows, mask = packed.rows()
            logits = self.forward(**_whole_rows(rows, mask)).logits
            return logits[packed.tokens_of_rows()]
        if (decoder := self.decoder) is not None:
            with self.computing():
                inputs = packed.ids, packed.positions, packed.attention()
                if not (self.has_adapter and decoder.shared_layers):
                    return decoder.hidden(*inputs)
                # the same with the adapter on and off, so policy and reference compute it once
                shared = packed.once(self.model, lambda: decoder.shared_hidden(*inputs))
                return decoder.hidden(*inputs, shared=shared)
        rows, mask = packed.rows()
        return self._decoder_output(_whole_rows(rows, mask))[packed.tokens_of_rows()]

    def hidden(self, ids: Tensor, attention_mask: Tensor, columns: Tensor) -> Tensor:
        """Return the hidden states that predict the tokens in ``columns``, in one forward pass.

        Args:
            ids: (B, T) int64; padding may be anywhere.
            attention_mask: (B, T) bool, True on real tokens.
            columns: (C,) int64, the columns whose tokens are scored; each is at least 1.

        Returns:
            (B, C, H), with a gradient where gradients are on.
        """
        packed = pack_rows(ids, attention_mask)
        if self.makes_logits and self.decoder is not None:
            return self.packed_hidden(packed)[packed.predictors(columns)]
        inputs = _whole_rows(*packed.rows())  # a window of columns would see padding between tokens
        indices = packed.index_in_row[:, columns - 1]
        row = torch.arange(len(ids), device=ids.device)[:, None]
        if self.makes_logits:
            return self._decoder_output(inputs)[row, indices]
        kept = indices.unique()
        logits = self.forward(**inputs, logits_to_keep=kept).logits
        return logits[row, torch.searchsorted(kept, indices)]

    def head(self, hidden: Tensor) -> Tensor:
        """(…, H) hidden states -> (…, V) float32 logits."""
        change = self._change_of_logits()
        if isinstance(change, UnsupportedModelError):
            return hidden.float()
        with self._precision():
            if not torch.is_grad_enabled():
                return change(few_rows(self._output_layer, hidden)).float()
            return change(self._output_layer(hidden)).float()

    @property
    def linear_head(self) -> LinearHead | None:
        """`head` in parts, with the same weights; None where it is not computed in parts.

        That is so on a GPU, for small vocabularies, and for output layers with a bias or adapters.
        """
        change, layer = self._change_of_logits(), self._output_layer
        if isinstance(change, UnsupportedModelError) or not is_plain(layer):
            return None
        return LinearHead(layer.weight, change, self.autocast)

    @property
    def head_weights(self) -> list[nn.Parameter]:
        """The trainable weights that `head` uses; none where it passes the model's logits on."""
        if not self.makes_logits:
            return []
        return [weight for weight in self._output_layer.parameters() if weight.requires_grad]

    @property
    def makes_logits(self) -> bool:
        """Whether `head` makes logits of hidden states.

        False for a model that does more to its logits than `logit_changes` knows: `hidden` then
        returns the model's own logits, and `head` passes them on: correct, with more memory.
        """
        return not isinstance(self._change_of_logits(), UnsupportedModelError)

    def logits(self, ids: Tensor, attention_mask: Tensor, columns: Tensor) -> Tensor:
        """Return (B, C, V) float32 logits of the tokens in ``columns``; arguments as `hidden`."""
        return self.head(self.hidden(ids, attention_mask, columns))

    @property
    def _output_layer(self) -> nn.Linear:
        return cast(nn.Linear, self.model.get_output_embeddings())

    def _decoder_output(self, inputs: dict[str, Any]) -> Tensor:
        model: Any = self.model
        decoder = (model.get_base_model() if self.has_adapter else model).get_decoder()
        with self.computing():
            return decoder(**inputs).last_hidden_state

    @torch.no_grad()
    def _change_of_logits(self) -> LogitChange | UnsupportedModelError:
        """Return what the model does to its logits after the output layer, if it is known.

        Both ways to the logits are compared on a few tokens.
        """
        if self._logit_change is None:
            # tokens from all over the vocabulary: the embedding of a padding token may be zero
            ids = torch.linspace(0, self.vocab_size - 1, 4, device=self.device).long().unsqueeze(0)
            inputs = _whole_rows(ids, torch.ones_like(ids, dtype=torch.bool))
            expected = self.forward(**inputs).logits.float()
            with self._precision():
                found = self._output_layer(self._decoder_output(inputs))
            self._logit_change = next(
                (it for it in logit_changes(self.config) if _close(it(found), expected)),
                UnsupportedModelError("it changes its logits after the output layer"),
            )
        return self._logit_change

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)


def _whole_rows(ids: Tensor, mask: Tensor) -> dict[str, Any]:
    """The arguments of a transformers forward pass over rows from their beginning."""
    return {
        "input_ids": ids,
        "attention_mask": mask.long(),
        "position_ids": positions(mask),
        "use_cache": False,
    }


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool(torch.allclose(found.float(), expected, rtol=1e-3, atol=1e-3))


def _end_ids(model: PreTrainedModel) -> frozenset[int]:
    """The ids that end a reply by the model's generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in listed if i is not None)
