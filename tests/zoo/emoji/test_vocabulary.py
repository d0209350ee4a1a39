"""Words that an encoder of prompts for emoji should know: of the names of emoji, and of word lists."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from flax.serialization import msgpack_serialize

from reelm.errors import RequestError
from reelm.zoo.emoji import vocabulary

LANGUAGES = ("en", "zh", "zh-hant", "ja", "es")


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch) -> Path:
    for language in LANGUAGES:
        rows = [{"hexcode": "1F401", "label": f"mouse {language}", "tags": ["animal"]}]
        (tmp_path / f"node_modules/emojibase-data/{language}").mkdir(parents=True)
        (tmp_path / f"node_modules/emojibase-data/{language}/data.json").write_text(json.dumps(rows))
    with zipfile.ZipFile(tmp_path / "words.whl", "w") as wheel:
        for language in ("en", "zh", "es", "ja"):
            lists = [{"format": "cB"}, [], [f"the {language}"], [f"of {language}", f"rare {language}"]]
            wheel.writestr(f"wordfreq/data/large_{language}.msgpack.gz", gzip.compress(msgpack_serialize(lists)))
    monkeypatch.setattr(vocabulary, "_WHEEL", "words.whl")
    monkeypatch.setattr(vocabulary, "_FREQUENT", dict.fromkeys(("en", "zh", "es", "ja"), 2))
    return tmp_path


def test_words_are_names_and_keywords_and_the_most_frequent_of_each_language(downloads):
    words = vocabulary.vocabulary(downloads)
    assert words[:2] == ["animal", "mouse en"] and {f"mouse {language}" for language in LANGUAGES} < {*words}
    assert words[-8:] == [f"{word} {language}" for language in ("en", "zh", "es", "ja") for word in ("the", "of")]


def test_a_wheel_that_is_missing_or_damaged_is_named(downloads):
    (downloads / "words.whl").write_bytes(b"no archive")
    with pytest.raises(RequestError, match="fetch it again"):
        vocabulary.vocabulary(downloads)
    (downloads / "words.whl").unlink()
    with pytest.raises(RequestError, match="pip download --no-deps wordfreq"):
        vocabulary.vocabulary(downloads)
