"""Acts of toys obey the mechanics that they claim."""

import numpy as np
import pytest

from reelm.zoo.toys import acts
from reelm.zoo.toys.acts import ROLLING, Course, Falls, Spins, Swings, Travels
from reelm.zoo.toys.toys import GRAVITY, Toy

BALL = Toy("ball", "red", "rubber", "small")
CUBE = Toy("cube", "blue", "metal", "large")
TIME = np.linspace(0, 6, 2_401)


def test_what_falls_is_accelerated_by_gravity_and_rings_when_it_touches_the_floor():
    falls = Falls(BALL, (0.3, 0.1, 2.0))
    height = falls.place(TIME)[:, 2] - BALL.half_height
    assert height.min() > -1e-9
    first = falls.contacts[0]
    assert first.time == pytest.approx(np.sqrt(2 * (2.0 - BALL.half_height) / GRAVITY))
    assert first.speed == pytest.approx(GRAVITY * first.time)
    before = TIME[:-2] + 0.0025 < first.time - 0.01
    assert np.allclose(np.diff(height, 2)[before] / np.diff(TIME)[0] ** 2, -GRAVITY, atol=1e-6)
    for contact in falls.contacts:
        assert falls.place(np.array([contact.time]))[0, 2] == pytest.approx(BALL.half_height)


def test_each_bounce_leaves_the_materials_share_of_the_speed():
    speeds = [contact.speed for contact in Falls(BALL, (0, 0, 2.0)).contacts]
    assert len(speeds) > 3
    assert np.allclose(np.divide(speeds[1:], speeds[:-1]), acts.RESTITUTION["rubber"])


@pytest.mark.parametrize(
    "act",
    [
        Falls(BALL, (-1.4, 0, 0.6), throw=(1.0, 3.0)),
        Travels(BALL, (Course(-1.5, 1.4, ROLLING),), rolls=True),
        Swings(CUBE, (0, 0, 3.1), 1.6, 0.5),
        *acts.collide(Travels(BALL, (Course(-1.5, 1.9, ROLLING),), rolls=True), Spins(CUBE, (0.2, 0))),
    ],
)
def test_nothing_jumps_and_rotations_are_rotations(act):
    places, turns = act.place(TIME), act.turn(TIME)
    assert np.abs(np.diff(places, axis=0)).max() < 5 * np.diff(TIME)[0]
    assert np.allclose(turns @ turns.swapaxes(-1, -2), np.eye(3))
    assert np.allclose(np.linalg.det(turns), 1)


def test_what_rolls_to_the_right_turns_to_the_right_without_slipping():
    act = Travels(BALL, (Course(-1.0, 1.0, ROLLING),), rolls=True)
    moved = act.place(TIME)[:, 0] - act.place(TIME[:1])[:, 0]
    up = act.turn(TIME)[:, :, 2]
    turned = np.unwrap(np.arctan2(up[:, 0], up[:, 2]))
    assert np.allclose(turned - turned[0], moved / BALL.radius)


def test_an_impact_keeps_momentum_and_parts_toys_by_their_restitution():
    runs, hit = acts.collide(Travels(BALL, (Course(-1.5, 1.9, ROLLING),), rolls=True), Spins(CUBE, (0.2, 0)))
    contact = runs.contacts[0]
    before, after = (runs.velocity(np.array([contact.time + d]))[0] for d in (-1e-6, 1e-6))
    pushed = hit.velocity(np.array([contact.time + 1e-6]))[0]
    assert BALL.mass * before == pytest.approx(BALL.mass * after + CUBE.mass * pushed, rel=1e-4)
    rest = (acts.RESTITUTION["rubber"] + acts.RESTITUTION["metal"]) / 2
    assert pushed - after == pytest.approx(rest * before, rel=1e-4)
    gap = np.abs(hit.place(TIME)[:, 0] - runs.place(TIME)[:, 0])
    assert gap.min() == pytest.approx(BALL.half_width + CUBE.half_width, abs=5e-3)


def test_a_string_keeps_its_length():
    act = Swings(CUBE, (0.2, 0.1, 3.1), 1.6, 0.5)
    assert np.allclose(np.linalg.norm(act.place(TIME) - act.pivot, axis=-1), 1.6)
