"""The judge of emoji: real clips are themselves, others are not; motion and seams are measured, paraphrases sound."""

import re

import numpy as np
import pytest

from reelm.evaluation.features import efficientnet
from reelm.tokenizer.text.words import is_han
from reelm.zoo.emoji import judge as emoji_evaluation
from reelm.zoo.emoji.judge import Asked, Gallery

ASKED = [Asked(base, tone) for base in ("a", "b", "c", "d") for tone in ("", "dark", "light")]


def clip(asked: Asked) -> np.ndarray:
    """A shape of the emoji in the colour of the tone, which goes its way and comes back."""
    shape = ord(asked.base) - ord("a")
    colour = {"": (250, 210, 60), "dark": (90, 60, 40), "light": (250, 220, 200)}[asked.tone]
    video = np.full((25, 64, 64, 3), 255, np.uint8)
    for frame in range(25):
        x = abs(12 - frame % 24)
        video[frame, 8 : 20 + 10 * shape, 10 + x : 30 + x] = colour
        video[frame, 8 + 4 * shape : 14 + 4 * shape, 14 + x : 20 + x] = 0
    return video


class Real:
    """The plain clips of a split, as `EmojiClips` gives them."""

    emoji = len(ASKED)

    def what(self, index: int) -> dict[str, str]:
        base, tone = ASKED[index]
        return {"emoji": base, "tone": tone, "caption": f"{base} {tone}".strip()}

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"video": clip(ASKED[index])}


@pytest.fixture(scope="module")
def net(efficientnet_tensors) -> dict:
    return efficientnet.convert(efficientnet_tensors)


@pytest.fixture(scope="module")
def real(net) -> Gallery:
    return emoji_evaluation.gallery(net, [Real()])  # pyright: ignore[reportArgumentType]  (a double)


@pytest.mark.slow
def test_real_clips_are_read_as_what_they_are(net, real):
    found = emoji_evaluation.judged(net, real, [clip(each) for each in ASKED], ASKED)
    assert found["clips"] == 12 and found["tone"] == 1.0
    untoned = [each for each in ASKED if not each.tone]
    assert emoji_evaluation.judged(net, real, [clip(each) for each in untoned], untoned)["both"] == 1.0
    assert (
        found["energy"] == pytest.approx(1)
        and found["energy_off"] == pytest.approx(0)
        and found["seam"] == found["seam_real"] == 0
    )


@pytest.mark.slow
def test_a_clip_of_another_emoji_or_tone_is_not_what_was_asked(net, real):
    untoned = [each for each in ASKED if not each.tone]
    shifted = [clip(each) for each in (*untoned[1:], untoned[0])]
    wrong = emoji_evaluation.judged(net, real, shifted, untoned)
    assert wrong["emoji"] == 0 and wrong["tone"] is None
    other = {"dark": "light", "light": "dark"}
    toned = [each for each in ASKED if each.tone]
    wrong = emoji_evaluation.judged(net, real, [clip(Asked(each.base, other[each.tone])) for each in toned], toned)
    assert wrong["tone"] == wrong["both"] == 0


@pytest.mark.slow
def test_features_of_a_clip_do_not_depend_on_the_others(net):
    videos = [clip(each) for each in ASKED * 2]
    together = emoji_evaluation.clip_features(net, videos)
    np.testing.assert_allclose(
        emoji_evaluation.clip_features(net, videos[20:21])[0], together[20], rtol=1e-4, atol=1e-4
    )


def test_energy_counts_change_and_seam_the_ends():
    video = np.zeros((5, 4, 4, 3), np.uint8)
    assert emoji_evaluation.motion_energy(video) == 0 and emoji_evaluation.loop_seam(video) == 0
    video[:, :, :2] = np.array([0, 20, 40, 20, 0], np.uint8)[:, None, None, None]
    assert emoji_evaluation.motion_energy(video) == 10  # half of the pixels change by 20
    assert emoji_evaluation.loop_seam(video) == 0
    assert emoji_evaluation.loop_seam(video[:3]) == 2
    assert emoji_evaluation.motion_energy(video[:1]) == 0


def test_energies_are_compared_with_the_clip_that_was_asked_for():
    real = Gallery((Asked("a", ""), Asked("b", "")), np.eye(2), np.array([10.0, 5.0]), np.zeros(2), np.zeros(2))
    video = np.zeros((3, 4, 4, 3), np.uint8)
    video[1] = 10
    ratios = emoji_evaluation.energy_ratios(real, [video, video], [Asked("a", ""), Asked("b", "")])
    np.testing.assert_allclose(ratios, [1, 2])
    with pytest.raises(ValueError):
        real.place(Asked("c", ""))


def test_a_hundred_paraphrases_ask_for_a_hundred_emoji():
    prompts = emoji_evaluation.paraphrases()
    assert len(prompts) == len({words for words, _ in prompts}) == len({asked.base for _, asked in prompts}) == 100
    for words, asked in prompts:
        assert re.fullmatch(r"[A-Za-z' ,]+", words) and re.fullmatch(r"[0-9a-f]{4,5}(-[0-9a-f]{4,5})*", asked.base)
        assert not asked.tone and "fe0f" not in asked.base


def test_prompts_are_the_plain_captions_in_their_order():
    prompts = emoji_evaluation.prompts(Real(), 3)  # pyright: ignore[reportArgumentType]  (a double)
    assert prompts == (("a", Asked("a", "")), ("a dark", Asked("a", "dark")), ("a light", Asked("a", "light")))
    assert len(emoji_evaluation.prompts(Real(), 100)) == 12  # pyright: ignore[reportArgumentType]


def test_chinese_paraphrases_ask_for_a_hundred_emoji():
    prompts = emoji_evaluation.paraphrases(emoji_evaluation.CHINESE_PARAPHRASES)
    assert len(prompts) == len({asked.base for _, asked in prompts}) == 100
    assert all(any(is_han(letter) for letter in words) for words, _ in prompts)


class Named(Real):
    """A split whose emoji have Chinese names: a watch, an hourglass and, in a tone, a hand."""

    emoji = 3

    def what(self, index):
        emoji, tone = (("231a", ""), ("231b", ""), ("1f44b", "dark"))[index]
        return {"emoji": emoji, "tone": tone, "caption": emoji}


def test_chinese_names_are_those_of_emoji_without_tone_and_traditional_ones_are_no_simplified_ones():
    watch, hourglass = Asked("231a", ""), Asked("231b", "")
    source = Named()
    assert emoji_evaluation.chinese_names(source, 9) == (("手表", watch), ("沙漏", hourglass))  # pyright: ignore[reportArgumentType]
    assert emoji_evaluation.chinese_names(source, 1) == (("手表", watch),)  # pyright: ignore[reportArgumentType]
    # The hourglass has one name in both.
    assert emoji_evaluation.traditional_names(source, 9) == (("手錶", watch),)  # pyright: ignore[reportArgumentType]
