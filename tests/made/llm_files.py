"""The tiny language models of `llms.py` as published files: folders of safetensors, and GGUF."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType, GGUFWriter
from safetensors.numpy import save_file

from reelm.tokenizer.text.llm.files import checkpoint_names, gguf_names

from . import llms

ROWS = 450  # of the table: as many as the vocabularies have pieces
PIECES = {"llama": "llama", "qwen3": "qwen", "gemma3": "gemma"}
"""Which tokenizer of `llms.pieces` goes with which family."""


def tensors(family: str) -> dict[str, np.ndarray]:
    """Return the weights, with a row for each piece."""
    made = llms.weights(family)
    table = made["model.embed_tokens.weight"]
    return made | {"model.embed_tokens.weight": np.resize(table, (ROWS, table.shape[1]))}


def folder(where: Path, family: str, **changed: Any) -> Path:
    """Write a folder as Transformers writes them, with other fields in its config.json."""
    where.mkdir()
    (where / "config.json").write_text(json.dumps(llms.CONFIGS[family] | changed))
    (where / "tokenizer.json").write_text(json.dumps(llms.pieces()[PIECES[family]]["tokenizer"]))
    save_file(tensors(family), where / "model.safetensors")
    return where


def file(where: Path, family: str, **changed: Any) -> Path:
    """Write a GGUF file of the same weights and pieces, with other facts; Llama without its scaled positions."""
    config, weights, head = llms.CONFIGS[family], tensors(family), 8
    theirs, ours = checkpoint_names([*weights], family), gguf_names(family)
    renamed = {ours.embedding: weights[theirs.embedding], ours.norm: weights[theirs.norm] + theirs.ones_less}
    for i in range(config["num_hidden_layers"]):
        for leaf in theirs.leaves:
            value = weights.get(theirs.layer.format(i) + theirs.leaves[leaf])
            if value is None:
                continue
            if leaf in "qk" and ours.paired:  # a pair's numbers side by side
                value = value.reshape(-1, 2, head // 2, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
            renamed[ours.layer.format(i) + ours.leaves[leaf]] = value + (theirs.ones_less and "norm" in leaf)
    sizes = {
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": head,
        "feed_forward_length": config["intermediate_size"],
        "context_length": config["max_position_embeddings"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": config["rope_theta"],
        "attention.sliding_window": config.get("sliding_window", config["max_position_embeddings"]),
    }
    facts = {f"{family}.{name}": value for name, value in sizes.items()} | _pieces(family) | changed
    return write(where, changed.get("general.architecture", family), facts, renamed)


def write(where: Path, architecture: str, facts: dict[str, Any], tensors: dict[str, np.ndarray]) -> Path:
    """Write a GGUF file of any facts and tensors."""
    writer = GGUFWriter(where, architecture)
    for name in facts.keys() - {"general.architecture"}:
        kind = GGUFValueType.get_type(facts[name])
        writer.add_key_value(name, facts[name], kind)
    for name, value in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return where


def _pieces(family: str) -> dict[str, Any]:
    """Return the facts of a vocabulary; scores are the ranks by which SentencePiece joins the same pairs."""
    value = llms.pieces()[PIECES[family]]["tokenizer"]
    ids = value["model"]["vocab"] | {token["content"]: token["id"] for token in value["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = dict.fromkeys(tokens, 1) | {each["content"]: 3 if each["special"] else 4 for each in value["added_tokens"]}
    kinds |= {token: 6 for token in tokens if token.startswith("<0x")}
    facts: dict[str, Any] = {"tokens": tokens, "token_type": [kinds[token] for token in tokens], "bos_token_id": 0}
    merges = value["model"]["merges"]
    if family == "gemma3":
        ranks = {"".join(pair): -float(rank) for rank, pair in reversed([*enumerate(merges)])}
        letters = {token for token in tokens if len(token) > 1 and token not in ranks}
        scores = [ranks.get(token, -1e4) for token in tokens]
        facts["token_type"] = [6 if token in letters and kinds[token] == 1 else kinds[token] for token in tokens]
        facts |= {"model": "llama", "scores": scores, "add_space_prefix": False, "unknown_token_id": 1}
    else:
        facts |= {"model": "gpt2", "pre": "llama-bpe" if family == "llama" else "qwen2"}
        facts["merges"] = [" ".join(pair) for pair in merges]
    return {f"tokenizer.ggml.{name}": each for name, each in facts.items()}
