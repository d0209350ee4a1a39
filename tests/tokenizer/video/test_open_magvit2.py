"""The nets of Open-MAGVIT2: names and shapes of parameters as the reference has them, and clips that stay whole."""

import hashlib
import json
from functools import partial
from typing import Any, cast

import jax
import numpy as np
import pytest
from made.published import open_magvit2_reference as reference

from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.lm.sharding import of_state
from reelm.sampling.parts import ModelParts
from reelm.storage.tensors import flattened
from reelm.tokenizer import device_memory
from reelm.tokenizer.families import parsed_config
from reelm.tokenizer.published.open_magvit2_config import OpenMagvit2Config
from reelm.tokenizer.video import stream
from reelm.tokenizer.video.tokenizer import ChunkState, VideoTokenizer, init_params
from reelm.train.conversion.open_magvit2 import wanted

WHOLE = VideoTokenizer(OpenMagvit2Config(), {})


def test_parameters_are_those_of_the_reference():
    """Names and shapes of the reference's nets were hashed by `made/published/open_magvit2_reference.py --sizes`."""
    described = flattened(jax.eval_shape(partial(init_params, OpenMagvit2Config()), jax.random.key(0)))
    named = wanted({path: leaf.shape for path, leaf in described.items()})
    shapes = sorted([each.name, list(each.shape)] for each in named.values())
    count, digest = reference.REAL
    assert sum(leaf.size for leaf in described.values()) == count
    assert hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16] == digest


def test_every_parameter_has_a_place_on_a_mesh():
    config = OpenMagvit2Config(channels=(32, 32), blocks=1, halves=())
    of_state(jax.eval_shape(partial(init_params, config), jax.random.key(0)), MeshSpec().build())


def test_strides_and_codes_follow_from_the_sizes():
    config = OpenMagvit2Config()
    assert (config.time_stride, config.space_stride, config.bits) == (4, 8, 18)
    assert config.latent_shape(17, 256, 256) == (5, 32, 32)
    for estimate in (config.encode_bytes, config.decode_bytes):
        assert estimate(1, 17, 256, 256) > estimate(1, 1, 256, 256) > estimate(1, 1, 128, 256)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channels": (32, 48)}, "multiples of 32.*not 48"),
        ({"halves": (1, 1)}, "stages from 0 to 2, each once"),
        ({"halves": (3,)}, "stages from 0 to 2, each once"),
        ({"bits": 61}, "61 bits"),
    ],
)
def test_sizes_that_make_no_net_are_refused(fields, words):
    with pytest.raises(RequestError, match=words):
        OpenMagvit2Config(**fields)


def test_a_folder_names_the_family():
    config = parsed_config({"family": "open-magvit2", "channels": [32, 32], "halves": [0]}, "it")
    assert isinstance(config, OpenMagvit2Config) and config.time_stride == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda: WHOLE.encode(np.zeros((1, 64, 64, 3), np.uint8), tile=32, overlap=8),
        lambda: WHOLE.decode(np.zeros((1, 8, 8), np.int32), tile=32, overlap=8),
        lambda: WHOLE.reconstruct(np.zeros((1, 64, 64, 3), np.uint8), tile=32, overlap=8),
        lambda: [*stream.encode_stream(WHOLE, [np.zeros((64, 64, 3), np.uint8)], tile=32, overlap=8)],
        lambda: [*stream.decode_stream(WHOLE, [np.zeros((8, 8), np.int32)], tile=32, overlap=8)],
        lambda: WHOLE.init_encode_state(height=64, width=64),
        lambda: WHOLE.init_decode_state(height=64, width=64),
        lambda: WHOLE.encode_chunk(np.zeros((1, 64, 64, 3), np.uint8), ChunkState(shape=(1, 64, 64))),
        lambda: WHOLE.decode_chunk(np.zeros((1, 1, 8, 8), np.int32), ChunkState(shape=(1, 8, 8))),
        lambda: WHOLE.prepare_decoding(height=64, width=64),
        lambda: ModelParts("it", WHOLE, lm=cast(Any, object())),
    ],
)
def test_parts_of_a_clip_are_refused(ask):
    with pytest.raises(RequestError, match="takes whole clips alone, no (tiles|chunks|latent frames)") as refused:
        ask()
    assert "\n" not in str(refused.value)


def test_a_film_that_memory_does_not_hold_is_refused_before_it_is_read(monkeypatch):
    """What fits is named as shorter clips: there are neither chunks nor tiles."""
    config, read = WHOLE.config, []
    monkeypatch.setattr(device_memory, "free_bytes", lambda: config.encode_bytes(1, 9, 64, 64))

    def film():
        for number in range(1000):
            read.append(number)
            yield np.zeros((64, 64, 3), np.uint8)

    with pytest.raises(RequestError, match="what fits: clips of 9 frames, smaller frames$"):
        next(stream.encode_stream(WHOLE, film()))
    assert len(read) == 10


def test_a_stream_of_nothing_is_nothing():
    assert [*stream.encode_stream(WHOLE, [])] == [*stream.decode_stream(WHOLE, [])] == []
