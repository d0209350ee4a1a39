"""Open the text reader of a run: a text tokenizer trained on its captions, or a frozen text encoder in a folder.

In: sizes of the model, token sets, folders. Out: a `Text`. An encoder embeds the captions once, before the first step;
later this run and all others read them from a cache on disk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import jax

from reelm.data.tokens.read import TokenSource
from reelm.data.tokens.sample import TokenSample
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.lm.prompts import check_text, truncated
from reelm.lm.training_domain import TrainingDomain, speed_of
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
_MEASURED = 1_000  # samples whose tracks are measured
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
    """Return the training domain of token sets: sizes, rates, lengths, and the words of captions unless many."""
    runs = [run for source in sources for run in source.index.runs]
    share = _COUNTED // len(sources)
    captions = _captions(source[i] for source in sources for i in range(min(len(source), share)))
    words = {word for caption in captions for word in text.words(caption)}
    return TrainingDomain(
        sizes=tuple(sorted({(run.height, run.width) for run in runs})),
        rates=tuple(sorted({source.index.fps for source in sources})),
        frames=max(run.frames for run in runs),
        words=tuple(sorted(words)) if len(words) <= _MOST_WORDS else (),
        track_speed=max(_speeds(sources), default=None),
    )


def embed(model: LMConfig, text: Text, sources: Iterable[TokenSource]) -> None:
    """Embed every caption of the token sets that is not in the cache; each process embeds its share."""
    if isinstance(text, CachedEncoder):
        captions = dict.fromkeys(_captions(source[i] for source in sources for i in range(len(source))))
        mine = list(filter(str.strip, captions))[jax.process_index() :: jax.process_count()]
        text.keep(truncated(model, text, caption) for caption in mine)
        processes.from_first(lambda: None)  # all processes wait for each other


def _speeds(sources: Sequence[TokenSource]) -> Iterator[float]:
    """Yield the speed of each subject that moves, in samples that know the tracks."""
    for source in sources:
        for index in range(min(len(source), _MEASURED)):
            for track in source[index].get("tracks", ()):
                if speed := speed_of(track, source.index.fps):
                    yield speed


def _captions(samples: Iterable[TokenSample]) -> list[str]:
    return [caption for sample in samples for caption in sample["captions"]]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
