"""A text tokenizer that learns further words, while all that it knew keeps its ids.

In: a `TextTokenizer`, as `TextTokenizer.train` makes it, and words. Out: one with more pieces behind those that were
there. A text without the new words has the ids that it had, so a language model goes on from weights with fewer pieces.
"""

from collections.abc import Sequence
from typing import Any

from reelm.errors import RequestError

from .pieces import TextTokenizer, spelled


def grown(text: TextTokenizer, words: Sequence[str], symbols: Sequence[str] = ()) -> TextTokenizer:
    """Return the text tokenizer with a piece more for each word and each symbol that it does not know.

    Args:
        text: whose pieces come first.
        words: each a letter, or two words before it joined: pieces of byte pairs are joined of two (arXiv 1508.07909).
            Of two that overlap in a text, the one that is listed first is found.
        symbols: such as "<1>": found wherever they are written, as a piece of their own.

    Raises:
        RequestError: a word is not found as one piece, or the pieces were not learned as byte pairs.
    """
    # Only the schema of SentencePiece changes a model. It needs protobuf; see `unigram.py`.
    from sentencepiece import sentencepiece_model_pb2

    proto: Any = sentencepiece_model_pb2  # its classes are made when it is imported
    model = proto.ModelProto.FromString(text.model)
    if model.trainer_spec.model_type != proto.TrainerSpec.BPE:
        raise RequestError("pieces can be added to a text tokenizer of byte pairs alone, as reelm trains it")
    kinds, known = proto.ModelProto.SentencePiece, {piece.piece for piece in model.pieces}
    score = min(piece.score for piece in model.pieces)
    new = [(spelled(word), kinds.NORMAL) for word in words] + [(symbol, kinds.USER_DEFINED) for symbol in symbols]
    for number, (piece, kind) in enumerate((piece, kind) for piece, kind in dict(new).items() if piece not in known):
        model.pieces.add(piece=piece, score=score - number - 1, type=kind)
    model.trainer_spec.vocab_size = len(model.pieces)
    more = TextTokenizer(model.SerializeToString(deterministic=True))
    if broken := [word for word in words if not more.knows(word)]:
        raise RequestError(
            f"{broken[0]!r} is not found as one piece; list the two words that it is joined of before it"
        )
    return more
