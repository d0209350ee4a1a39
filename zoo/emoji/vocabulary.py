"""List the words that an encoder of prompts for animated emoji should know, one a line.

    pip download --no-deps wordfreq==3.1.1
    python -m reelm.zoo.emoji.vocabulary DOWNLOADS words.txt

In: the folder of that wheel and of `npm pack emojibase-data@17.0.0`. Out: the names and keywords of all emoji in five
languages, and frequent words of four. `tokenizer/text/convert_multilingual_encoder.py` keeps the pieces of these words.
"""

import gzip
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

from flax.serialization import msgpack_restore

from reelm.errors import RequestError, reason
from reelm.storage.atomic import replacing
from reelm.storage.published import check_published

from .translations import read_translations

_LANGUAGES = ("en", "zh", "zh-hant", "ja", "es")
_FREQUENT = {"en": 12_500, "zh": 5_000, "es": 2_500, "ja": 3_000}
_WHEEL = "wordfreq-3.1.1-py3-none-any.whl"
_FETCH = "pip download --no-deps wordfreq==3.1.1"


def vocabulary(downloads: Path) -> list[str]:
    """Return the words; RequestError when a package is missing or damaged."""
    translations = chain.from_iterable(read_translations(downloads, _LANGUAGES).values())
    labels = sorted({word for each in translations for word in (each.name, *each.keywords)})
    return [*labels, *frequent(downloads, _FREQUENT)]


def frequent(downloads: Path, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the most frequent words of languages, so many of each; RequestError as `vocabulary`."""
    wheel = downloads / _WHEEL
    if not wheel.is_file():
        raise RequestError(f"there is no {wheel}; fetch it there with `{_FETCH}`")
    check_published(wheel)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for language, count in counts.items():
                packed = gzip.decompress(archive.read(f"wordfreq/data/large_{language}.msgpack.gz"))
                _, *by_frequency = msgpack_restore(packed)
                yield from islice(chain.from_iterable(by_frequency), count)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise RequestError(f"{wheel} is not what `{_FETCH}` fetches ({reason(error)}); fetch it again") from error


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m reelm.zoo.emoji.vocabulary DOWNLOADS WORDS.txt")
    try:
        with replacing(Path(sys.argv[2])) as temporary:
            temporary.write_text("\n".join(vocabulary(Path(sys.argv[1]))) + "\n", encoding="utf-8")
    except RequestError as error:
        sys.exit(str(error))
    print(sys.argv[2])
