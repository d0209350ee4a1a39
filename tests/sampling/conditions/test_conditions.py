"""Pictures, clips and masks as conditions: where their codes go, what comes back untouched, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import imageio.v3 as imageio
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import reelm
from reelm.errors import RequestError
from reelm.lm.prefix import Prefix
from reelm.lm.specials import PictureKind
from reelm.sampling.conditions import read
from reelm.sampling.conditions.read import read_conditions
from reelm.sampling.conditions.sources import Sources

pytestmark = pytest.mark.slow  # each number of given pictures is a program of its own

SIZE = {"height": 16, "width": 24, "fps": 8.0}


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 16, 24, 3), np.uint8)


def ids(clip: reelm.Clip) -> np.ndarray:
    assert clip.tokens is not None and clip.tokens["video"] is not None
    return clip.tokens["video"]


def test_an_image_is_the_first_frame_as_the_tokenizer_rebuilds_it(tiny_model, video):
    clip = tiny_model.generate("red", image=video[0], num_frames=9, height=16, width=24)
    np.testing.assert_array_equal(clip.video[:1], tiny_model.video_tokenizer.reconstruct(video[:1]))
    assert clip.info["image"] == "array [16, 24, 3]"


def test_a_video_is_continued_from_its_last_whole_latent_frame(tiny_model, video):
    clip = tiny_model.generate("red", video=video, num_frames=17, height=16, width=24)
    assert len(clip.video) == 17
    np.testing.assert_array_equal(ids(clip)[:3], tiny_model.video_tokenizer.encode(video[:9])[0])


def test_a_clip_of_this_model_is_continued_from_its_very_codes(tiny_model):
    clip = tiny_model.generate("red", num_frames=9, seed=1)
    longer = tiny_model.generate("red", video=clip, num_frames=17, seed=1)
    np.testing.assert_array_equal(longer.video[:9], clip.video)
    np.testing.assert_array_equal(ids(longer), ids(tiny_model.generate("red", num_frames=17, seed=1)))


def test_a_clip_of_another_rate_is_read_at_the_models(tiny_model, video, tmp_path):
    fast = reelm.Clip(video.repeat(4, axis=0), 32.0)
    fast.save(tmp_path / "fast.webp")
    found = [
        read_conditions(tiny_model.video_tokenizer, None, Sources(video=each), **SIZE, num_frames=17, default=None)
        for each in (fast, tmp_path / "fast.webp", video)
    ]
    for each in found:
        np.testing.assert_array_equal(each.known, found[2].known)


def test_codes_of_too_few_frames_are_made_again(tiny_model):
    clip = tiny_model.generate("red", num_frames=9, seed=1)
    short = replace(clip, tokens={"video": ids(clip)[:1], "audio": None})
    found = read_conditions(tiny_model.video_tokenizer, None, Sources(video=short), **SIZE, num_frames=17, default=None)
    assert len(found.known) == 3


def test_pictures_of_jax_and_pillow_and_lists_are_arrays(tiny_model, video):
    picture = Image.fromarray(video[0])
    for form in (picture, picture.convert("RGBA"), jnp.asarray(video[0]), (video[0] / 127.5 - 1).tolist()):
        made = Sources(image=cast(Any, form)).image
        assert isinstance(made, np.ndarray) and made.shape == (16, 24, 3)
    np.testing.assert_array_equal(Sources(image=cast(Any, picture)).image, video[0])
    frames = Sources(keyframes=cast(Any, {np.int64(3): picture})).keyframes
    assert frames is not None and isinstance(frames[3], np.ndarray)


def test_a_clip_longer_than_a_window_is_continued(tiny_model):
    clip = tiny_model.generate("red", num_frames=21, seed=1)
    longer = tiny_model.generate("red", video=clip, num_frames=25, seed=1)
    np.testing.assert_array_equal(longer.video[:21], clip.video)


def blank(rows: int) -> Prefix:
    return Prefix.of_words(np.zeros((rows, 16), np.int32), 2, 3)


def test_pictures_stand_at_their_times(tiny_model, video):
    pictures = {"keyframes": {6: video[6], 3: video[3]}, "last_image": video[9]}
    conditions = read_conditions(
        tiny_model.video_tokenizer, None, Sources(**pictures), **SIZE, num_frames=17, default=None
    )
    lm = tiny_model.language_model().config
    prefix = conditions.prefix(blank(2), lm, start=0, frames=4, anchor=None)
    np.testing.assert_array_equal(prefix.times[0], [0.75, 1.5])  # the last one, at 4.0, belongs to a later window
    assert (prefix.kinds == PictureKind.FRAME).all() and prefix.kinds.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(prefix.codes[1, 0], tiny_model.video_tokenizer.encode(video[3:4])[0, 0])
    later = conditions.prefix(blank(2), lm, start=3, frames=4, anchor=np.zeros((1, 2, 3)))
    np.testing.assert_array_equal(later.times[0], [-1.0, 1.0])
    np.testing.assert_array_equal(later.kinds[0, :, 0, 0], [PictureKind.ANCHOR, PictureKind.FRAME])
    # What came before is no condition: guidance leads away from clips that go on from it as well.
    np.testing.assert_array_equal(later.unconditional().kinds[0, :, 0, 0], [PictureKind.ANCHOR, PictureKind.NOTHING])


@pytest.mark.parametrize("condition", ["last_image", pytest.param("mask", marks=pytest.mark.long)])
def test_guidance_leads_towards_given_pictures_too(tiny_model, video, condition):
    asked = {"last_image": {"last_image": video[1]}, "mask": {"video": video[:9], "mask": np.ones((16, 24), bool)}}
    asked["mask"]["mask"][:8] = False
    settings = {"num_frames": 9, "height": 16, "width": 24, "temperature": 0.0, **asked[condition]}
    # Without words nothing but the pictures tells the two apart.
    plain, guided = (tiny_model.generate(**settings, cfg_scale=scale) for scale in (1.0, 4.0))
    assert (ids(plain) != ids(guided)).any()


def test_the_number_of_pictures_is_padded_to_a_power_of_two(tiny_model, video):
    pictures = {n: video[n] for n in (1, 2, 3)}
    conditions = read_conditions(
        tiny_model.video_tokenizer, None, Sources(keyframes=pictures), **SIZE, num_frames=17, default=None
    )
    lm = tiny_model.language_model().config
    prefix = conditions.prefix(blank(1), lm, start=0, frames=4, anchor=None)
    np.testing.assert_array_equal(prefix.kinds[0, :, 0, 0], [*[PictureKind.FRAME] * 3, PictureKind.NOTHING])


def test_every_condition_changes_the_clip(tiny_model, video):
    settings = {"num_frames": 9, "height": 16, "width": 24, "temperature": 0.0}
    clips = [
        tiny_model.generate("red", **settings, **change)
        for change in ({}, {"last_image": video[1]}, {"keyframes": {4: video[2]}}, {"image": video[0]})
    ]
    assert len({ids(clip).tobytes() for clip in clips}) == 4


def test_pixels_outside_the_mask_are_the_input(tiny_model, video):
    mask = np.zeros((10, 16, 24), bool)
    mask[:, 4:9, 3:20] = True
    clip = tiny_model.generate("red", video=video, mask=mask, height=16, width=24)
    np.testing.assert_array_equal(clip.video[~mask], video[~mask])
    assert (clip.video[mask] != video[mask]).any()
    # What the mask hides has no part in the result.
    painted = np.where(mask[..., None], 255 - video, video)
    again = tiny_model.generate("red", video=painted, mask=mask, height=16, width=24)
    np.testing.assert_array_equal(again.video, clip.video)


def test_places_under_the_mask_are_unknown(tiny_model, video):
    mask = np.zeros((16, 24), bool)
    mask[0, 8] = True
    conditions = read_conditions(
        tiny_model.video_tokenizer, None, Sources(video=video, mask=mask), **SIZE, num_frames=None, default=17
    )
    assert conditions.unknown is not None and conditions.unknown.shape == (4, 2, 3)
    np.testing.assert_array_equal(conditions.unknown, np.broadcast_to([[False, True, False], [False] * 3], (4, 2, 3)))
    only_late = np.zeros((10, 16, 24), bool)
    only_late[4, 0, 0] = True
    conditions = read_conditions(
        tiny_model.video_tokenizer, None, Sources(video=video, mask=only_late), **SIZE, num_frames=None, default=17
    )
    assert conditions.unknown is not None
    np.testing.assert_array_equal(np.flatnonzero(conditions.unknown.any((1, 2))), [1])  # frames 1 to 4


def test_pictures_of_another_size_and_files_are_fitted(tiny_model, video, tmp_path: Path):
    imageio.imwrite(tmp_path / "wide.png", np.repeat(video[0], 3, axis=1))
    clip = tiny_model.generate("red", image=tmp_path / "wide.png", num_frames=5, height=16, width=24)
    assert clip.video.shape == (5, 16, 24, 3) and clip.info["image"] == str(tmp_path / "wide.png")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda v: {"image": v[0], "keyframes": {0: v[0]}}, "frame 0 is given twice"),
        (lambda v: {"keyframes": {9: v[0]}}, "no frame 9"),
        (lambda v: {"video": v}, "10 frames already|9 frames already"),
        (lambda v: {"mask": v[..., 0] > 3}, "give that video"),
        (lambda v: {"video": v, "mask": v[..., 0] > 3}, "must be the same"),
        (lambda v: {"image": v}, "shape"),
        (lambda v: {"image": v[0].astype(int)}, "uint8"),
        (lambda v: {"image": "nowhere.png"}, "nowhere.png"),
        (lambda v: {"image": 5}, "image is a int"),
        (lambda v: {"image": b"a.png"}, "cannot be read as a picture"),
        (lambda v: {"image": [[1], [2, 3]]}, "not an array of numbers"),
        (lambda v: {"image": reelm.Clip(v, 8.0)}, "image is a Clip"),
        (lambda v: {"keyframes": {3: None}}, "keyframe 3 is None"),
        (lambda v: {"keyframes": {float("nan"): v[0]}}, "frame of a keyframe is nan"),
        (lambda v: {"keyframes": [v[0]]}, "frame number: picture"),
        (lambda v: {"prompt": 5}, "a prompt is a int"),
        (lambda v: {"prompt": b"red"}, "a prompt is a bytes"),
        (lambda v: {"prompt": ("red", "blue")}, "pairs of one prompt"),
        (lambda v: {"prompt": [(0, "red"), (float("nan"), "blue")]}, "pairs of one prompt"),
        (lambda v: {"prompt": [(0, 5)]}, "pairs of one prompt"),
        (lambda v: {"prompt": {"red"}}, "a prompt is a set"),
    ],
)
def test_contradictions_are_refused_in_one_line(tiny_model, video, settings, message):
    with pytest.raises(RequestError, match=message) as error:
        tiny_model.generate(**{"prompt": "red", "num_frames": 9, "height": 16, "width": 24} | settings(video))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((16, 24), bool), "nothing to fill"),
        (np.ones((3, 3), bool), "shape"),
        (np.ones((16, 24), np.uint8), "bool"),
    ],
)
def test_masks_that_make_no_sense_are_refused(tiny_model, video, mask, message):
    with pytest.raises(RequestError, match=message):
        tiny_model.generate("red", video=video, mask=mask, height=16, width=24)


@pytest.mark.parametrize(
    "shown, heard, default, frames",
    [(None, None, 17, 17), (None, 40, 17, 40), (9, None, 17, 9), (9, 40, 17, 40), (9, 9, 17, 9), (9, 4, 17, 9)],
)
def test_a_clip_is_as_long_as_what_is_given_of_it(shown, heard, default, frames):
    assert read._length(shown, heard, default) == frames
