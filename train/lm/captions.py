"""What reads the captions of a run: a text tokenizer trained on them, or a frozen text encoder that a folder holds.

In: sizes of the model, token sets, folders. Out: a `Text`. Captions go through an encoder once, before the first step,
and are read from a cache on disk after that, by this run and by every other.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import jax

from reelm.data.tokens.read import TokenSource
from reelm.data.tokens.sample import TokenSample
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.lm.prompts import check_text, truncated
from reelm.lm.scope import Scope
from reelm.storage.atomic import write_bytes
from reelm.storage.home import home
from reelm.storage.remote import fetched
from reelm.tokenizer import text_encoders
from reelm.tokenizer.text.cache import CachedEncoder
from reelm.tokenizer.text.encoder import Text
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.train.parts import TEXT_FILE
from reelm.train.run import processes

_COUNTED = 20_000  # samples whose captions are read for their words
_MOST_WORDS = 1_000  # of captions; above it most words are rare, and to miss one says nothing


def open_text(model: LMConfig, encoder: Path | None, workdir: Path, train: Callable[[], TextTokenizer]) -> Text:
    """The text encoder in the folder `encoder`, or else the text tokenizer in `workdir`, given by `train` if missing.

    RequestError unless it gives what the model reads.
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
    """A text tokenizer trained on the token sets' captions."""
    share = _COUNTED // len(sources)
    captions = _captions(source[i] for source in sources for i in range(min(len(source), share)))
    # A set may have no captions; bytes are then all the vocabulary there is.
    return TextTokenizer.train(list(filter(str.strip, captions)) or ["clip"], vocabulary)


def scope_of(sources: Sequence[TokenSource], text: Text) -> Scope:
    """Return what token sets show: sizes, rates, lengths, and the words of captions as `text` has them, unless many."""
    runs = [run for source in sources for run in source.index.runs]
    share = _COUNTED // len(sources)
    captions = _captions(source[i] for source in sources for i in range(min(len(source), share)))
    words = {word for caption in captions for word in text.words(caption)}
    return Scope(
        sizes=tuple(sorted({(run.height, run.width) for run in runs})),
        rates=tuple(sorted({source.index.fps for source in sources})),
        frames=max(run.frames for run in runs),
        words=tuple(sorted(words)) if len(words) <= _MOST_WORDS else (),
    )


def embed(model: LMConfig, text: Text, sources: Iterable[TokenSource]) -> None:
    """Puts every caption of the token sets through a text encoder that has not seen it yet; each process its share."""
    if isinstance(text, CachedEncoder):
        captions = dict.fromkeys(_captions(source[i] for source in sources for i in range(len(source))))
        mine = list(filter(str.strip, captions))[jax.process_index() :: jax.process_count()]
        text.keep(truncated(model, text, caption) for caption in mine)
        processes.from_first(lambda: None)  # all wait for all


def _captions(samples: Iterable[TokenSample]) -> list[str]:
    return [caption for sample in samples for caption in sample["captions"]]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
