"""Build a SentencePiece model from a published list of unigram pieces (arXiv 1804.10959).

In: pieces with their log-probabilities, in the order of their ids. Out: the bytes of a model that SentencePiece can
load. Text is normalised by NFKC; case is kept.
"""

import io
from collections.abc import Sequence
from typing import Any

import sentencepiece


def unigram_model(pieces: Sequence[tuple[str, float]], *, reserved: int) -> bytes:
    """Return the model. Piece 0 is the unknown piece; the rest of the first `reserved` pieces never match text.

    If a piece is listed twice, the last entry counts; the others keep their ids and never match.
    """
    # SentencePiece can only train and read models. To build one from pieces takes its schema, which needs protobuf: a
    # dependency of TFDS, which is not needed to read models.
    from sentencepiece import sentencepiece_model_pb2

    proto: Any = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]  (made when imported)
    kinds, model = proto.SentencePiece, proto.FromString(_any_model())
    del model.pieces[:]
    last = {piece: number for number, (piece, _) in enumerate(pieces)}
    for number, (piece, score) in enumerate(pieces):
        if number == 0:
            kind = kinds.UNKNOWN
        elif number < reserved:
            kind = kinds.CONTROL
        elif last[piece] != number:
            kind, piece = kinds.UNUSED, f"<{number}>"
        else:
            kind = kinds.NORMAL
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.vocab_size = len(pieces)
    model.trainer_spec.unk_id, model.trainer_spec.unk_piece = 0, pieces[0][0]
    model.trainer_spec.bos_id = model.trainer_spec.eos_id = model.trainer_spec.pad_id = -1
    return model.SerializeToString(deterministic=True)


def _any_model() -> bytes:
    """Train a dummy unigram model, because that is the only way to get SentencePiece's tables for NFKC."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e"] * 4),
        model_writer=out,
        model_type="unigram",
        vocab_size=12,
        hard_vocab_limit=False,
        normalization_rule_name="nfkc",
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()
