"""Values that a person, a program or a stranger may give, for hypothesis to choose from.

Everything is text: a word of a command line, or a Python expression over what `names` returns. So whatever goes wrong
can be printed and typed again. Early values are the simple ones; a finding is shrunk towards them.
"""

from typing import Any

from hypothesis import strategies as st

WORDS = st.sampled_from(
    ["a", "", " ", "0", "-", "--", "nan", "None", "a\nb", "a\tb", "\x1b[31mred", "٣", "🎬", "-o", "../..", "a" * 300]
) | st.text(max_size=12).filter(lambda text: "\0" not in text)

WHOLE = st.sampled_from(
    [*("1", "0", "-1", "2", "7", "8", "1.5", "nan", "inf", "", "1e3", "0x10", "1_0", "٣", "a", "True", "None", "-0")]
    + [str(number) for number in (2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30)]
    + ["9" * 5000]
)
REAL = WHOLE | st.sampled_from(["0.5", "1e-300", "1e308", "1e309", "-inf", "-0.0", "1/2", "0,5", ".5", "5."])

PATHS = st.sampled_from(
    [
        *("gone.mp4", "", ".", "..", "/", "films", "tiny", "clip.mp4", "picture.png", "sound.wav", "tokens.npz"),
        *("tokens", "sets", "sets/films", "prompts.txt", "keys.txt", "picture.avif", "clip.mkv", "/dev/null"),
        *("/dev/full", "/proc/self", "a" * 300, "a/" * 2000 + "b", "\x1b[31m.mp4", "-", "--help", "clip.mp4/x.mp4"),
        *("~", "gs:/", "memory://a", "zip://x", "file:///etc/hostname", "new\nline.mp4", "a@b/c@d", "owner/name"),
        *("tiny/model.json", "new/folder/x.mp4"),
    ]
)

# Python expressions.

_SHAPES = st.sampled_from(
    ["(5, 16, 24, 3)", "(1, 5, 16, 24, 3)", "(16, 24, 3)", "(16, 24)", "(5, 16, 24)", "(2, 2, 3)", "(3,)", "()"]
    + ["(0,)", "(0, 16, 24, 3)", "(5, 0, 24, 3)", "(5, 15, 23, 3)", "(5, 16, 24, 4)", "(40, 2)", "(4000, 1)", "(1, 1)"]
)
_TYPES = st.sampled_from("uint8 float32 bool int32 int64 uint32 float16 float64 complex64 object str V8".split())
_FILLS = st.sampled_from("0 1 0.5 -1 255 2 1e9 nan inf -inf 4000000000".split())
_FORMS = st.sampled_from(["{}", "jnp.asarray({})", "{}.tolist()", "np.asfortranarray({})", "{}[::-1]"])


@st.composite
def _arrays(draw: Any) -> str:
    made = f"np.full({draw(_SHAPES)}, {draw(_FILLS)}).astype({draw(_TYPES)!r})"
    return draw(_FORMS).format(made)


ARRAYS = _arrays()
PICTURES = ARRAYS | st.sampled_from(
    ["'picture.png'", "Path('picture.png')", "Image.open('picture.png')", "'clip.mp4'", "'gone.png'", "b''", "1", "[]"]
    + ["Clip.open('clip.mp4')", "Image.new('RGBA', (5, 5))", "Image.new('1', (1, 1))", "open('picture.png', 'rb')"]
)
VIDEOS = PICTURES | st.sampled_from(
    ["Clip.open('clip.mkv')", "np.zeros((5, 16, 24, 3), np.uint8)", "iter(())", "[Image.new('RGB', (24, 16))] * 5"]
)
SOUNDS = ARRAYS | st.sampled_from(
    ["'sound.wav'", "np.zeros(4000, np.float32)", "'clip.mp4'", "Clip.open('clip.mp4')", "Clip.open('clip.mkv')"]
)
_NUMPY = ("uint8", "int16", "int32", "uint32", "int64", "float32")
INTEGERS = st.sampled_from(
    ["1", "0", "-1", "2", "5", "None", "True", "1.0", "1.5", "nan", "inf", "'3'", "b'3'", "[]", "[1]", "{}", "(1,)"]
    + [f"np.{kind}({value})" for kind in _NUMPY for value in (0, 1, 100)]
    + ["np.array(3)", "np.array([1])", "np.array([1, 2])", "jnp.array(3)", "np.uint8(255)", "np.int32(2**31 - 1)"]
    + ["1j", "2**31", "2**32 - 1", "2**32", "2**63", "2**64", "-2**63", "10**400", "Fraction(1, 2)", "Decimal('NaN')"]
)
REALS = INTEGERS | st.floats().map(lambda value: repr(value) if value == value else "nan")
TEXTS = st.sampled_from(
    ["'a red seven'", "''", "None", "'\\ud800'", "'\\0'", "b'a'", "5", "nan", "['a', 'b']", "[]", "['']", "('a', 'b')"]
    + ["{'a'}", "[(0, 'a'), (0.5, 'b')]", "[(0, 'a'), (0, 'b')]", "[(nan, 'a')]", "[(1, 'a')]", "[(0, 5)]", "[(0,)]"]
    + ["[('0', 'a')]", "[(0, 'a'), (1e308, 'b')]", "'a ' * 5000", "np.array(['a'])", "np.str_('a')", "['a', 5]"]
    + ["['a', None]", "iter('a')", "object()"]
) | st.text(max_size=10).map(repr)


def names() -> dict[str, Any]:
    """Return what the expressions are made of."""
    from decimal import Decimal
    from fractions import Fraction
    from math import inf, nan
    from pathlib import Path

    import jax.numpy as jnp
    import numpy as np
    from PIL import Image

    import reelm
    from reelm import Clip

    made: tuple[Any, ...] = (Decimal, Fraction, Path, Image, Clip)
    named = {each.__name__.rpartition(".")[2]: each for each in made}
    return {**named, "inf": inf, "nan": nan, "jnp": jnp, "np": np, "reelm": reelm}
