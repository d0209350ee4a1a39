"""Calls of the Python interface, written as code."""

from typing import Any

from hypothesis import strategies as st

from .judge import Judge
from .values import ARRAYS, INTEGERS, PICTURES, REALS, SOUNDS, TEXTS, VIDEOS, names

_FRAMES = st.sampled_from("5 1 9 None 0 -1 2**31 2**63 nan 5.0 True '5' np.uint8(5) np.float32(5) [] object()".split())
_SIDE = st.sampled_from("16 24 8 None 0 -8 15 70000 2**63 nan 16.0 '16' np.int16(16) [] object()".split())
_RATE = st.sampled_from("8 8.0 4 None 0 -1 nan inf 1e-300 1e300 1001 '8' np.float32(8) [] Fraction(8)".split())
_SAMPLES = st.sampled_from("1 2 0 -1 True 100001 2**63 np.uint8(1) nan '1' None".split())
_OVERLAPS = st.sampled_from("1 0.5 0 -1 nan inf 3601 None 'a' np.float32(1)".split())
_BLOCKS = st.sampled_from("1 2 0 -1 nan 1.5 5000 2**63 '2' None True np.int8(2)".split())
_SCALES = REALS | st.sampled_from(
    ["[1.0, 2.0]", "[]", "np.array([1., 2.])", "[nan]", "['2']", "(1, 2)", "jnp.array(2.)", "{1}"]
)
_KEYFRAMES = INTEGERS | (
    PICTURES.map(lambda each: f"{{0: {each}}}") | INTEGERS.map(lambda each: f"{{{each}: 'picture.png'}}")
)
_INFOS = st.sampled_from(["{}", "{'a': nan}", "[]", "5", "{5: 6}", "{'a': object()}"])
_OUTPUTS = st.sampled_from(
    ["'a.mp4'", "'a.gif'", "'a.webp'", "'a.png'", "'a'", "''", "5", "None", "b'a.mp4'", "'/dev/full'"]
)
_MODELS = st.sampled_from(
    ["'tiny'", "Path('tiny')", "'gone'", "''", "5", "b'tiny'", "'a' * 5000", "'\\0'", "'..'", "None"]
)
_FOLDERS = st.sampled_from(["'new'", "'clip.mp4'", "''", "'/proc/x'", "5", "None", "'a' * 300", "'\\0'"])
_DTYPES = TEXTS | st.sampled_from(["'int8'", "'bfloat16'", "'float32'", "np.float32"])
_MESHES = TEXTS | st.sampled_from(["'data=1'", "'tensor=2'", "5"])
_OPTIONS: dict[str, Any] = {
    "num_frames": _FRAMES,
    "height": _SIDE,
    "width": _SIDE,
    "fps": _RATE,
    "num_samples": _SAMPLES,
    "best_of": _SAMPLES,
    "seed": INTEGERS,
    "temperature": REALS,
    "top_k": INTEGERS,
    "top_p": REALS,
    "min_p": REALS,
    "cfg_scale": _SCALES,
    "negative_prompt": TEXTS,
    "overlap": _OVERLAPS,
    "decoding": TEXTS | st.sampled_from(["'auto'", "'parallel'", "'sequential'"]),
    "image": PICTURES,
    "last_image": PICTURES,
    "keyframes": _KEYFRAMES,
    "video": VIDEOS,
    "mask": PICTURES,
    "audio": SOUNDS,
    "guidance_scale": INTEGERS,
}
_CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "model.generate": ([TEXTS], _OPTIONS),
    "model.stream": ([TEXTS], {**_OPTIONS, "callback": INTEGERS}),
    "model.describe": ([VIDEOS], {"audio": SOUNDS}),
    "model.score": ([VIDEOS | st.just("clip"), TEXTS], {}),
    "model.read_as": ([TEXTS], {}),
    "model.save": ([_FOLDERS], {"dtype": _DTYPES}),
    "model.video_tokenizer.encode": ([VIDEOS], {}),
    "model.video_tokenizer.decode": ([ARRAYS | st.just("ids")], {}),
    "model.video_tokenizer.reconstruct": ([VIDEOS], {"tile": INTEGERS, "overlap": INTEGERS}),
    "model.video_tokenizer.init_decode_state": ([], {"batch": _SAMPLES, "height": _SIDE, "width": _SIDE}),
    "model.video_tokenizer.init_encode_state": ([], {"batch": _SAMPLES, "height": _SIDE, "width": _SIDE}),
    "model.audio_tokenizer.encode": ([SOUNDS, INTEGERS], {}),
    "model.audio_tokenizer.decode": ([ARRAYS], {}),
    "Clip": ([ARRAYS, REALS], {"audio": ARRAYS, "sample_rate": INTEGERS, "info": _INFOS}),
    "Clip.open": ([PICTURES], {"budget_bytes": INTEGERS}),
    "clip.save": ([_OUTPUTS], {"crf": REALS, "scale": _BLOCKS}),
    "reelm.load": ([_MODELS], {"dtype": _DTYPES, "mesh": _MESHES, "text_encoder": PICTURES}),
}


@st.composite
def calls(draw: Any) -> tuple[str, str]:
    """Draw a call with good or wrong arguments: what is called, and the arguments as code."""
    name = draw(st.sampled_from(list(_CALLS)))
    positional, keywords = _CALLS[name]
    # One argument may be left out, and many names go together in the few ways that matter.
    arguments = [draw(each) for each in positional[: draw(st.integers(max(0, len(positional) - 1), len(positional)))]]
    chosen = draw(st.lists(st.sampled_from(sorted(keywords)), max_size=3, unique=True)) if keywords else []
    arguments += [f"{keyword}={draw(keywords[keyword])}" for keyword in chosen]
    return name, ", ".join(arguments)


class Caller:
    """Evaluates calls beside a loaded model."""

    def __init__(self, judge: Judge):
        import reelm

        self._judge, self._names = judge, names()
        model = reelm.load("tiny")
        clip = model.generate("a red seven", num_frames=5)
        self._names |= {"model": model, "clip": clip, "ids": clip.tokens["video"]}

    def attempt(self, call: tuple[str, str]) -> None:
        """Evaluate a call; Fault."""
        name, arguments = call
        try:
            collected = eval(f"collect({arguments})", {**self._names, "collect": lambda *a, **k: (a, k)})
        except Exception:  # an argument is none: unhashable keys, casts that NumPy refuses
            return
        function = eval(name, self._names)

        def run() -> Any:
            result = function(*collected[0], **collected[1])
            return next(result) if name == "model.stream" else result

        self._judge.check(f"{name}({arguments})", run)
