"""Tests of the nets of VidTok at their published sizes: names and shapes of parameters equal the reference."""

import hashlib
import json
from functools import partial

import jax
import pytest
from made import vidtok_reference as reference

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.lm.sharding import of_state
from reelm.storage.tensors import flattened
from reelm.tokenizer.families import parsed_config
from reelm.tokenizer.video.tokenizer import init_params
from reelm.tokenizer.vidtok.config import VidTokConfig
from reelm.train.conversion.vidtok import wanted

COARSE = VidTokConfig(channels=(128, 256, 512, 512, 512), encoder_halves=(2, 3))
SIZES = {
    "488-18": VidTokConfig(),
    "488-15": VidTokConfig(fsq_levels=(8,) * 5),
    "488-12": VidTokConfig(fsq_levels=(8,) * 4),
    "41616-18": COARSE,
}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_those_of_the_reference(name):
    """Names and shapes of the reference's nets were hashed by `made/vidtok_reference.py --sizes`."""
    described = flattened(jax.eval_shape(partial(init_params, SIZES[name]), jax.random.key(0)))
    named = [wanted(path, leaf.shape) for path, leaf in described.items()]
    shapes = sorted([each.name, list(each.shape)] for each in named)
    count, digest = reference.REAL[name]
    assert sum(leaf.size for leaf in described.values()) == count
    assert hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16] == digest


def test_every_parameter_has_a_place_on_a_mesh():
    config = VidTokConfig(channels=(4, 8, 4, 4))
    of_state(jax.eval_shape(partial(init_params, config), jax.random.key(0)), MeshSpec().build())


def test_strides_and_codes_follow_from_the_sizes():
    assert (COARSE.time_stride, COARSE.space_stride, COARSE.bits) == (4, 16, 18)
    assert VidTokConfig().latent_shape(17, 256, 256) == (5, 32, 32)
    assert VidTokConfig().encode_bytes(1, 17, 256, 256) > VidTokConfig().encode_bytes(1, 1, 256, 256)
    assert VidTokConfig().decode_bytes(1, 17, 256, 256) > VidTokConfig().decode_bytes(1, 1, 256, 256)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fsq_levels": (8, 5)}, "cannot have 5 levels"),
        ({"encoder_halves": (1, 1)}, "distinct stages from 0 to 2"),
        ({"decoder_doubles": (0, 1)}, "distinct stages from 1 to 3"),
        ({"encoder_halves": (1,)}, "halves time 1 times, the decoder doubles it 2 times"),
    ],
)
def test_sizes_that_make_no_net_are_refused(fields, words):
    with pytest.raises(RequestError, match=words):
        VidTokConfig(**fields)


def test_a_folder_names_the_family():
    assert parsed_config(
        {"family": "vidtok", "channels": [8, 8]} | {"encoder_halves": [0], "decoder_doubles": [1]}, "it"
    )
    with pytest.raises(RequestError, match="'family' of 'magvit'"):
        parsed_config({"family": "magvit"}, "it")
