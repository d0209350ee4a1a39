"""Parallel decoding: the codes of decoding one by one, in fewer forwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reelm.lm.layout import Layout
from reelm.lm.prompts import prompt_prefix
from reelm.sampling.decoding.choose import SamplingParams
from reelm.sampling.decoding.prefill import Prefill
from reelm.sampling.decoding.program import FrameProgram, span_for

PROMPTS = ["a red seven moves", "blue", "two"]
WIDEST = 40  # window; past the end of the clip


@pytest.fixture(scope="module")
def decode(tiny_model):
    """`(window, temperature, cfg_scale) -> (ids [B, t, h, w], forwards [B])` for three clips of three latent frames.

    spans: latent frames attended to in each; None: as many as there are.
    """
    lm = tiny_model.language_model()
    layout = Layout(lm.config.prefix, 3, 2, 3)

    def run(window: int, temperature=1.0, cfg_scale=1.0, params=lm.decoding_params, spans=(None,) * 3):
        guided = cfg_scale != 1
        prompts = [*PROMPTS, *[""] * (3 if guided else 0)]
        words = prompt_prefix(lm.config, lm.text, prompts, rows=2, columns=3, fps=8.0)
        keys = jax.vmap(jax.random.key)(jnp.arange(len(PROMPTS), dtype=jnp.uint32))
        sampling = SamplingParams.of(len(PROMPTS), temperature=temperature, cfg_scale=[cfg_scale])
        prefill = Prefill(lm.config, layout, layout.slots, WIDEST, guided, jnp.float32)
        state = prefill.start(params, words, 0, keys, None)
        frames, total = [], 0
        for span in spans:
            program = FrameProgram(lm.config, layout, span, "video", window)
            sizes = np.full(len(PROMPTS), layout.per_picture, np.int32)
            ids, forwards, state = program.draw(params, state, sizes, sampling)
            frames.append(ids)
            total += np.asarray(forwards)
        assert (state.position == layout.codes).all()
        return np.stack(frames, axis=1), total

    return run


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
@pytest.mark.parametrize(("cfg_scale", "window"), [(1.0, WIDEST), (3.0, 5)])  # past the end of a frame, and inside it
def test_the_codes_are_those_of_decoding_one_by_one(decode, temperature, cfg_scale, window):
    expected, forwards = decode(1, temperature, cfg_scale)
    assert (forwards == expected[0].size).all()
    assert len({clip.tobytes() for clip in expected}) == len(PROMPTS)
    ids, forwards = decode(window, temperature, cfg_scale)
    np.testing.assert_array_equal(ids, expected)
    assert (forwards <= expected[0].size).all()


@pytest.mark.slow
def test_codes_that_repeat_the_frame_before_cost_one_forward_a_frame(decode, tiny_model):
    # With every parameter at zero all values are equally likely, and greedy decoding always takes the first.
    same = jax.tree.map(np.zeros_like, tiny_model.language_model().decoding_params)
    ids, forwards = decode(WIDEST, 0.0, params=same)
    assert (ids == 0).all()
    assert (forwards == 1 + ids.shape[1]).all()  # for the first code of a clip nothing is guessed
    assert (decode(5, 0.0, params=same)[1] == 2 * ids.shape[1]).all()


@pytest.mark.parametrize(("backend", "spans"), [("cpu", [None] * 9), ("gpu", [1, 2, 4, 4, 8, 8, 8, 8, 9])])
def test_accelerators_attend_to_little_more_than_there_is(monkeypatch, backend, spans):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert [span_for(i, 9) for i in range(9)] == spans


@pytest.mark.slow
def test_attending_no_further_than_the_frame_itself_changes_no_code(decode):
    np.testing.assert_array_equal(decode(1, 5.0, spans=(1, 2, None))[0], decode(1, 5.0)[0])


@pytest.mark.slow
def test_generate_gives_the_same_clip_either_way(tiny_model):
    clips = [
        tiny_model.generate("red", num_frames=9, seed=4, decoding=how) for how in ("sequential", "parallel", "auto")
    ]
    for clip in clips[1:]:
        np.testing.assert_array_equal(clip.tokens["video"], clips[0].tokens["video"])
    assert clips[0].info["forwards"] == clips[0].tokens["video"].size
    assert clips[1].info["forwards"] <= clips[0].info["forwards"]
    with pytest.raises(ValueError, match="decoding is 'fast'; choose"):
        tiny_model.generate("red", decoding="fast")
