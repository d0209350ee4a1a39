"""What holds for every test: the CPU, no cache of the user's, and no silent broadcasting."""

import atexit
import collections
import importlib.metadata
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

# Before JAX is imported anywhere. JAX_PLATFORMS=cuda in the environment runs the tests on a GPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if os.environ["JAX_PLATFORMS"] == "cpu":
    # Programs run a few times here: LLVM's optimizations would take longer than they save.
    _flags = "--xla_backend_optimization_level=0"
    if importlib.metadata.version("jaxlib").startswith("0.10."):
        # The newer emitters of fusions take twice as long to compile as these. Later versions know no others, and no
        # such flag.
        _flags += " --xla_cpu_use_fusion_emitters=false"
    os.environ.setdefault("XLA_FLAGS", _flags)


def _own_folder(name: str) -> None:
    os.environ[name] = tempfile.mkdtemp(prefix="reelm-tests-")
    atexit.register(shutil.rmtree, os.environ[name], ignore_errors=True)


# What the user keeps there (the whole of MNIST, compiled programs) must not change what a test sees.
_own_folder("REELM_HOME")
if "PYTEST_XDIST_WORKER" not in os.environ:
    # The workers, and the processes that tests start, share what each of them compiles: the library's programs, and
    # those of `jax.jit` that take long enough to be worth a file.
    _own_folder("REELM_PROGRAMS")
    _own_folder("JAX_COMPILATION_CACHE_DIR")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"

# The first example of a jitted function compiles it, so no deadline; the same examples in every run.
hypothesis.settings.register_profile("reelm", deadline=None, derandomize=True, max_examples=15)
hypothesis.settings.load_profile("reelm")

# What judges a model that ships says nothing of the rooms.
_TESTS = Path(__file__).parent
_OF_SHIPPED = ("evaluation/judges", "evaluation/digits", "zoo/")

# Seconds that a test is taken to last, by its mark.
_LASTS = {"long": 60.0, "slow": 8.0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave shipped models to `make test-all`, and begin with the files that take longest.

    A worker that took one of them last would leave the others idle.
    """
    for item in items:
        folder = item.path.parent.relative_to(_TESTS).as_posix()
        if folder.startswith(_OF_SHIPPED) or item.path.name.startswith("test_shipped"):
            item.add_marker(pytest.mark.long)
    lasts = collections.defaultdict[Path, float](float)
    for item in items:
        lasts[item.path] += max((_LASTS[mark.name] for mark in item.iter_markers() if mark.name in _LASTS), default=0.2)
    items.sort(key=lambda item: -lasts[item.path])


# Linux lets a process have 65,530 mappings. Every program that XLA compiles takes about four, and a worker that has run
# the better part of the suite, and keeps them all, is killed by the next one.
_MAPPINGS = Path("/proc/self/maps")
_MOST_MAPPINGS = 20_000
_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def _forget_programs():
    yield
    # To count them takes a hundredth of a second, so not after each test.
    if next(_tests) % 8 == 0 and _MAPPINGS.exists() and _MAPPINGS.read_bytes().count(b"\n") > _MOST_MAPPINGS:
        import jax

        from reelm.programs.program import forget

        jax.clear_caches()
        forget()


@pytest.fixture(scope="session")
def random_tokenizer():
    """Makes a video tokenizer of random weights."""
    from made.parameters import random_params

    from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

    def make(config) -> VideoTokenizer:
        return VideoTokenizer(config, random_params(init_params, config))

    return make


@pytest.fixture(scope="session")
def tiny_model():
    """A model of a few thousand random weights, whose codes depend on everything before them."""
    from made.models import tiny_model

    return tiny_model(sound=False)


@pytest.fixture(scope="session")
def tiny_sound_model():
    """The same with sound: 2 kHz, 5 audio frames beside each video frame at 8 fps, each of two levels of 4 bits."""
    from made.models import tiny_model

    return tiny_model(sound=True)


@pytest.fixture(scope="session")
def efficientnet_tensors():
    """Random tensors of EfficientNet-Lite0; see `references.py`."""
    from made import references

    return references.efficientnet_tensors()


@pytest.fixture(scope="session")
def i3d_tensors():
    """Random tensors of I3D by the names of its port to PyTorch, which keep the size of activations."""
    import numpy as np

    from reelm.evaluation.features import i3d

    # The numbers of `RandomState` are the same in every version of numpy, as outputs that are kept need them.
    rng, made = np.random.RandomState(0), {}
    for name, shape in sorted(i3d.shapes().items()):
        if name.endswith("conv3d.weight"):
            made[name] = rng.normal(size=shape, scale=np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        elif name.endswith(("bn.weight", "running_var")):
            made[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            made[name] = rng.normal(size=shape, scale=0.3).astype(np.float32)
    return made


@pytest.fixture(scope="session")
def sentence_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sentence encoder as TensorFlow.js publishes them: constants one behind another, cut into two shards."""
    import io
    import json
    import tarfile

    import numpy as np

    from reelm.tokenizer.text import convert_sentence_encoder

    width, wide, path = 8, 16, tmp_path_factory.mktemp("sentences") / "archive.tgz"
    rng = np.random.default_rng(1)
    vocabulary = ["�", "<s>", "</s>", "a1", "a2", "a3", "▁a", "▁dog", "▁plane", "dog", ":", "dog", *"▁adeknopst"]
    shapes = {"embedding": (len(vocabulary) + 2, width), "sentence/kernel": (wide, wide), "sentence/bias": (wide,)}
    shapes |= {"layer_0/widen/kernel": (width, wide), "layer_0/widen/bias": (wide,)}
    for layer, inner in (("layer_0", width), ("layer_1", wide)):
        for name, shape in {
            "attention_norm/scale": (inner,),
            "attention_norm/bias": (inner,),
            "attention/qkv/kernel": (1, 1, inner, 3 * inner),
            "attention/qkv/bias": (3 * inner,),
            "attention/out/kernel": (1, 1, inner, wide),
            "attention/out/bias": (wide,),
            "ff_norm/scale": (wide,),
            "ff_norm/bias": (wide,),
            "ff_in/kernel": (wide, 24),
            "ff_in/bias": (24,),
            "ff_out/kernel": (24, wide),
            "ff_out/bias": (wide,),
        }.items():
            shapes[f"{layer}/{name}"] = shape
    names = convert_sentence_encoder.NAMES
    assert shapes.keys() == names.keys()
    specs = [{"name": f"x{names[name]}y", "shape": shape, "dtype": "float32"} for name, shape in shapes.items()]
    specs.insert(3, {"name": "scalar", "shape": [], "dtype": "int32"})
    data = b"".join(rng.normal(size=spec["shape"], scale=0.5).astype(spec["dtype"]).tobytes() for spec in specs)
    shards = {"shard1": data[:1001], "shard2": data[1001:]}
    graph = {"weightsManifest": [{"paths": list(shards), "weights": specs}]}
    scores = [[piece, None if piece == ":" else -float(number)] for number, piece in enumerate(vocabulary)]
    files = {"model.json": json.dumps(graph).encode(), "vocab.json": json.dumps(scores).encode(), **shards}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="session")
def sentences(sentence_archive: Path) -> Path:
    """The folder that it is converted to; embeddings have a width of 16."""
    from reelm.tokenizer.text import convert_sentence_encoder

    return convert_sentence_encoder.convert(sentence_archive, sentence_archive.parent / "encoder")
