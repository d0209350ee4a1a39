"""Crafter is played: the same land and keys give the same recordings, and the sets hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelm.data import catalog
from reelm.data.recordings.recording import Recording
from reelm.errors import RequestError
from reelm.zoo.crafter.game import KEYS, Crafter
from reelm.zoo.crafter.mosaics import mosaics, tiles_of
from reelm.zoo.crafter.players import bumping_player, play, played_apart, purposeful_player
from reelm.zoo.crafter.source import CrafterSet, CrafterTilesSet


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
