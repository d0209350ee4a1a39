"""The data set: clips by index, with all that is known of them."""

import numpy as np
import pytest

from reelm.data import catalog
from reelm.errors import RequestError
from reelm.zoo.toys import scenes


def test_a_clip_has_pictures_sound_words_tracks_and_the_cameras_path():
    clips = catalog.open_clips("toys", "test", num_frames=5, num_clips=2)
    assert len(clips) == 2 and clips.shapes[0][1:] == (5, 128, 128)
    clip, again = clips[1], clips[1]
    assert clip["video"].shape == (5, 128, 128, 3) and clip["video"].dtype == np.uint8
    assert np.array_equal(clip["video"], again["video"]) and np.array_equal(clip["audio"], again["audio"])
    assert clip["audio"].shape == (10_000, 1) and clip["sample_rate"] == 16_000 and clip["fps"] == 8
    assert clip["tracks"].shape[1:] == (5, 2) and clip["camera"].shape == (5, 3)
    assert len(clip["captions"]) == 8
    with pytest.raises(IndexError):
        clips[2]


def test_it_is_drawn_and_not_built():
    with pytest.raises(RequestError, match="toys is drawn on demand"):
        catalog.build("toys")


def test_a_story_shows_each_toy_and_what_it_does_after_a_cut():
    clips = catalog.open_clips("toys_stories", "train", num_frames=5)
    clip, plain = clips[2], catalog.open_clips("toys", "train", num_frames=5)[2]
    toys = [player.toy for player in scenes.draw("train", 2).players]
    assert np.array_equal(clip["video"], plain["video"])
    assert clip["references"].shape == (len(toys), 64, 64, 3)
    assert all(f"<{n}>" in caption for n in range(1, len(toys) + 1) for caption in clip["reference_captions"])
    after = clip["next_shot"]
    assert np.array_equal(after["video"][0], clip["video"][-1]) and after["video"].shape == clip["video"].shape
    assert after["audio"].shape == clip["audio"].shape
    assert all("<1>" in caption or "<2>" in caption for caption in after["reference_captions"])


def test_controls_show_depth_and_silhouettes_of_the_same_toys():
    clip = catalog.open_clips("toys", "train", num_frames=5)[1]
    films = clip["controls"]
    assert {name: film.shape for name, film in films.items()} == dict.fromkeys(
        ("depth", "silhouette"), clip["video"].shape
    )
    white = films["silhouette"][0, ..., 0] == 255
    for x, y in clip["tracks"][:, 0]:
        assert white[round(y * 128), round(x * 128)]
    # The floor is nearer at the bottom; a toy is nearer than the floor behind it.
    assert films["depth"][0, -1].mean() > films["depth"][0, 64].mean() > films["depth"][0, 0].mean()
