"""Codes of more than 30 bits, two words on a device and int64 on the host: all that a model does with them."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from made.models import tiny_wide
from made.parameters import random_params

import reelm
from reelm.data.arrays import ArrayClips
from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.read import open_tokens
from reelm.data.tokens.tokenize import tokenize
from reelm.errors import RequestError
from reelm.lm import describer_net
from reelm.lm.describer import Describer
from reelm.lm.describer_config import DescriberConfig
from reelm.sampling.model import Model
from reelm.train.lm.config import LMRun
from reelm.train.run.config import LoopConfig

pytestmark = pytest.mark.slow  # several programs are compiled


@pytest.fixture(scope="module")
def wide() -> Model:
    return tiny_wide()


@pytest.fixture(scope="module")
def made(wide) -> reelm.Clip:
    clip = wide.generate("a red seven moves", num_frames=21, overlap=0.5)
    assert isinstance(clip, reelm.Clip) and clip.tokens is not None
    return clip


def test_a_clip_is_that_of_its_codes(wide, made):
    ids = made.tokens["video"]
    assert ids.dtype == np.int64 and ids.shape == (6, 2, 3) and ids.max() >= 1 << 30  # two windows
    np.testing.assert_array_equal(wide.video_tokenizer.decode(ids)[0], made.video)
    first = wide.generate("a red seven moves", num_frames=13)
    assert np.isfinite(wide.score(first, "a red seven moves")).all()


@pytest.mark.long
def test_one_by_one_decoding_draws_the_same(wide, made):
    one_by_one = {"num_frames": 21, "overlap": 0.5, "decoding": "sequential"}
    drawn = wide.generate("a red seven moves", **one_by_one).tokens["video"]
    np.testing.assert_array_equal(drawn, made.tokens["video"])


@pytest.mark.long
def test_what_is_given_stays(wide, made):
    ids = made.tokens["video"]
    longer = wide.generate("a two", video=made, num_frames=25)
    np.testing.assert_array_equal(longer.tokens["video"][:6], ids)
    image = made.video[0]
    for given in ({"image": image}, {"keyframes": {4: image}}, {"control": made, "control_kind": "silhouette"}):
        clip = wide.generate("a two", num_frames=9, **given)
        np.testing.assert_array_equal(wide.video_tokenizer.decode(clip.tokens["video"])[0], clip.video)
    mask = np.zeros((16, 24), bool)
    mask[:8, :8] = True
    filled = wide.generate("a two", video=made.video[:9], mask=mask)
    np.testing.assert_array_equal(filled.video[:, 8:], made.video[:9, 8:])
    anew = wide.generate("a two", video=made, retake=(1.0, 1.5), temperature=3.0)
    assert not np.array_equal(anew.video, made.video)
    np.testing.assert_array_equal(anew.tokens["video"][[0, 1, 5]], ids[[0, 1, 5]])


@pytest.mark.long
def test_a_language_model_trains_on_them(wide, tmp_path):
    wide.save(tmp_path / "parts")
    clips = ArrayClips(np.random.default_rng(0).integers(0, 256, (6, 9, 16, 24, 3), np.uint8), ["a two"] * 6, fps=8.0)
    tokenizer = wide.video_tokenizer
    tokenize(clips, tokenizer, tmp_path / "tokens")
    sample = open_tokens(tmp_path / "tokens")[1]
    np.testing.assert_array_equal(sample["video"], tokenizer.encode(clips[1]["video"])[0])
    with pytest.raises(RequestError, match="but 30 bits are read here"):
        open_tokens(tmp_path / "tokens", bits=30)[1]
    config = replace(wide.lm.config, structures=(), sound_levels=0, sound_frames=(0, 0), frames=3, prefix=24)
    buckets = tuple(
        Bucket(frames=2, batch_size=2, task=task) for task in ("t2v", "continuation", "keyframes", "retake")
    )
    run = LMRun(
        model=config,
        tokens=(tmp_path / "tokens",),
        video_tokenizer=tmp_path / "parts",
        stages=(Stage(buckets=buckets, weights=(0.25,) * 4),),
        noise_augmentation=0.5,
        loop=LoopConfig(steps=4, save_every=4, sample_every=0),
    )
    params = reelm.train(run, tmp_path / "lm").params
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_a_describer_reads_both_words(made):
    config = DescriberConfig(words=(("red",), ("seven",)), usual=(0.5, 0.5), bits=36, width=8, blocks=1)
    params = random_params(describer_net.init_params, config, 0, noise=0.3)
    reads = Describer(config, params)
    ids = made.tokens["video"]
    said = reads(ids, None)
    for bit in (0, 29, 30, 35):
        assert reads(ids ^ (1 << bit), None) != said
