"""Chinese captions of moving digits: they say what is to be seen, and fit the prefix of `demo`."""

from collections import Counter

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.moving_digits import chinese
from reelm.data.moving_digits.scenes import DIGIT_WORDS, Mover, Scene
from reelm.lm.specials import HEAD
from reelm.sampling.folder import shipped
from reelm.tokenizer.text.pieces import TextTokenizer

SEVEN = Mover(digit=7, colour="red", direction="right", slow=False, image=0, start=(0, 0))
THREE = Mover(digit=3, colour="magenta", direction="up", slow=True, image=0, start=(0, 0))
BOTH = Scene((SEVEN, THREE))


@pytest.fixture(scope="module")
def demo() -> TextTokenizer:
    return TextTokenizer((shipped.folder("demo") / "text.model").read_bytes())


@pytest.fixture(scope="module")
def said() -> list[str]:
    return [chinese.example_caption("train", i, BOTH) for i in range(1500)]


def test_a_caption_is_the_same_for_ever(said):
    assert [chinese.example_caption("train", i, BOTH) for i in range(5)] == said[:5]


def test_every_caption_names_both_digits_in_order(said):
    for caption in said:
        places = [min(caption.find(word) for word in (chinese.DIGITS[n], str(n), DIGIT_WORDS[n]) if word in caption)
                  for n in (7, 3)]  # fmt: skip
        assert places == sorted(places)
    forms = Counter(word for caption in said for word in ("七", "7", "seven") if word in caption)
    assert forms["七"] > forms["7"] > forms["seven"] > 100


def test_full_captions_say_colour_way_and_speed(said):
    full = [caption for caption in said if "慢" in caption or "缓" in caption or "slowly" in caption]
    assert 0.6 < len(full) / len(said) < 0.8
    assert all(("红" in caption or "red" in caption) and ("右" in caption or "right" in caption) for caption in full)
    slow = chinese.caption(Scene((SEVEN,)), np.random.default_rng(0))
    assert "慢" not in slow and "缓" not in slow


def test_names_stand_for_digits():
    captions = [chinese.example_caption("train", i, BOTH, names=("<1>", "<2>")) for i in range(300)]
    assert all(0 <= caption.find("<1>") < caption.find("<2>") for caption in captions)
    assert not any(digit in caption for caption in captions for digit in "七7三")


def test_every_caption_fits_the_prefix_of_demo(demo, said):
    longest = [f"{caption}，{chinese.WITHOUT_SOUND}。" for caption in said]
    assert max(map(demo.count, longest)) <= 24 - HEAD
    # Punctuation takes a byte, as in English, and nothing else does.
    without = [caption.translate(str.maketrans("，、；。", "    ")) for caption in said]
    assert not {i for caption in without for i in demo.encode(caption)} & {*range(257)}


def test_one_caption_in_four_is_chinese_beside_the_very_clips_with_sound():
    clips, english = (
        catalog.open_clips(name, "train", num_frames=1, num_clips=20)
        for name in ("moving_digits_sound_zh", "moving_digits_sound")
    )
    for i in range(20):
        clip, other = clips[i], english[i]
        assert clip["captions"][:-1] == other["captions"] and len(clip["captions"]) == 4
        assert (clip["video"] == other["video"]).all() and "audio" in clip and "audio" in other
        assert (clip["audio"] == other["audio"]).all()
        assert (chinese.WITHOUT_SOUND in clip["captions"][-1]) == other["captions"][0].endswith("without sound")
