"""A converted tokenizer from end to end: its decoder is tuned, and a language model of its codes makes a clip."""

import jax
import numpy as np
import pytest
from made import vidtok_reference as reference

import reelm
from reelm.data.tokens.config import Bucket, Stage
from reelm.errors import RequestError
from reelm.lm.net.config import LMConfig
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.train.conversion.convert import convert
from reelm.train.export import ExportPlan, export
from reelm.train.lm.config import LMRun
from reelm.train.parts import open_video_tokenizer
from reelm.train.run.config import LoopConfig
from reelm.train.tokenizers.video_config import ClipData, VideoTokenizerRun

pytestmark = pytest.mark.slow

LOOP = LoopConfig(steps=2, log_every=1, sample_every=0, save_every=2)
VIDEO = np.random.default_rng(0).integers(0, 256, (4, 5, 16, 16, 3)).astype(np.uint8)
WORDS = [f"a {word} square" for word in ("red", "green", "blue", "grey")]


@pytest.mark.long
def test_the_decoder_is_tuned_and_a_language_model_makes_a_clip(tmp_path):
    there = convert(reference.CHECKPOINT, tmp_path / "tiny").video_tokenizer
    run = VideoTokenizerRun(
        model=there.config,
        data=ClipData(frames=5, source_frames=5, crop=16),
        batch_size=2,
        start_from=tmp_path / "tiny",
        freeze_encoder=True,
        loop=LOOP,
    )
    reelm.train(run, tmp_path / "decoder", data=VIDEO)
    tuned = open_video_tokenizer(tmp_path / "decoder")
    assert tuned.hash == there.hash
    jax.tree.map(np.testing.assert_array_equal, tuned.params["encoder"], there.params["encoder"])
    assert np.abs(tuned.params["decoder"]["conv_out"]["bias"] - there.params["decoder"]["conv_out"]["bias"]).max() > 0

    lm = LMRun(
        model=LMConfig(bits=18, frames=2, width=16, layers=1, heads=2, kv_heads=1, head_width=8, hidden=16),
        stages=(Stage(buckets=(Bucket(frames=2, batch_size=4),)),),
        video_tokenizer=tmp_path / "tiny",
        loop=LOOP,
    )
    reelm.train(lm, tmp_path / "lm", data=VIDEO, captions=WORDS)
    plan = ExportPlan(video_tokenizer=tmp_path / "decoder", lm=(tmp_path / "lm",), num_frames=5)
    export(plan, tmp_path / "model")
    model = reelm.load(str(tmp_path / "model"))
    assert "microsoft/VidTok" in (tmp_path / "model" / "README.md").read_text()
    clip = model.generate("a red square", num_frames=5, seed=1)
    assert clip.video.shape == (5, 16, 16, 3) and clip.tokens["video"].shape == (2, 2, 2)


def test_other_sizes_and_inflating_are_refused(tmp_path):
    there = convert(reference.CHECKPOINT, tmp_path / "tiny").video_tokenizer
    run = VideoTokenizerRun(
        model=VideoTokenizerConfig(), data=ClipData(frames=5, source_frames=5, crop=16), start_from=tmp_path / "tiny"
    )
    with pytest.raises(RequestError, match="a video tokenizer of other sizes"):
        reelm.train(run, tmp_path / "run", data=VIDEO)
    with pytest.raises(RequestError, match="inflate is only for reelm's own tokenizers, not for vidtok"):
        VideoTokenizerRun(model=there.config, inflate=True)
