"""Goals are read from pictures: what the game counts is seen, and nothing is seen that the game does not count."""

from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

import reelm
from reelm.sampling.goals import goals_of
from reelm.zoo.crafter import goals
from reelm.zoo.crafter.game import Crafter
from reelm.zoo.crafter.goals import GOALS, CrafterGoals
from reelm.zoo.crafter.players import purposeful_player

pytestmark = pytest.mark.slow
_LATE = 3  # frames after which a goal is seen at the latest


def test_the_shipped_tiles_are_those_of_the_game():
    pytest.importorskip("crafter", reason="the tiles are drawn by the game, of the extra worlds")
    with Image.open(goals._SHIPPED) as file:
        np.testing.assert_array_equal(np.asarray(file), goals.drawn_items())


def test_what_the_game_counts_is_seen_and_nothing_else():
    pytest.importorskip("crafter", reason="the judge is the game, of the extra worlds")
    missed, reached = set[tuple[int, str]](), 0
    for seed in range(6):
        counted, seen = played(seed)
        for name, times in seen.items():
            due = sorted(counted[name])
            for at in times:  # each is one that was counted just before
                assert (cause := next((t for t in due if t <= at <= t + _LATE), None)) is not None, (name, at)
                due.remove(cause)
        reached += len(seen)
        missed |= {(seed, name) for name in counted.keys() & {*GOALS} - seen.keys()}
    assert not missed and reached >= 20


def played(seed: int) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Play a life; return the steps at which the game counted each goal, and those at which it was seen."""
    rng, world, reader = np.random.default_rng(seed), Crafter(seed), CrafterGoals()
    if seed % 2:
        world.begin_again(rng)
    press, counted, seen = purposeful_player(rng), defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    assert not reader.look(world.frame) and (reader.empty_handed or seed % 2)
    before, new = dict(world.player.achievements), False
    for step in range(300):
        frame = world.step(None if new else press(world))  # what is taken back in the next frame is not seen
        new = any(count > before[name] for name, count in world.player.achievements.items())
        for name, count in world.player.achievements.items():
            if count > before[name]:
                counted["eat" if name in ("eat_cow", "eat_plant") else name].append(step)
        before = dict(world.player.achievements)
        for name in reader.look(frame):
            seen[name].append(step)
        if not world.alive:
            break
    return counted, seen


def test_a_sleep_is_seen_when_it_ends():
    reader, awake = CrafterGoals(), np.zeros((72, 72, 3), np.uint8)
    awake[:56] = (40, 160, 30)
    awake[56:64, 24:32] = goals._textures()[0][3, 9].reshape(8, 8, 3)  # all energy
    asleep = awake.copy()
    asleep[:56] = (60, 60, 68)
    told = [reader.look(each) for each in (awake, asleep, asleep, asleep, awake, awake)]
    assert told == [[], [], [], [], ["wake_up"], []]
    cave, tired = awake.copy(), awake.copy()
    cave[:56], tired[56:] = 60, 0
    assert not any(reader.look(each) for each in (asleep, asleep, asleep, tired))
    assert not any(reader.look(each) for each in (awake, cave, cave, cave, awake))


def test_the_shipped_world_reaches_nothing_by_walking():
    model = reelm.load("crafter")
    reader, session, rng = goals_of(model), model.play(seed=3), np.random.default_rng(0)
    assert reader is not None and tuple(reader.names) == GOALS
    frames = [*session.beginning.video]
    for _ in range(40):
        frames += [*session.step(keys=[str(rng.choice(["left", "right", "up", "down"]))]).video]
    assert not [name for frame in frames for name in reader.look(frame)]


def test_a_model_of_no_game_has_no_goals():
    assert goals_of(reelm.load()) is None
