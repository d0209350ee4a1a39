"""The control field: what is added to the inputs of the slots that predict codes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.parameters import random_params

from reelm.lm.control.camera import camera_field, camera_path, read_camera
from reelm.lm.control.field import control_field, of_source
from reelm.lm.control.motion import motion_field
from reelm.lm.control.structure import structure_field, structure_ids
from reelm.lm.control.tracks import tracks_field
from reelm.lm.net.config import LMConfig
from reelm.lm.net.embed import embed_control
from reelm.lm.net.transformer import init_params

CONFIG = LMConfig(
    bits=6, text_vocabulary=20, prefix=6, frames=3, width=32, layers=1, heads=2, kv_heads=1, head_width=16, hidden=48,
    keys=("left", "right"), grid=(2, 3),
)  # fmt: skip


@pytest.fixture(scope="module")
def params():
    return random_params(init_params, CONFIG, noise=0.1)


def test_keys_are_told_at_all_codes_of_their_frame(params):
    told = np.array([1.0, 0.0, 1.0])
    asked = np.zeros((1, 2, 1, 1, 3), np.float32)
    asked[0, 1] = told
    one, other = (
        embed_control(CONFIG, params, control, (2, 3), jnp.float32) for control in (asked, np.zeros_like(asked))
    )
    assert one is not None and other is not None and one.shape == (1, 12, 32)
    changed = np.abs(np.asarray(one - other)[0]).max(axis=1) > 1e-4
    assert np.flatnonzero(changed).tolist() == [6, 7, 8, 9, 10, 11]
    places = np.asarray(other)[0].reshape(2, 6, 32)
    np.testing.assert_array_equal(places[0], places[1])  # where a code is does not depend on the keys
    assert len(np.unique(places[0].round(5), axis=0)) == 6


def test_a_track_tells_each_code_the_way_to_its_subject():
    points = np.full((1, 9, 2), np.nan)
    points[0, :5] = np.linspace((0.25, 0.5), (0.75, 0.6), 5)  # not known in the last latent frame
    field = tracks_field(points, subjects=2, stride=4, grid=(4, 8)).reshape(3, 4, 8, 2, 34)
    assert not field[..., 1, :].any() and not field[2].any() and (field[:2, ..., 0, 0] == 1).all()
    weight, across, down, *waves = np.moveaxis(field[1, ..., 0, 1:].reshape(4, 8, 3, 11), -1, 0)
    rows, columns = np.mgrid[:4, :8] + 0.5
    spread = 2.0
    for moment, frame in enumerate((1, 2.5, 4)):
        x, y = 0.25 + 0.5 * frame / 4, 0.5 + 0.1 * frame / 4
        np.testing.assert_allclose(columns + spread * (across / weight)[..., moment], 8 * x, rtol=1e-4)
        np.testing.assert_allclose(rows + spread * (down / weight)[..., moment], 4 * y, rtol=1e-4)
    # Of waves as long as a code and twice as long: the sine across and down, then the cosine.
    for length, sine, cosine in ((1, *waves[0:8:4]), (2, *waves[2:8:4])):
        angle = np.arctan2(sine / weight, cosine / weight) * length / (2 * np.pi)
        np.testing.assert_allclose((spread * across / weight - angle + 1e-3) % length, 1e-3, atol=1e-4)
    assert np.unravel_index(weight[..., 2].argmax(), (4, 8)) == (2, 5)


def test_structure_is_the_code_of_its_place_and_silence_is_none():
    codes = np.arange(12, dtype=np.int32).reshape(2, 2, 3) * 5
    field = structure_field(codes, "edges", ("depth", "edges"), 6)
    ids, there = structure_ids(jnp.asarray(field), 6)
    np.testing.assert_array_equal(ids, codes)
    assert there.all() and (field[..., :2] == (0, 1)).all()
    assert not structure_ids(jnp.zeros_like(field), 6)[1].any()


def test_a_camera_of_words_is_that_of_its_numbers():
    said = camera_path(read_camera("Zoom  In"), 17, 8)
    told = camera_path(read_camera([[0.0, {}], [2.0, {"zoom": 1.21}]]), 17, 8)
    np.testing.assert_allclose(said, told)
    field = camera_field(said, 4)
    assert field.shape == (5, 1, 1, 7) and (field[..., 0] == 1).all()
    np.testing.assert_allclose(field[1:, 0, 0, 5], 4 * np.log2(1.1) * 4 / 8, rtol=1e-5)


def test_a_camera_goes_evenly_from_place_to_place_and_then_stays():
    path = camera_path(read_camera([[0.0, {}], [1.0, {"orbit": 40.0, "rise": 0.2}]]), 17, 8)
    np.testing.assert_allclose(path[4], (20.0, 0.0, 0.1))
    np.testing.assert_allclose(path[8:], np.broadcast_to((40.0, 0.0, 0.2), (9, 3)))


def test_sources_add_up_and_those_that_are_silent_are_zero():
    config = replace(CONFIG, keys=(), grid=(0, 0), tracks=1, structures=("edges",), motion=True)
    assert config.channels == {"tracks": 34, "structure": 7, "motion": 2} and config.control == 43
    field = control_field(config.channels, {"motion": motion_field(1.0, 2)}, 2, (2, 3))
    assert field.shape == (2, 2, 3, 43) and not field[..., :41].any() and (field[..., 41:] == 1).all()
    assert of_source(config.channels, "motion", field).shape == (2, 2, 3, 2)


def test_a_fresh_control_field_changes_nothing():
    config = replace(CONFIG, keys=(), grid=(0, 0), tracks=1, structures=("edges",), camera=True, motion=True)
    # Jitted, the other parameters are not drawn.
    parts = ("control", "structure")
    fresh = jax.jit(lambda key: {name: init_params(config, key)[name] for name in parts})(jax.random.key(0))
    field = np.random.default_rng(0).normal(size=(1, 2, 2, 3, config.control)).astype(np.float32)
    embedded = embed_control(config, fresh, field, (2, 3), jnp.float32)
    assert embedded is not None and embedded.shape == (1, 12, 32) and not np.asarray(embedded).any()
