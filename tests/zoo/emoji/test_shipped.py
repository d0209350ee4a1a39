"""The shipped model of animated emoji: it carries its text encoder, and words decide what its clips show."""

import numpy as np
import pytest

import reelm
from reelm.sampling.model import Model
from reelm.zoo.emoji.captions import BACKGROUNDS
from reelm.zoo.emoji.judge import motion_energy


@pytest.fixture(scope="module")
def model() -> Model:
    return reelm.load("emoji")


def corners(video: np.ndarray) -> np.ndarray:
    """Mean colour of the four corners over a clip, which no emoji reaches into."""
    return np.mean([video[:, y, x] for y in (1, -2) for x in (1, -2)], axis=(0, 1))


@pytest.mark.slow
def test_a_prompt_alone_makes_a_loop_on_the_background_that_it_names(model):
    clips = model.generate(["tiger face", "tiger face on blue"], seed=0)
    for clip, colour in zip(clips, ("white", "blue"), strict=True):
        assert clip.video.shape == (25, 128, 128, 3) and clip.fps == 8
        assert np.abs(corners(clip.video) - BACKGROUNDS[colour]).max() < 40
        assert motion_energy(clip.video) > 1


@pytest.mark.slow
def test_a_plane_in_other_words_is_more_like_that_plane_than_a_face_is(model):
    asked, other_words, another = (
        clip.video.astype(float)
        for clip in model.generate(["airplane departure", "a plane taking off", "grinning face"], seed=0, num_frames=9)
    )
    assert np.abs(asked - other_words).mean() < np.abs(asked - another).mean()
