"""The peers of `benchmarks/decode.py`: a Llama of the same shape decoded by Transformers, and by a compiled torch loop.

In: our sizes, the slots of the prefix, the codes of a clip. Out: seconds a code of each way. Weights are random; the
vocabulary is as large as our factorised head, 2 x 512.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from reelm.lm.net.config import LMConfig

from .torch_layer import Layer

_TIMES = 3


def seconds_per_code(
    config: LMConfig, before: int, codes: int, weights: str, clips: int
) -> Iterator[tuple[str, float]]:
    """(name, seconds) of one code of every clip, the reading of the prefix taken off."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[weights]
    words = torch.zeros((clips, before), dtype=torch.long, device=device)
    shape = LlamaConfig(
        vocab_size=1024,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_width,
        intermediate_size=config.hidden,
        max_position_embeddings=before + codes,
    )
    torch.set_default_dtype(dtype)
    with torch.device(device), torch.no_grad():
        llama = [LlamaForCausalLM(shape).eval()]
    llama[0].generation_config.pad_token_id = 0
    torch.set_default_dtype(torch.float32)

    def generate(count: int, **options: object) -> None:
        with torch.no_grad():
            llama[0].generate(words, max_new_tokens=count, min_new_tokens=count, do_sample=True, **options)

    def of(run: Callable[[int], None]) -> float:
        """From two lengths, so that what both do once falls out."""
        return (_seconds(lambda: run(codes), device) - _seconds(lambda: run(1), device)) / (codes - 1)

    yield f"transformers {_version('transformers')}", of(generate)
    if device == "cuda":  # on a CPU its compilation needs a C++ compiler and takes minutes
        yield "transformers static+compile", of(lambda count: generate(count, cache_implementation="static"))
    llama.clear()  # the memory is wanted
    loop = _Loop(config, before, codes, clips, dtype, device)
    yield f"torch {torch.__version__} loop", of(loop.run)


def _seconds(run: Callable[[], None], device: str) -> float:
    found = []
    for _ in range(_TIMES + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begun)
    return median(found[1:])


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


class _Loop:
    """One compiled program a code, CUDA graphs under it, as in gpt-fast: static cache, fused matrices, no sync."""

    def __init__(self, config: LMConfig, before: int, codes: int, clips: int, dtype: torch.dtype, device: str):
        self.config, self.before, self.device = config, before, device
        with torch.device(device):
            self.layers = nn.ModuleList([_Layer(config, before + codes, clips) for _ in range(config.layers)]).to(dtype)
            self.table = nn.Embedding(1024, config.width).to(dtype)
            self.norm, self.head = nn.RMSNorm(config.width).to(dtype), nn.Linear(config.width, 1024, False).to(dtype)
            self.code = torch.zeros((clips, 1), dtype=torch.long)
        # Without a GPU there are no launches to save, and compiling needs a C++ compiler.
        self.step = (
            torch.compile(self._step, mode="reduce-overhead", fullgraph=True) if device == "cuda" else self._step
        )

    def run(self, count: int) -> None:
        code, place = self.code, torch.tensor([self.before], device=self.device)
        with torch.no_grad():
            for _ in range(count):
                code = self.step(code, place).clone()
                place = place + 1

    def _step(self, code: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        x = self.table(code)
        for layer in self.layers:
            x = layer(x, place)
        logits = self.head(self.norm(x))[:, -1].float()
        noise = torch.empty_like(logits).exponential_(1)
        return (logits.softmax(-1) / noise).argmax(-1, keepdim=True)


class _Layer(Layer):
    """With a cache of all slots: one slot at a time is read."""

    def __init__(self, config: LMConfig, slots: int, clips: int):
        super().__init__(config, slots)
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros((clips, config.kv_heads, slots, config.head_width)))
        self.register_buffer("slots", torch.arange(slots))

    def forward(self, x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        query, key, value = self.read(x, place)
        self.keys.index_copy_(2, place, key)
        self.values.index_copy_(2, place, value)
        mask = (self.slots <= place)[None, None, None]
        attended = F.scaled_dot_product_attention(query, self.keys, self.values, attn_mask=mask, enable_gqa=True)
        return self.finish(x, attended)
