"""Fit prompt retrieval: from a file of captions and their synonyms to a classifier of sentences.

The file is JSON: {"captions": {caption: [other words, ...]}, "modifiers": {words: ending of a caption}, "names": {name:
caption}, "phrases": [sentence that means a caption, ...], "others": [words that mean none, ...]}; see
`tokenizer/text/prompt_retrieval.py`. `reelm export --prompt-retrieval FILE` puts it into a model. The classifier is
Fisher's linear discriminant: a caption, its names and its other words are one class, and directions that vary within
classes weigh less. `known.py` fits the net that tells whether any caption is meant.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError, reason
from reelm.storage.fields import lines_of, read_json
from reelm.tokenizer.text.encoder import Text, TextEncoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval, check_encoder

from . import known

# Regularisation: variance added to that within the classes, as a multiple of its mean, because classes have a few dozen
# members and embeddings 512 values. Keywords left out of the fit were found best at 5 to 20.
_RIDGE = 10.0
# Weight of a caption or a name, where other words weigh 1, since keywords say less. At 2 to 4, names in languages that
# were left out of the fit, and phrases that people say, were found best.
_NAME = 4.0
_BATCH = 256
_OTHER_MATTERS = Path(__file__).with_name("other_matters.txt")


class Words(NamedTuple):
    """The content of a file of synonyms.

    captions: other words for each caption.
    modifiers: endings of captions, by the words that say them.
    names: captions by further names.
    phrases: sentences that mean a caption, whichever.
    others: words and sentences that mean no caption, besides those about other matters that ship.
    """

    captions: Mapping[str, Sequence[str]]
    modifiers: Mapping[str, str]
    names: Mapping[str, str]
    phrases: Sequence[str] = ()
    others: Sequence[str] = ()


def read_file(path: Path) -> Words:
    """Return the content of a file of synonyms; RequestError when it is not valid."""
    try:
        found = read_json(path)
        captions = {str(caption): [str(words) for words in others] for caption, others in found["captions"].items()}
        modifiers = {str(said).lower(): str(ending) for said, ending in found.get("modifiers", {}).items()}
        names = {str(name): str(caption) for name, caption in found.get("names", {}).items()}
        phrases, others = ([str(words) for words in found.get(name, ())] for name in ("phrases", "others"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{path} is not a file of synonyms ({reason(error)}); it is JSON: "
            '{"captions": {CAPTION: [OTHER WORDS, ...]}, "modifiers": {WORDS: ENDING}, "names": {NAME: CAPTION}, '
            '"phrases": [WORDS, ...], "others": [WORDS, ...]}'
        ) from error
    if len(captions) < 2 or not all(map(str.strip, (*captions, *modifiers, *names))):
        raise RequestError(f"{path} is not a file of synonyms: it needs at least two captions, and none may be blank")
    if wrong := sorted({*names.values()} - {*captions}):
        raise RequestError(f"{path} is not a file of synonyms: it has a name for {wrong[0]!r}, which is not a caption")
    return Words(captions, modifiers, names, phrases, others)


class Fitted(NamedTuple):
    """Prompt retrieval, and the least similarity of a prompt that means a caption."""

    retrieval: PromptRetrieval
    least: float


def fit(encoder: Text, words: Words) -> Fitted:
    """Return prompt retrieval fitted to the embeddings by `encoder` of captions, their names and other words.

    Words that are too long for the encoder, or that it cannot read, are left out. Names that it cannot read are found
    by their letters. Raises RequestError when a caption cannot be read or is too long, or the encoder does not embed
    sentences.
    """
    check_encoder(encoder)
    assert not isinstance(encoder, TextTokenizer)
    captions = words.captions
    names: dict[str, list[str]] = {caption: [caption] for caption in captions}
    for name, caption in words.names.items():
        names[caption].append(name)
    phrases, classes, counts = [], [], []
    for number, (caption, others) in enumerate(captions.items()):
        said = dict.fromkeys(others, 1.0) | dict.fromkeys(names[caption], _NAME)
        fitting = _fitting(encoder, said)
        if caption not in fitting:
            raise RequestError(
                f"the text encoder cannot read {caption!r}, or it is too long; name the caption otherwise"
            )
        phrases += fitting
        classes += [number] * len(fitting)
        counts += [said[each] for each in fitting]
    rows, classes, counts = _embedded(encoder, phrases).astype(np.float64), np.array(classes), np.array(counts)
    centre = np.average(rows, axis=0, weights=counts)
    rows -= centre
    sums = np.zeros((len(captions), rows.shape[1]))
    np.add.at(sums, classes, rows * counts[:, None])
    means = sums / np.bincount(classes, counts)[:, None]
    inside = rows - means[classes]
    scatter = (inside * counts[:, None]).T @ inside / counts.sum()
    ridge = _RIDGE * max(np.trace(scatter) / len(scatter), 1e-9)
    kernel = np.linalg.solve(scatter + ridge * np.eye(len(scatter)), means.T)
    bias = -centre @ kernel - 0.5 * np.sum(means * kernel.T, axis=1)
    meant = _embedded(encoder, [*phrases, *_fitting(encoder, words.phrases)])
    matters = filter(None, lines_of(_OTHER_MATTERS.read_text(encoding="utf-8")))
    net, least = known.fit(meant, _embedded(encoder, _fitting(encoder, [*words.others, *matters])))
    params = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32), "known": net}
    retrieval = PromptRetrieval(tuple(captions), dict(words.modifiers), params, encoder, dict(words.names))
    return Fitted(retrieval, least)


def _fitting(encoder: TextEncoder, sentences: Iterable[str]) -> list[str]:
    """Return the sentences that the encoder can read, and that are not too long for it."""
    return [each for each in sentences if encoder.count(each) <= encoder.max_tokens and not encoder.unknown(each)]


def _embedded(encoder: TextEncoder, sentences: Sequence[str]) -> np.ndarray:
    """Return the embeddings of sentences, `[N, E]`; in batches, because an encoder also returns a row per token."""
    shortest_first = np.argsort([encoder.count(each) for each in sentences], kind="stable")  # so padding is short
    rows = np.zeros((len(sentences), encoder.width), np.float32)
    for first in range(0, len(sentences), _BATCH):
        batch = shortest_first[first : first + _BATCH]
        rows[batch] = encoder.encode([sentences[int(each)] for each in batch]).values[:, 0]
    return rows
