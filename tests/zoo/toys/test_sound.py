"""Sound rings when something touches something, by what it is made of, and is silent otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from reelm.zoo.toys import scenes
from reelm.zoo.toys.acts import Falls
from reelm.zoo.toys.scenes import Player
from reelm.zoo.toys.sound import SAMPLE_RATE, sound
from reelm.zoo.toys.toys import MATERIALS, Toy


def falling(material) -> scenes.Scene:
    toy = Toy("cube", "red", material, "large")
    scene = scenes.draw("train", 0)
    return replace(scene, players=(Player(toy, "drops", Falls(toy, (0, 0, 1.8))),), link=None, sounds=True)


@pytest.mark.parametrize("material", MATERIALS)
def test_it_rings_at_the_first_contact_and_not_before(material):
    scene = falling(material)
    track = sound(scene, 17)
    assert track.shape == (17 * SAMPLE_RATE // 8, 1) and track.dtype == np.float32
    start = round(scene.contacts[0].time * SAMPLE_RATE)
    assert not track[:start].any()
    assert np.abs(track[start : start + 800]).max() > 0.2 and np.abs(track).max() <= 1


def test_materials_ring_at_their_own_heights():
    def centre(material) -> float:
        track = sound(falling(material), 17)[:, 0]
        power = np.abs(np.fft.rfft(track)) ** 2
        return float((np.fft.rfftfreq(len(track), 1 / SAMPLE_RATE) * power).sum() / power.sum())

    rubber, wood, metal = (centre(material) for material in MATERIALS)
    assert rubber < 300 < wood < 1_000 < metal


def test_a_faster_impact_is_louder():
    scene = falling("wood")
    track, contacts = np.abs(sound(scene, 17)[:, 0]), scene.contacts
    first, second = (track[round(contact.time * SAMPLE_RATE) :][:400].max() for contact in contacts[:2])
    assert contacts[1].speed < contacts[0].speed and second < first


def test_a_shorter_track_begins_a_longer_one():
    for index in (0, 2, 5):
        scene = scenes.draw("train", index)
        long, short = sound(scene, 17), sound(scene, 9)
        assert np.allclose(long[: len(short)], short, atol=2e-4)


def test_without_sound_is_silence():
    assert not sound(replace(falling("metal"), sounds=False), 9).any()
