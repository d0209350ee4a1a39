"""Tiny language models of three families, and what Transformers and tokenizers make of fixed inputs.

Those packages are too large to be locked, so `llms.npz` and `llms.json` hold what they gave. Run as a program where
the extra `reference` is installed, this file writes both anew:

    pip install -e ".[reference]"; python tests/made/llms.py
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FILE, PIECES_FILE = Path(__file__).with_suffix(".npz"), Path(__file__).with_suffix(".json")
_SIZES = {"vocab_size": 40, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 7, "rms_norm_eps": 1e-5}
_SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _SIZES
    | {"model_type": "llama", "hidden_act": "silu", "rope_theta": 500.0, "tie_word_embeddings": True}
    | {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
    "qwen3": _SIZES | {"model_type": "qwen3", "hidden_act": "silu", "rope_theta": 1000.0, "num_key_value_heads": 1},
    "gemma3": _SIZES
    | {"model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 12}
    | {"sliding_window": 6, "sliding_window_pattern": 3, "rope_theta": 1000.0, "rope_local_base_freq": 50.0}
    | {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
}
# Longer than the window of Gemma, and than the positions that Llama was first trained on.
IDS = {name: np.random.default_rng(3).integers(0, 40, length) for name, length in
       {"llama": 80, "qwen3": 24, "gemma3": 24}.items()}  # fmt: skip
KEPT = slice(None, None, 5)  # positions whose states are kept, and the last one

TEXTS = [
    "a red seven moves right, then 12 blue ducks don't",
    "红色的七向右移动，然后消失",
    "  naïve café:  x2  🦆 (ok)!",
    "the 2026 <think> tag and <|im_end|>",
    "",
]
_CORPUS = [*TEXTS[:3], "a dog runs and a plane takes off", "红色的八向左移动", "blue ducks move right"] * 4


def weights(family: str) -> dict[str, np.ndarray]:
    """Return random tensors under the published names."""
    config, rng = CONFIGS[family], np.random.default_rng(1)
    width, hidden, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape, scale=shape[-1] ** -0.5 if len(shape) > 1 else 0.3).astype(np.float32)

    gemma = family == "gemma3"
    made = {"model.embed_tokens.weight": draw(config["vocab_size"], width), "model.norm.weight": draw(width)}
    shapes = {"q_proj": (queries, width), "k_proj": (keys, width), "v_proj": (keys, width), "o_proj": (width, queries)}
    norms = ["input_layernorm", "post_attention_layernorm"]
    norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"] if gemma else []
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        made |= {f"{layer}.self_attn.{name}.weight": draw(*shape) for name, shape in shapes.items()}
        if family != "llama":
            made |= {f"{layer}.self_attn.{name}_norm.weight": draw(head) for name in "qk"}
        made |= {f"{layer}.mlp.{name}_proj.weight": draw(hidden, width) for name in ("gate", "up")}
        made[f"{layer}.mlp.down_proj.weight"] = draw(width, hidden)
        made |= {f"{layer}.{name}.weight": draw(width) for name in norms}
    if not gemma:  # whose files keep one less
        made |= {name: 1 + value for name, value in made.items() if "norm" in name}
    return made


def kept(states: np.ndarray) -> np.ndarray:
    """Return states `[layers + 1, L, D]` at the positions that are kept."""
    return np.concatenate([states[:, KEPT], states[:, -1:]], axis=1)


def of(name: str) -> np.ndarray:
    """Return what is kept of a family's states."""
    with np.load(FILE) as file:
        return file[name]


def pieces() -> dict[str, dict[str, Any]]:
    """Return {kind: {"tokenizer": a tokenizer.json, "ids": those of each of `TEXTS`}}."""
    return json.loads(PIECES_FILE.read_text())


def _states(family: str) -> np.ndarray:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = dict(CONFIGS[family])
    peer = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config)).eval()
    tensors = {name: torch.from_numpy(value) for name, value in weights(family).items()}
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    peer.load_state_dict(tensors)
    with torch.no_grad():
        found = peer(input_ids=torch.from_numpy(IDS[family])[None], output_hidden_states=True).hidden_states
    return kept(np.stack([state[0].numpy() for state in found]))


def _trained(kind: str) -> dict[str, Any]:
    """Return a tokenizer that is cut as those of a family, with the ids of all texts."""
    package, pre_tokenizers = pytest.importorskip("tokenizers"), pytest.importorskip("tokenizers.pre_tokenizers")
    bpe = package.models.BPE
    rest = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "smollm")
    alphabet, begin = pre_tokenizers.ByteLevel.alphabet(), "<|begin|>"
    tokenizer = package.Tokenizer(bpe(ignore_merges=kind == "llama"))
    if kind == "gemma":
        alphabet, begin = [], "<bos>"
        tokenizer = package.Tokenizer(bpe(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = package.normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = package.decoders.ByteFallback()
    elif kind == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), by_bytes])
    else:
        form = package.Regex(words + ("{1,3}" if kind == "llama" else "") + rest)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(form, "isolated"), by_bytes])
        tokenizer.normalizer = package.normalizers.NFC() if kind == "qwen" else None
    special = [begin, "<unk>", *(f"<0x{i:02X}>" for i in range(256))] if kind == "gemma" else [begin]
    trainer = package.trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    saved = json.loads(tokenizer.to_str())
    saved["added_tokens"] = [token for token in saved["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = package.Tokenizer.from_str(json.dumps(saved))
    tokenizer.add_special_tokens([package.AddedToken("<|im_end|>", special=True)])
    tokenizer.add_tokens([package.AddedToken("<think>", special=False, normalized=False)])
    if kind in ("llama", "gemma"):
        number = tokenizer.token_to_id(begin)
        tokenizer.post_processor = package.processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, number)]
        )
    texts = [" ".join(text.split()) for text in TEXTS]
    return {"tokenizer": json.loads(tokenizer.to_str()), "ids": [tokenizer.encode(text).ids for text in texts]}


def _written() -> None:
    made: dict[str, Any] = {family: _states(family) for family in CONFIGS}
    np.savez_compressed(FILE, **made)
    found = {kind: _trained(kind) for kind in ("llama", "qwen", "smollm", "gemma")}
    PIECES_FILE.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _written()
