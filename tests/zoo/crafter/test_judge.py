"""The judge of worlds: the game has full marks; who stands still, slides through trees or draws noise has not."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reelm.errors import RequestError
from reelm.media.clip import Clip
from reelm.zoo.crafter import evaluation
from reelm.zoo.crafter.cases import played
from reelm.zoo.crafter.game import KEYS, LAND
from reelm.zoo.crafter.judge import MIDDLE, Case, Textures, did, in_view, obeyed, psnr, right_tiles, tiles

RNG = np.random.default_rng(0)
KINDS = RNG.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)  # of tiles; the last is the player
MAP = RNG.integers(0, 7, (20, 20))


def picture(x: int, y: int, goods: int = 0) -> np.ndarray:
    """What a player at a place of the map sees, who has so much."""
    seen = np.full((9, 9), goods)
    seen[:LAND] = MAP[y - MIDDLE[0] : y + MIDDLE[0] + 1, x - MIDDLE[1] : x + MIDDLE[1] + 1]
    seen[MIDDLE] = 7
    return KINDS[seen].swapaxes(1, 2).reshape(72, 72, 3)


def case(kind: str, key: str, way: tuple[int, int], after: np.ndarray) -> Case:
    sure = in_view(way) if kind == "moved" else np.ones((LAND, 9), bool)
    sure[MIDDLE] = False
    return Case(kind, key, way, [], np.stack([picture(10, 10)]), after, sure)


@pytest.mark.parametrize("way", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_a_move_is_told_from_none(way):
    moved, still = picture(10 + way[0], 10 + way[1]), picture(10, 10)
    free, blocked = case("moved", "up", way, moved), case("blocked by tree", "up", way, still)
    assert obeyed(free, moved) and not obeyed(free, still)
    assert obeyed(blocked, still) and not obeyed(blocked, moved)
    back = picture(10 - way[0], 10 - way[1])
    assert not obeyed(free, back) or (tiles(back) == tiles(moved)).all(-1)[:LAND][free.telling].any()
    textures = Textures()
    textures.see(np.stack([moved, still]))
    assert len(textures) == 8 and right_tiles(textures, free, moved).all()
    assert not right_tiles(textures, free, still)[:LAND][free.telling].any()


def test_what_is_done_shows_in_front_and_in_the_goods():
    after = picture(10, 10, goods=1)
    taken = case("do tree", "do", (1, 0), after)
    textures = Textures()
    textures.see(np.concatenate([taken.frames, after[None]]))
    assert did(taken, right_tiles(textures, taken, after)) == (True, True)
    assert did(taken, right_tiles(textures, taken, picture(10, 10))) == (True, False)
    other = after.copy()
    other[24:32, 40:48] = KINDS[(MAP[10, 11] + 1) % 7]
    assert did(taken, right_tiles(textures, taken, other)) == (False, True)
    elsewhere = after.copy()
    elsewhere[:8, :8] = KINDS[(MAP[7, 6] + 1) % 7]
    assert did(taken, right_tiles(textures, taken, elsewhere)) == (True, True)


def test_a_tile_is_read_by_the_nearest_texture_and_noise_is_like_none():
    textures, real = Textures(), picture(10, 10)
    textures.see(real)
    near = np.clip(real.astype(int) + RNG.integers(-8, 9, real.shape), 0, 255).astype(np.uint8)
    kinds, like = textures.nearest(np.stack([real, near]))
    assert like.all() and (kinds[0] == kinds[1]).all()
    assert not textures.nearest(RNG.integers(0, 256, real.shape, dtype=np.uint8))[1].any()
    assert psnr(real, real) == 100 > psnr(real, near) > 30


def test_a_model_that_is_not_played_is_refused(tiny_model):
    with pytest.raises(RequestError, match="'tiny' was not trained to be played with the keys of Crafter"):
        evaluation.world(tiny_model, clips=1)
    with pytest.raises(RequestError, match="num_frames is 9; it must be at least 20"):
        evaluation.world(tiny_model, clips=1, num_frames=9)


@pytest.fixture(scope="module")
def game() -> Any:
    """What is played in one land, with the textures that it showed."""
    textures = Textures()
    return *played(4, 2, 0, textures.see), textures


class Player:
    """A model that goes on as the game does, or with what `spoil` makes of the frames before and after a key."""

    name = "player"

    def __init__(self, game: Any, spoil: Any = lambda frames, after: after):
        self._cases, self._starts, _ = game
        self._spoil = spoil
        codec = SimpleNamespace(config=SimpleNamespace(time_stride=1), reconstruct=lambda frames: frames)
        self.video_tokenizer = codec
        self.language_model = lambda: SimpleNamespace(config=SimpleNamespace(keys=KEYS))

    def generate(self, *, video: Clip, keys: Any, num_frames: int, **options: Any) -> Clip:
        assert len(video.info["keys"]) == len(video.video) - 1  # it is told what made the frames before
        return self._after(video.video, keys, num_frames)

    def _after(self, video: np.ndarray, keys: Any, num_frames: int) -> Clip:
        after = np.repeat(video[-1:], num_frames - len(video), axis=0)
        for each in self._cases:
            if np.array_equal(each.frames, video) and keys == [[each.key]]:
                after = each.after[None]
        for each in self._starts:
            known = len(each.after)
            if np.array_equal(each.frames, video) and keys[:known] == [[key] if key else [] for key in each.keys]:
                after = np.concatenate([each.after, np.repeat(each.after[-1:], len(keys) - known, axis=0)])
        return Clip(np.concatenate([video, self._spoil(video, after)]), fps=10.0)


def scores(game: Any, monkeypatch: Any, *spoil: Any) -> dict[str, dict[str, Any]]:
    def again(count: int, starts: int, seed: int, see: Any) -> Any:
        see(tiles_of(game[2]))
        return game[:2]

    monkeypatch.setattr(evaluation, "played", again)
    model: Any = Player(game, *spoil)
    return evaluation.world(model, clips=4, num_frames=30)


def tiles_of(textures: Textures) -> np.ndarray:
    """Frames that show every texture."""
    every = np.stack([np.frombuffer(tile, np.uint8) for tile in textures._seen])
    filled = np.resize(every, (-(-len(every) // 81), 9, 9, 8, 8, 3))
    return filled.swapaxes(2, 3).reshape(-1, 72, 72, 3)


@pytest.mark.slow
def test_the_game_has_full_marks(game, monkeypatch):
    marks = scores(game, monkeypatch)
    for group in ("tokenizer", "one step", "textures"):
        values = {name: row["value"] for name, row in marks[group].items() if name != "psnr"}
        assert values == dict.fromkeys(values, 1.0)
    assert [marks["one step"][kind]["n"] for kind in ("moved", "blocked", "do stone")] == [4, 4, 2]
    assert list(marks["textures"]) == ["step 1", "step 10", "step 30"]
    assert all(row["value"] > 20 for row in list(marks["delta psnr"].values())[4:])
    for row in marks["one step"].values():
        assert row["interval"][0] <= row["value"] <= row["interval"][1]


@pytest.mark.slow
def test_what_goes_wrong_is_seen(game, monkeypatch):
    still = scores(game, monkeypatch, lambda frames, after: np.repeat(frames[-1:], len(after), axis=0))
    values = {name: row["value"] for name, row in still["one step"].items()}
    assert values["moved"] == 0 and values["tiles"] < 1 and values["blocked"] == 1
    assert values["do tree"] == values["do stone"] == values["do water"] == 0
    assert all(row["value"] == 0 for row in still["delta psnr"].values())
    noise = scores(game, monkeypatch, lambda frames, after: RNG.integers(0, 256, after.shape, dtype=np.uint8))
    assert noise["textures"]["step 10"]["value"] < 0.01 and noise["one step"]["tiles"]["value"] < 0.5


@pytest.mark.slow
def test_chance_has_no_hand_in_what_is_sure(game):
    cases, starts, _ = game
    for each in cases:
        unchanged = (tiles(each.after) == tiles(each.frames[-1])).all(-1)[:LAND]
        front = MIDDLE[0] + each.way[1], MIDDLE[1] + each.way[0]
        if each.kind == "moved":
            assert not each.sure[~in_view(each.way)].any()
        elif each.key == "do":
            unchanged[front] = True
            assert each.sure[front]
        assert each.kind == "moved" or unchanged[each.sure].all()
        assert not each.sure[MIDDLE] and each.frames.shape == (6, 72, 72, 3)
    assert all(len(each.keys) == len(each.after) == 20 for each in starts)
