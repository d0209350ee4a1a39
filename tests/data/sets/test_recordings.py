"""Recordings of games: what an engine writes is what training reads, with its keys, and Crafter is played."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelm.cli.main import main
from reelm.data import catalog
from reelm.data.recordings.build import import_folder
from reelm.data.recordings.crafter import KEYS, Crafter
from reelm.data.recordings.mosaics import mosaics, tiles_of
from reelm.data.recordings.players import bumping_player, play, played_apart, purposeful_player
from reelm.data.recordings.recording import Recording
from reelm.data.recordings.source import CrafterSet, CrafterTilesSet
from reelm.data.tokens.read import open_tokens
from reelm.data.tokens.tokenize import tokenize
from reelm.errors import RequestError


def recording(seed: int, length: int = 9, **changes) -> Recording:
    rng = np.random.default_rng(seed)
    fields = {
        "frames": rng.integers(0, 256, (length, 16, 24, 3), np.uint8),
        "keys": rng.random((length, 2)) < 0.3,
        "key_names": ("left", "fire"),
        "fps": 12.0,
    }
    return Recording(**fields | changes)


@pytest.fixture(scope="module")
def lives() -> list[Recording]:
    return play(7, 200)


def test_one_player_runs_into_what_is_beside_it():
    def runs(player) -> float:
        """Return how often, of the times that something is beside the player, it walks against it."""
        world, rng, against = Crafter(3), np.random.default_rng(0), list[bool]()
        press, steps = player(rng), {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
        while len(against) < 40:
            stops = [key for key, step in steps.items() if not world.player.is_free(tuple(world.player.pos + step))]
            key = press(world)
            world.step(key)
            against += [key in stops] * bool(stops)
        return float(np.mean(against))

    assert runs(bumping_player) > 0.35 > 0.2 > runs(purposeful_player)


def test_a_folder_of_recordings_is_a_set_with_its_keys(tmp_path, random_tokenizer):
    folder = tmp_path / "game"
    folder.mkdir()
    made = [recording(seed) for seed in range(3)]
    for seed, each in enumerate(made):
        each.save(folder / f"{seed}.npz")
    built = import_folder(folder, "game", tmp_path / "sets")
    assert "game" in catalog.names(tmp_path / "sets") and "left fire" in catalog.describe("game", tmp_path / "sets")
    found = {split: catalog.open_clips("game", split, data_dir=tmp_path / "sets") for split in ("train", "test")}
    assert {split: len(clips) for split, clips in found.items()} == {"train": 2, "test": 1}
    for number, one in enumerate(made[1:]):
        clip = found["train"][number]
        np.testing.assert_array_equal(clip["video"], one.frames)
        np.testing.assert_array_equal(clip.get("keys", ()), one.keys)
        assert clip["fps"] == 12.0

    from reelm.tokenizer.video.config import VideoTokenizerConfig

    small = {"bits": 6, "patch": (2, 8, 8), "encoder_channels": (8,), "decoder_channels": (8,)}
    tokenizer = random_tokenizer(VideoTokenizerConfig(**small, encoder_blocks=1, decoder_blocks=1))
    tokenize(str(built), tokenizer, tmp_path / "tokens")
    tokens = open_tokens(tmp_path / "tokens")
    assert tokens.index.keys == (("left", "fire"), int(max(one.keys[1:].sum(axis=1).max() for one in made)))
    keys = made[1].keys
    # A latent frame of two frames has the keys that were held in any of them.
    expected = np.concatenate([keys[:1], keys[1::2] | keys[2::2]])
    np.testing.assert_array_equal(tokens[0].get("keys", ()), expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": np.zeros((9, 16, 24), np.uint8)}, "must be uint8 .T, H, W, 3."),
        ({"keys": np.zeros((8, 2), bool)}, r"keys are bool\[8, 2\]; they must be bool\[9, 2\]"),
        ({"key_names": ("left", "left")}, "one or more different names"),
        ({"fps": 0.0}, "fps is 0"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(changes, says):
    with pytest.raises(RequestError, match=says):
        recording(0, **changes)


def test_recordings_that_are_not_alike_are_refused(tmp_path):
    recording(0).save(tmp_path / "0.npz")
    recording(1, fps=10.0).save(tmp_path / "1.npz")
    with pytest.raises(RequestError, match="a recording has a rate of 1"):
        import_folder(tmp_path, "mixed", tmp_path / "sets")
    (tmp_path / "2.npz").write_bytes(b"no archive")
    with pytest.raises(RequestError, match="2.npz is no recording"):
        import_folder(tmp_path, "damaged", tmp_path / "sets")


def test_the_command_builds_what_is_recorded_and_refuses_what_is_not(tmp_path, capsys):
    folder = tmp_path / "game"
    folder.mkdir()
    for seed in range(2):
        recording(seed).save(folder / f"{seed}.npz")
    assert main(["data", "build", str(folder), "--data-dir", str(tmp_path / "sets")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sets" / "game")
    assert main(["data", "build", "moving_digits", "--episodes", "3"]) == 2
    assert "is not played" in capsys.readouterr().err


def test_the_same_land_and_keys_give_the_same_frames(lives):
    again = play(7, 200)
    assert [len(life.frames) for life in again] == [len(life.frames) for life in lives]
    np.testing.assert_array_equal(again[0].frames, lives[0].frames)
    apart = played_apart(7, 200)
    for one, other in zip(lives, apart, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.keys, other.keys)
    assert lives[0].frames.shape[1:] == (72, 72, 3) and lives[0].key_names == KEYS
    assert all(life.keys[1:].sum(axis=1).max() == 1 and not life.keys[0].any() for life in lives)


def test_a_step_to_free_ground_moves_the_land_by_a_tile():
    world = Crafter(7)
    free = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
    way = next(way for way, step in free.items() if world.player.is_free(tuple(world.player.pos + np.array(step))))
    before, after = world.frame, world.step(way)
    x, y = free[way]
    land = slice(8, 48), slice(8, 64)
    moved = np.roll(before, (-8 * y, -8 * x), (0, 1))
    # But for the player and for creatures, which go where they will.
    stayed = (before[land] == after[land]).mean()
    assert (moved[land] == after[land]).mean() > max(0.9, stayed)


def test_mosaics_have_every_tile_as_often(lives):
    tiles = tiles_of((life.frames for life in lives), 8)
    assert len({tile.tobytes() for tile in tiles}) == len(tiles) > 20
    [mosaic] = mosaics(tiles, lives[0].cut(16)[0], 1, 0)
    assert mosaic.frames.shape == (16, 72, 72, 3)
    assert {tile.tobytes() for tile in tiles_of([mosaic.frames], 8)} == {tile.tobytes() for tile in tiles}


@pytest.mark.long
@pytest.mark.slow
def test_crafter_is_played_and_then_there(tmp_path: Path):
    catalog.build("crafter", tmp_path, episodes=1)
    clips = catalog.open_clips("crafter", "train", data_dir=tmp_path)
    assert clips[0]["video"].shape == (64, 72, 72, 3) and np.shape(clips[0].get("keys", ())) == (64, len(KEYS))
    assert CrafterSet(tmp_path).build() == tmp_path / "crafter"  # as it is
    catalog.build("crafter_tiles", tmp_path)
    tiles = tiles_of([clip["video"] for clip in CrafterTilesSet(tmp_path).open("train", num_clips=4)], 8)
    assert {tile.tobytes() for tile in tiles} == {t.tobytes() for t in tiles_of((c["video"] for c in clips), 8)}
    wrong: tuple[dict[str, Any], ...] = ({"episodes": 0}, {"packages": tmp_path}, {"config": "small"})
    for each in wrong:
        with pytest.raises(RequestError):
            catalog.build("crafter", tmp_path / "other", **each)
