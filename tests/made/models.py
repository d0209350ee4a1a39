"""Models of random weights, of a few thousand numbers."""

from dataclasses import replace
from typing import get_args

import jax
import numpy as np

from reelm.lm import describer_net
from reelm.lm.describer import Describer
from reelm.lm.describer_config import DescriberConfig
from reelm.lm.language_model import LanguageModel
from reelm.lm.net import transformer
from reelm.lm.net.config import LMConfig
from reelm.lm.specials import HEAD
from reelm.lm.tasks import Task
from reelm.sampling.model import Model
from reelm.sampling.options import Defaults
from reelm.tokenizer.audio import tokenizer as audio
from reelm.tokenizer.audio.config import AudioTokenizerConfig
from reelm.tokenizer.text.pieces import TextTokenizer
from reelm.tokenizer.upscaling import net as upscaler
from reelm.tokenizer.upscaling.config import UpscalerConfig
from reelm.tokenizer.upscaling.upscaler import Upscaler
from reelm.tokenizer.video import tokenizer as video
from reelm.tokenizer.video.config import VideoTokenizerConfig

from .parameters import random_params


def tiny_model(*, sound: bool) -> Model:
    """A model whose codes depend on everything before them, silent or with sound; see `conftest.py`."""
    video_config = VideoTokenizerConfig(
        bits=10, encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1
    )
    text = TextTokenizer.train([f"a {word} moves" for word in ("red", "blue", "seven", "two")] * 5, 300)
    reads = {"sound_levels": 2, "sound_bits": 4, "sound_frames": (5, 20)} if sound else {}
    lm_config = LMConfig(
        bits=10,
        text_vocabulary=text.vocabulary,
        prefix=16,
        frames=4,
        width=32,
        layers=2,
        heads=2,
        kv_heads=1,
        head_width=16,
        hidden=32,
        **reads,
    )
    words, usual = (("blue",), ("red",), ("seven", "7"), ("two",)), (0.2,) * 4
    describer_config = DescriberConfig(words=words, usual=usual, bits=10, width=8, blocks=1, **reads)
    # Above 1 kHz, as every sound, with a hop of 50 samples.
    audio_config = AudioTokenizerConfig(
        sample_rate=2_000, strides=(10, 5), encoder_channels=(8, 8), decoder_channels=(8, 8), levels=2, groups=1, bits=4
    )
    audio_params = random_params(audio.init_params, audio_config, 4, noise=0.2) if sound else {}
    return Model(
        "tiny",
        video.VideoTokenizer(video_config, random_params(video.init_params, video_config, 0, noise=0.2)),
        LanguageModel(lm_config, random_params(transformer.init_params, lm_config, 2, noise=0.2), text, get_args(Task)),
        Defaults(height=16, width=24, num_frames=5),
        audio_tokenizer=audio.AudioTokenizer(audio_config, audio_params) if sound else None,
        describer=Describer(describer_config, random_params(describer_net.init_params, describer_config, 6, noise=0.2)),
    )


def tiny_upscaler() -> Upscaler:
    """An upscaler whose every layer does something."""
    config = UpscalerConfig(width=8, blocks=1)
    return Upscaler(config, random_params(upscaler.init_params, config, 3))


def tiny_world(keys: tuple[str, ...] = ("left", "right")) -> Model:
    """The tiny model with keys, a window of four latent frames and the task of a world."""
    model = tiny_model(sound=False)
    assert model.lm is not None
    config = replace(model.lm.config, keys=keys, grid=(2, 3))
    params = random_params(transformer.init_params, config, 2, noise=0.4)
    lm = LanguageModel(config, params, model.lm.text, ("world",))
    return Model("world", model.video_tokenizer, lm, model.defaults)


def tiny_steered() -> Model:
    """The tiny model with sound, steered by tracks of two subjects, silhouettes, a camera and a motion score."""
    model = tiny_model(sound=True)
    assert model.lm is not None
    config = replace(model.lm.config, tracks=2, structures=("silhouette",), camera=True, motion=True)
    params = random_params(transformer.init_params, config, 2, noise=0.4)
    lm = LanguageModel(config, params, model.lm.text, model.lm.tasks)
    return replace(model, name="steered", lm=lm)


def tiny_wide() -> Model:
    """The tiny model with sound, steered by outlines, whose codes of pictures have 36 bits: two words of a device."""
    model = tiny_model(sound=True)
    assert model.lm is not None
    pictures = replace(model.video_tokenizer.config, bits=36)
    config = replace(model.lm.config, bits=36, picture_kinds=6, structures=("silhouette",))
    params = random_params(transformer.init_params, config, 2, noise=0.2)
    tokenizer = video.VideoTokenizer(pictures, random_params(video.init_params, pictures, 0, noise=0.2))
    lm = LanguageModel(config, params, model.lm.text, model.lm.tasks)
    return Model("wide", tokenizer, lm, model.defaults, audio_tokenizer=model.audio_tokenizer)


def tiny_teller() -> Model:
    """The tiny model with sound, which knows references, and cameras: it tells stories."""
    model = tiny_model(sound=True)
    assert model.lm is not None
    config = replace(model.lm.config, picture_kinds=6, camera=True)
    params = random_params(transformer.init_params, config, 2, noise=0.4)
    tasks = tuple(task for task in get_args(Task) if task != "world")
    return replace(model, name="teller", lm=LanguageModel(config, params, model.lm.text, tasks))


def tiny_director() -> Model:
    """The tiny model with sound, and with all that can steer one: what the page has a field for."""
    model = tiny_model(sound=True)
    assert model.lm is not None
    steered = {"tracks": 2, "structures": ("edges", "silhouette"), "camera": True, "motion": True}
    config = replace(model.lm.config, picture_kinds=6, **steered)
    params = random_params(transformer.init_params, config, 2, noise=0.4)
    tasks = tuple(task for task in get_args(Task) if task != "world")
    lm = LanguageModel(config, params, model.lm.text, tasks)
    return replace(model, name="director", lm=lm, upscaler=tiny_upscaler())


def reader(model, encoder) -> Model:
    """The tiny model with random weights that read an encoder."""
    config = replace(model.lm.config, text_vocabulary=1, text_width=encoder.width, prefix=HEAD + encoder.max_tokens)
    shapes = jax.eval_shape(lambda: transformer.init_params(config, jax.random.key(0)))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: (0.2 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    return replace(model, lm=LanguageModel(config, params, encoder))
