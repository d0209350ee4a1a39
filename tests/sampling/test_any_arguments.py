"""Any arguments of Python: a clip, or one line that says what would be right."""

from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made.strategies import one_line
from PIL import Image

from reelm.errors import RequestError
from reelm.media.clip import Clip

SCALARS = [0, 1, -1, 2, None, True, 1.5, float("nan"), float("inf"), 1e300, 2**31, 2**64, -(2**63), 10**400, "3", b"3"]
SCALARS += [
    [],
    [1],
    {},
    (1.0, 2.0),
    1j,
    object(),
    np.uint8(255),
    np.int32(2**31 - 1),
    np.float32(0.5),
    np.array([1, 2]),
]
SCALARS += [np.array([1, 2]), np.array(3), jnp.array(2.0), Fraction(1, 2), np.str_("a")]
TEXTS = ["a red seven", "", "\ud800", "\0", "a " * 5000, ["a"], ["a", 5], [(0, "a"), (0.5, "b")], [(float("nan"), "a")]]
PICTURES = [Image.new("RGB", (24, 16)), Image.new("RGBA", (5, 5)), Image.new("1", (1, 1)), "gone.png", "", b"", 1, []]
SHAPES = ((16, 24, 3), (5, 16, 24, 3), (0, 16, 24, 3), (5, 15, 23, 3), (4000, 1), ())
ARRAYS = [np.zeros(shape, kind) for shape in SHAPES for kind in ("uint8", "float32", "bool", "complex64", "object")]
ARRAYS += [np.full((5, 16, 24, 3), np.nan, np.float32), np.full(4000, np.inf, np.float32)]
FILES = [*PICTURES, *ARRAYS, Clip(video=np.zeros((5, 16, 24, 3), np.uint8), fps=8.0)]
OPTIONS: dict[str, list[Any]] = {
    # A number of frames or pixels that is merely large asks for hours of honest work.
    "num_frames": [1, 5, 9, 0, 4, True, 5.0, float("nan"), "5", np.uint8(5), [], object()],
    "height": [16, 8, 0, 15, 70_000, 2**63, 16.0, "16", np.int16(16), []],
    "width": [24, 0, -8, 23, 2**63, float("nan"), object()],
    "num_samples": [1, 2, 0, True, 2**63, np.uint8(1), "1"],
    "best_of": [1, 2, 0, -1, True, 2**63, "1"],
    **dict.fromkeys(
        ("seed", "temperature", "top_k", "top_p", "min_p", "cfg_scale", "fps", "overlap", "other"), SCALARS
    ),
    **dict.fromkeys(("negative_prompt", "decoding"), TEXTS),
    **dict.fromkeys(("image", "last_image", "video", "mask", "audio"), FILES),
    "keyframes": [*SCALARS, {0: FILES[0]}, {2**40: FILES[0]}, {"a": FILES[0]}, {0: "gone.png"}],
}


@st.composite
def calls(draw: Any) -> tuple[Any, dict[str, Any]]:
    """Draw a prompt and up to three options."""
    names = draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True))
    options = {name: draw(st.sampled_from(OPTIONS[name])) for name in names}
    return draw(st.just("a red seven") | st.sampled_from(TEXTS)), options


@pytest.mark.slow
@given(call=calls())
@example(call=("a red seven", {}))
@settings(max_examples=50)
def test_whatever_is_given_there_is_a_clip_or_a_line(tiny_sound_model, call):
    prompt, options = call
    try:
        clips = tiny_sound_model.generate(prompt, **{"num_frames": 1} | options)
    except RequestError as error:
        one_line(error)
    except TypeError as error:
        assert "other" in options and "other" in str(error)
    else:
        assert isinstance(clips, Clip) or all(isinstance(clip, Clip) for clip in clips)
