"""Read token sets: clips as codes of a video tokenizer, with their captions, for the training of a language model.

In: a folder of ArrayRecord shards, with an `index.json` that has the tokenizer, the clips, and the shapes in order.
Out: random access to its samples, codes int32[t, h, w] with captions. Knows nothing of pixels, tokenizer networks or
batches, and needs no TFDS.

A record is one line of JSON, with the captions and the type and shape of each array, a newline, and the arrays in that
order, little-endian (`sample.py`). The samples of each shard are fixed beforehand, and a shard appears under its name
only when it is complete. So any number of processes can write at the same time, and processes that are killed leave a
folder that the next ones complete.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource

from reelm.errors import RequestError, reason
from reelm.storage.remote import fetched
from reelm.tokenizer.code_spec import MAX_BITS, CodeSpec
from reelm.tokenizer.codes import check_ids

from .config import Captions
from .index import TokenIndex, missing_shards, read_index
from .sample import TokenSample, unpack

_COMPARED = 2048  # samples of a set that rank the motion of others

_READ = {"all": slice(None), "first": slice(1), "last": slice(-1, None)}


class TokenSource:
    """Samples by index from 0; IndexError beyond the end. `index` says where they come from.

    captions: those of a clip that its sample has.

    Reading a sample raises RequestError if it holds a code of pictures beyond `bits` bits, or one of sound beyond the
    bits of the index.
    """

    def __init__(
        self, index: TokenIndex, records: ArrayRecordDataSource, bits: int = MAX_BITS, captions: Captions = "all"
    ) -> None:
        self.index = index
        self._records, self._captions = records, captions
        self._code = CodeSpec(bits=bits)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> TokenSample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        try:
            record = self._records[int(index)]
        except RuntimeError as error:  # ArrayRecord keeps a hash of each chunk
            raise RequestError(f"sample {index} of a token set is damaged ({reason(error)}); tokenize again") from error
        sample = unpack(record)
        for name in sample.keys() & {"video", "stills", "references", "next_video"}:
            check_ids(sample[name], self._code)
        if self.index.sound is not None:
            for name in sample.keys() & {"sound", "next_sound"}:
                check_ids(sample[name], CodeSpec(bits=self.index.sound.bits))
        return {**sample, "captions": sample["captions"][_READ[self._captions]]}


def motions(sources: Sequence[TokenSource]) -> np.ndarray:
    """Return the sorted motion float32 `[n]` of many samples of all sets that have it, by which others are ranked.

    All sets share them, so that a score means the same in each set.
    """
    found = list[float]()
    for source in sources:
        count = min(_COMPARED, len(source)) if "motion" in source.index.controls else 0
        samples: list[Any] = [source[i * len(source) // count] for i in range(count)]
        found += [sample["motion"][0] for sample in samples]
    return np.sort(np.array(found, np.float32))


def open_tokens(
    directory: Path, tokenizer_hash: str | None = None, bits: int = MAX_BITS, captions: Captions = "all"
) -> TokenSource:
    """Open a token set for a net that reads codes of `bits` bits; see `TokenSource`.

    RequestError when the folder holds none, it was never finished, a shard is missing, or (with `tokenizer_hash`)
    another tokenizer made it: codes have a meaning only for their own tokenizer.
    """
    directory = fetched(directory)
    index = read_index(directory)
    if tokenizer_hash is not None and index.tokenizer_hash != tokenizer_hash:
        raise RequestError(
            f"the tokens in {directory} were made by tokenizer {index.tokenizer_hash[:12]}, "
            f"not {tokenizer_hash[:12]}; tokenize the clips again"
        )
    missing = missing_shards(directory, index)
    if not index.complete:
        raise RequestError(
            f"the token set in {directory} was cut short, {len(missing)} of its {len(index.shards())} shards are "
            "missing; run the same command again"
        )
    if not index.num_samples:
        raise RequestError(f"the token set in {directory} is empty; tokenize some clips into it")
    if missing:
        raise RequestError(
            f"{directory / missing[0]} is missing or damaged; run reelm data tokenize as before to mend it"
        )
    records = ArrayRecordDataSource([str(directory / file) for file, _, _ in index.shards()])
    return TokenSource(index, records, bits, captions)


def open_all(
    folders: Sequence[Path], bits: int, tokenizer_hash: str | None = None, captions: Captions = "all"
) -> list[TokenSource]:
    """Open token sets for a net of `bits` bits; RequestError unless one tokenizer, with that hash if any, made all."""
    if not folders:
        raise RequestError("there are no tokens to train on; name folders that reelm data tokenize wrote")
    first = open_tokens(folders[0], tokenizer_hash, bits, captions)
    return [first, *(open_tokens(folder, first.index.tokenizer_hash, bits, captions) for folder in folders[1:])]


def check_keys(sources: Sequence[TokenSource], names: tuple[str, ...], at_once: int) -> None:
    """Check that a model with keys gets clips with exactly these; RequestError if not. One without takes any tokens."""
    for source in sources if names else ():
        there = source.index.keys
        if there is None or there.names != names or there.at_once > at_once:
            has = "none" if there is None else f"{', '.join(there.names)}, {there.at_once} at a time"
            raise RequestError(
                f"the model reads the keys {', '.join(names)}, {at_once} at a time; the tokens have {has}"
            )


def check_controls(sources: Sequence[TokenSource], wanted: Iterable[str]) -> None:
    """Check that each source of control that a model is to learn is in some of the tokens; RequestError if not."""
    there = {control for source in sources for control in source.index.controls}
    if missing := [control for control in wanted if control not in there]:
        raise RequestError(
            f"the model is to follow {missing[0]}, which the tokens do not have; take clips that have it, or tokenize "
            f"with --controls"
        )


def check_sound(
    sources: Sequence[TokenSource],
    *,
    levels: int,
    bits: int,
    frames: tuple[int, int],
    audio_hash: str | None = None,
) -> None:
    """Check that a model with sound gets codes of its kind of sound, all by one tokenizer; RequestError if not.

    levels, bits, frames: of the model, see `SoundIndex`; a model with 0 levels takes any tokens.
    audio_hash: of the tokenizer; None for any.
    """
    if not levels:
        return
    wanted = (levels, bits, frames)
    for source in sources:
        made = source.index.sound
        if made is None:
            raise RequestError("the model has sound and the tokens have none; tokenize with --audio-tokenizer")
        if (there := (made.levels, made.bits, made.frames)) != wanted:
            raise RequestError(f"the tokens' levels, bits and frames of sound are {there}, the model wants {wanted}")
        first = audio_hash or (sources[0].index.sound or made).tokenizer_hash
        if made.tokenizer_hash != first:
            raise RequestError(
                f"the tokens' sound was made by audio tokenizer {made.tokenizer_hash[:12]}, not {first[:12]}; "
                "tokenize the clips again"
            )
