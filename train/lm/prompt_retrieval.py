"""Fit prompt retrieval: from a file of captions and their synonyms to a classifier of sentences.

The file is JSON: {"captions": {caption: [other words, ...]}, "modifiers": {words: ending of a caption}, "names": {name:
caption}}; see `tokenizer/text/prompt_retrieval.py`. `reelm export --prompt-retrieval FILE` puts it into a model. The
classifier is Fisher's linear discriminant: a caption, its names and its other words are one class, and directions that
vary within classes weigh less.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reelm.errors import RequestError, reason
from reelm.storage.fields import read_json
from reelm.tokenizer.text.encoder import Text, TextEncoder
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.text.prompt_retrieval import PromptRetrieval, check_encoder

# Regularisation: variance added to that within the classes, as a multiple of its mean, because classes have a few dozen
# members and embeddings 512 values. Keywords left out of the fit were found best at 5 to 20.
_RIDGE = 10.0
# Weight of a caption or a name, where other words weigh 1, since keywords say less. At 2 to 4, names in languages that
# were left out of the fit, and phrases that people say, were found best.
_NAME = 4.0
_BATCH = 256
_OTHER_MATTERS = Path(__file__).with_name("other_matters.txt")
# Number of phrases whose similarity is measured, and the fraction of them that may fall below the threshold: some
# keywords do not describe what is seen.
_MEASURED, _UNLIKE = 500, 0.04


class Words(NamedTuple):
    """The content of a file of synonyms: other words for captions, endings of captions, captions by further names."""

    captions: Mapping[str, Sequence[str]]
    modifiers: Mapping[str, str]
    names: Mapping[str, str]


def read_file(path: Path) -> Words:
    """Return the content of a file of synonyms; RequestError when it is not valid."""
    try:
        found = read_json(path)
        captions = {str(caption): [str(words) for words in others] for caption, others in found["captions"].items()}
        modifiers = {str(said).lower(): str(ending) for said, ending in found.get("modifiers", {}).items()}
        names = {str(name): str(caption) for name, caption in found.get("names", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{path} is not a file of synonyms ({reason(error)}); it is JSON: "
            '{"captions": {CAPTION: [OTHER WORDS, ...]}, "modifiers": {WORDS: ENDING}, "names": {NAME: CAPTION}}'
        ) from error
    if len(captions) < 2 or not all(map(str.strip, (*captions, *modifiers, *names))):
        raise RequestError(f"{path} is not a file of synonyms: it needs at least two captions, and none may be blank")
    if wrong := sorted({*names.values()} - {*captions}):
        raise RequestError(f"{path} is not a file of synonyms: it has a name for {wrong[0]!r}, which is not a caption")
    return Words(captions, modifiers, names)


def fit(encoder: Text, words: Words) -> PromptRetrieval:
    """Return prompt retrieval fitted to the embeddings by `encoder` of captions, their names and other words.

    Words that are too long for the encoder are left out. Raises RequestError when a caption is too long, or the encoder
    does not embed sentences.
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
            raise RequestError(f"the caption {caption!r} is too long for the text encoder; say it in fewer words")
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
    params = {
        "kernel": kernel.astype(np.float32),
        "bias": bias.astype(np.float32),
        "labels": _directions(encoder, (*captions, *words.names)),
        "others": _directions(encoder, _fitting(encoder, _OTHER_MATTERS.read_text(encoding="utf-8").splitlines())),
    }
    return PromptRetrieval(tuple(captions), dict(words.modifiers), params, encoder, dict(words.names))


def _fitting(encoder: TextEncoder, sentences: Iterable[str]) -> list[str]:
    """Return the sentences that are not too long for the encoder."""
    return [each for each in sentences if encoder.count(each) <= encoder.max_tokens]


def _embedded(encoder: TextEncoder, sentences: Sequence[str]) -> np.ndarray:
    """Return the embeddings of sentences, `[N, E]`; in batches, because an encoder also returns a row per token."""
    batches = [sentences[i : i + _BATCH] for i in range(0, len(sentences), _BATCH)]
    return np.concatenate([encoder.encode(batch).values[:, 0] for batch in batches])


def _directions(encoder: TextEncoder, sentences: Sequence[str]) -> np.ndarray:
    """Return the embeddings of sentences, of norm 1, `[N, E]`."""
    found = _embedded(encoder, sentences)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def least_similarity(retrieval: PromptRetrieval, captions: Mapping[str, Sequence[str]]) -> float:
    """Return a similarity that nearly all other words reach; without other words, one that every prompt reaches."""
    encoder = retrieval.encoder
    phrases = [words for others in captions.values() for words in _fitting(encoder, others)]
    similarity = [retrieval.similarity(words).value for words in phrases[:: max(1, len(phrases) // _MEASURED)]]
    return float(np.quantile(similarity, _UNLIKE)) if similarity else -1.0
