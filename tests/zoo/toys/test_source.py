"""The data set: clips by index, with all that is known of them."""

from typing import Any

import numpy as np
import pytest

from reelm.data import catalog
from reelm.errors import RequestError
from reelm.zoo.toys import scenes


def test_a_clip_has_pictures_sound_words_tracks_and_the_cameras_path():
    clips: Any = catalog.open_clips("toys", "test", num_frames=5, num_clips=2)
    assert len(clips) == 2 and clips.shapes[0][1:] == (5, 128, 128)
    clip, again = clips[1], clips[1]
    assert clip["video"].shape == (5, 128, 128, 3) and clip["video"].dtype == np.uint8
    assert np.array_equal(clip["video"], again["video"]) and np.array_equal(clip["audio"], again["audio"])
    assert clip["audio"].shape == (10_000, 1) and clip["sample_rate"] == 16_000 and clip["fps"] == 8
    assert clip["tracks"].shape[1:] == (5, 2) and clip["camera"].shape == (5, 3)
    assert len(clip["captions"]) == 8
    with pytest.raises(IndexError):
        clips[2]


@pytest.mark.slow
def test_stored_clips_are_those_that_are_drawn(tmp_path):
    with pytest.raises(RequestError, match="no toys/2 in .*; build it there first"):
        catalog.open_clips("toys", "train", data_dir=tmp_path, config="2")
    catalog.build("toys", tmp_path, clips=2)
    for split in ("train", "held_out"):
        stored: Any = catalog.open_clips("toys", split, data_dir=tmp_path, config="2", num_frames=9)
        assert len(stored) == (2 if split == "train" else 1)
        # The program of a whole clip may round otherwise than that of nine frames.
        whole: Any = catalog.open_clips("toys", split, num_frames=33)
        read, drawn = stored[0], whole[0]
        assert read["captions"] == drawn["captions"]
        np.testing.assert_array_equal(read["video"], drawn["video"][:9])
        np.testing.assert_array_equal(read["audio"], drawn["audio"][: 9 * 2_000])
        np.testing.assert_array_equal(read["tracks"], drawn["tracks"][:, :9])
        np.testing.assert_array_equal(read["camera"], drawn["camera"][:9])
        np.testing.assert_array_equal(read["controls"]["depth"], drawn["controls"]["depth"][:9])


def test_what_cannot_be_built_is_refused_in_a_line(tmp_path):
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("toys", {"clips": 0}, "clips is 0; it must be at least 1"),
        ("toys_stories", {}, "toys_stories is drawn on demand"),
        ("crafter", {"clips": 3}, "the number of clips of crafter is fixed"),
    )
    for name, asked, says in cases:
        with pytest.raises(RequestError, match=says):
            catalog.build(name, tmp_path, **asked)


def test_a_story_shows_each_toy_and_what_it_does_after_a_cut():
    sets: list[Any] = [catalog.open_clips(name, "train", num_frames=5) for name in ("toys_stories", "toys")]
    clip, plain = (clips[2] for clips in sets)
    toys = [player.toy for player in scenes.draw("train", 2).players]
    assert np.array_equal(clip["video"], plain["video"])
    assert clip["references"].shape == (len(toys), 64, 64, 3)
    assert all(f"<{n}>" in caption for n in range(1, len(toys) + 1) for caption in clip["reference_captions"])
    after = clip["next_shot"]
    assert np.array_equal(after["video"][0], clip["video"][-1]) and after["video"].shape == clip["video"].shape
    assert after["audio"].shape == clip["audio"].shape
    assert all("<1>" in caption or "<2>" in caption for caption in after["reference_captions"])


def test_controls_show_depth_and_silhouettes_of_the_same_toys():
    clips: Any = catalog.open_clips("toys", "train", num_frames=5)
    clip = clips[1]
    films = clip["controls"]
    assert {name: film.shape for name, film in films.items()} == dict.fromkeys(
        ("depth", "silhouette"), clip["video"].shape
    )
    white = films["silhouette"][0, ..., 0] == 255
    for x, y in clip["tracks"][:, 0]:
        assert white[round(y * 128), round(x * 128)]
    # The floor is nearer at the bottom; a toy is nearer than the floor behind it.
    assert films["depth"][0, -1].mean() > films["depth"][0, 64].mean() > films["depth"][0, 0].mean()


def test_pieces_lie_in_their_clips_and_mostly_show_toys(tmp_path):
    pieces: Any = catalog.open_clips("toys_close", "train", num_frames=2, num_clips=2)
    whole: Any = catalog.open_clips("toys", "train", num_frames=2, num_clips=2)
    assert len(pieces) == 16 and pieces.shapes[0][1:] == (2, 64, 64)
    catalog.build("toys_close", tmp_path, clips=1)
    stored: Any = catalog.open_clips("toys_close", "train", data_dir=tmp_path, config="1", num_frames=2)
    longest: Any = catalog.open_clips("toys_close", "train", num_clips=1)
    assert len(stored) == len(longest) == 8
    for one, other in zip(stored, longest, strict=True):
        np.testing.assert_array_equal(one["video"], other["video"][:2])
    shown = 0
    for index in range(16):
        video, clip = pieces[index]["video"], whole[index // 8]
        windows = np.lib.stride_tricks.sliding_window_view(clip["video"][0, ..., 0], (64, 64))
        rows, columns = np.nonzero((windows == video[0, ..., 0]).all((2, 3)))
        assert len(rows) == 1
        row, column = rows[0], columns[0]
        np.testing.assert_array_equal(video, clip["video"][:, row : row + 64, column : column + 64])
        shown += bool(clip["controls"]["silhouette"][:, row : row + 64, column : column + 64].any())
    assert shown >= 12
