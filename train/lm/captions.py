"""Open the text reader of a run: a text tokenizer trained on its captions, or a frozen text encoder in a folder.

In: sizes of the model, token sets, folders. Out: a `Text`. An encoder embeds the captions once, before the first step;
later this run and all others read them from a cache on disk.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reelm.data.tokens.read import TokenSource
from reelm.data.tokens.sample import TokenSample
from reelm.errors import RequestError
from reelm.lm.control.speed import camera_speed, track_area, track_speeds
from reelm.lm.net.config import LMConfig
from reelm.lm.prompts import check_text, truncated
from reelm.lm.training_domain import TrainingDomain
from reelm.storage.atomic import write_bytes
from reelm.storage.home import home
from reelm.storage.remote import fetched
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.train.parts import TEXT_FILE
from reelm.train.run import processes

_COUNTED = 20_000  # samples whose captions are searched for words
_MOST_WORDS = 1_000  # of captions; above it most words are rare, and a missing word means nothing


def open_text(model: LMConfig, encoder: Path | None, workdir: Path, train: Callable[[], TextTokenizer]) -> Text:
    """Open the text encoder in the folder `encoder`, else the text tokenizer in `workdir`, made by `train` if missing.

    Raises RequestError unless its width or vocabulary is that of the model.
    """
    if encoder is not None:
        read = text_encoders.load(fetched(encoder), max_tokens=model.text_slots)
        text: Text = CachedEncoder(read, home() / "text")
    elif model.text_width:
        raise RequestError(
            f"the language model reads embeddings of width {model.text_width}; name the folder of their text encoder "
            "(--text-encoder DIR)"
        )
    else:
        path = Path(workdir) / TEXT_FILE
        processes.from_first(lambda: None if path.exists() else _write(path, train().model))
        text = TextTokenizer(path.read_bytes())
        if text.vocabulary > model.text_vocabulary:
            raise RequestError(
                f"the text tokenizer has {text.vocabulary} pieces, the model {model.text_vocabulary}; name as many "
                f"(--model.text-vocabulary {text.vocabulary})"
            )
    check_text(model, text)
    return text


def text_tokenizer(sources: Sequence[TokenSource], vocabulary: int) -> TextTokenizer:
    """Train a text tokenizer on the captions of token sets."""
    share = _COUNTED // len(sources)
    captions = _captions(source[i] for source in sources for i in range(min(len(source), share)))
    # A set may have no captions; the vocabulary is then only bytes.
    return TextTokenizer.train(list(filter(str.strip, captions)) or ["clip"], vocabulary)


def training_domain_of(sources: Sequence[TokenSource], text: Text) -> TrainingDomain:
    """Return the training domain of token sets.

    Sizes, rates, lengths, the words of captions unless many, and how fast and where tracks and cameras move.
    """
    runs = [run for source in sources for run in source.index.runs]
    share, words, speeds = _COUNTED // len(sources), set[str](), _Speeds()
    for source in sources:
        for i in range(min(len(source), share)):
            sample = source[i]
            words.update(word for caption in sample["captions"] for word in text.words(caption))
            speeds.add(sample, source.index.time_stride)
    return TrainingDomain(
        sizes=tuple(sorted({(run.height, run.width) for run in runs})),
        rates=tuple(sorted({source.index.fps for source in sources})),
        frames=max(run.frames for run in runs),
        words=tuple(sorted(words)) if len(words) <= _MOST_WORDS else (),
        **speeds.known(),
    )


class _Speeds:
    """The highest speeds of tracks and cameras of samples, and the area of tracks."""

    def __init__(self) -> None:
        self._tracks, self._cameras, self._areas = list[float](), list[np.ndarray](), list[np.ndarray]()

    def add(self, sample: TokenSample, stride: int) -> None:
        rows, columns = sample["video"].shape[1:]
        if (tracks := sample.get("tracks")) is not None and (area := track_area(tracks)) is not None:
            self._tracks.append(float(track_speeds(tracks, stride, columns / rows).max()))
            self._areas.append(np.array(area))
        if (camera := sample.get("camera")) is not None:
            self._cameras.append(camera_speed(camera, stride))

    def known(self) -> dict[str, Any]:
        """Return the fields of a `TrainingDomain`, without those of which no sample says anything."""
        found = dict[str, Any]()
        if self._tracks:
            (left, top), (right, bottom) = np.min(self._areas, axis=0)[:2], np.max(self._areas, axis=0)[2:]
            found |= {"track_speed": max(self._tracks), "track_area": tuple(map(float, (left, top, right, bottom)))}
        if self._cameras:
            found |= {"camera_speed": tuple(map(float, np.max(self._cameras, axis=0)))}
        return found


def embed(model: LMConfig, text: Text, sources: Iterable[TokenSource]) -> None:
    """Embed every caption of the token sets that is not in the cache; each process embeds its share."""
    if isinstance(text, CachedEncoder):
        captions = dict.fromkeys(_captions(source[i] for source in sources for i in range(len(source))))
        mine = list(filter(str.strip, captions))[jax.process_index() :: jax.process_count()]
        text.keep(truncated(model, text, caption) for caption in mine)
        processes.from_first(lambda: None)  # all processes wait for each other


def _captions(samples: Iterable[TokenSample]) -> list[str]:
    return [caption for sample in samples for caption in sample["captions"]]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
