"""What reads the captions of a run: a text tokenizer trained on them, or a frozen text encoder that a folder holds.

In: sizes of the model, token sets, folders. Out: a `Text`. Captions go through an encoder once, before the first step,
and are read from a cache on disk after that, by this run and by every other.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import jax

from reelm.lm.config import LMConfig
from reelm.lm.words import Text, beginning, check_text
from reelm.sampling.output import replacing
from reelm.tokenizer import text_encoder
from reelm.tokenizer.home import home
from reelm.tokenizer.request import RequestError
from reelm.tokenizer.text import TextTokenizer
from reelm.tokenizer.text_encoder import CachedEncoder, TextEncoder

from . import cluster
from .remote import fetched
from .tokens import TokenSample, TokenSource

TEXT_FILE = "text.model"


def open_text(model: LMConfig, encoder: Path | None, workdir: Path, train: Callable[[], TextTokenizer]) -> Text:
    """The text encoder in the folder `encoder`, or else the text tokenizer in `workdir`, made by `train` if missing.

    RequestError unless it gives what the model reads.
    """
    if encoder is not None:
        read = text_encoder.load(fetched(encoder), max_tokens=model.text_slots)
        text: Text = CachedEncoder(read, home() / "text")
    elif model.text_width:
        raise RequestError(
            f"the language model reads embeddings of width {model.text_width}; name the folder of their text encoder "
            "(--text-encoder DIR)"
        )
    else:
        path = Path(workdir) / TEXT_FILE
        cluster.from_first(lambda: None if path.exists() else _write(path, train().model))
        text = TextTokenizer(path.read_bytes())
    check_text(model, text)
    return text


def check_encoder(encoder: TextEncoder, trained_with: str, by: Path) -> None:
    """RequestError unless the training in the folder `by` read its captions through this very encoder."""
    if encoder.hash != trained_with:
        raise RequestError(
            f"{by} was trained with the text encoder {trained_with[:16]}, not {encoder.hash[:16]}; name the folder of "
            "that one"
        )


def text_tokenizer(sources: Sequence[TokenSource], vocabulary: int) -> TextTokenizer:
    """A text tokenizer trained on the token sets' captions."""
    share = 20_000 // len(sources)
    captions = _captions(source[i] for source in sources for i in range(min(len(source), share)))
    # A set may have no captions; bytes are then all the vocabulary there is.
    return TextTokenizer.train(list(filter(str.strip, captions)) or ["clip"], vocabulary)


def embed(model: LMConfig, text: Text, sources: Iterable[TokenSource]) -> None:
    """Puts every caption of the token sets through a text encoder that has not seen it yet; each process its share."""
    if isinstance(text, CachedEncoder):
        captions = dict.fromkeys(_captions(source[i] for source in sources for i in range(len(source))))
        mine = list(filter(str.strip, captions))[jax.process_index() :: jax.process_count()]
        text.keep(beginning(model, text, caption) for caption in mine)
        cluster.from_first(lambda: None)  # all wait for all


def _captions(samples: Iterable[TokenSample]) -> list[str]:
    return [caption for sample in samples for caption in sample["captions"]]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
