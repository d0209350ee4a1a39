"""Tokenizers that others trained: the codes and pixels of VidTok's own code, streams, and files that are refused."""

import io
import pickle
import shutil
import sys
import types
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from made import vidtok_reference as reference
from safetensors.numpy import save_file

import reelm
from reelm.errors import RequestError
from reelm.storage.foreign.torch_checkpoint import opened
from reelm.storage.foreign.torch_file import read_tensors
from reelm.tokenizer.codes import ids_to_signs
from reelm.tokenizer.video.net import VideoNet
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.conversion.convert import convert


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(reference.EXPECTED))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("convert") / "tiny"
    convert(reference.CHECKPOINT, output)
    return output


@pytest.fixture(scope="module")
def tokenizer(folder) -> VideoTokenizer:
    return reelm.load(str(folder)).video_tokenizer


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    with opened(reference.CHECKPOINT) as file:
        return {name: file.read(name) for name in file.shapes}


def test_codes_are_those_of_the_reference(tokenizer, expected):
    """No latent of the clip lies within 1e-4 of a boundary, so every code is the same."""
    from_boundary = np.abs(expected["bounded"] - np.floor(expected["bounded"]) - 0.5)
    assert from_boundary.min() > 1e-4
    np.testing.assert_array_equal(tokenizer.encode(reference.video()), expected["ids"])


@pytest.mark.long
def test_pixels_are_those_of_the_reference(tokenizer, expected):
    codes = ids_to_signs(jnp.asarray(expected["ids"]), tokenizer.config.bits)
    pixels = VideoNet(tokenizer.config).apply({"params": tokenizer.params}, codes, method="decode")
    np.testing.assert_allclose(reference.some(np.asarray(pixels)), expected["pixels"], atol=2e-4)


@pytest.mark.long
@pytest.mark.parametrize("cuts", [(1, 5), (5, 13)])
def test_any_cut_in_time_gives_the_same_codes_and_frames(tokenizer, expected, cuts):
    video, stored, pieces = reference.video(), [], []
    state = tokenizer.init_encode_state(height=32, width=40)
    for chunk in np.split(video, cuts, axis=1):
        ids, state = tokenizer.encode_chunk(chunk, state)
        stored.append(ids)
    np.testing.assert_array_equal(np.concatenate(stored, 1), expected["ids"])
    state = tokenizer.init_decode_state(height=32, width=40)
    for chunk in np.split(expected["ids"], [(cut - 1) // 4 + 1 for cut in cuts], axis=1):
        frames, state = tokenizer.decode_chunk(chunk, state)
        pieces.append(frames)
    whole = tokenizer.decode(expected["ids"]).astype(int)
    # A number that lies between two whole ones may be rounded to either.
    assert np.abs(np.concatenate(pieces, 1) - whole).max() <= 1


def test_the_folder_says_where_it_is_from(folder):
    card = (folder / "README.md").read_text()
    assert "microsoft/VidTok" in card and "MIT" in card
    about = reelm.load(str(folder)).info()["video tokenizer"]
    assert about["bits"] == 18 and about["streaming"] == "exact in time" and "differ" in about["tiles"]


def test_weights_in_safetensors_are_the_same(tmp_path, tensors, tokenizer):
    save_file(tensors, tmp_path / "tiny.safetensors")
    assert convert(tmp_path / "tiny.safetensors", tmp_path / "out").video_tokenizer.hash == tokenizer.hash


@pytest.fixture
def saved(monkeypatch, tmp_path):
    """Return what writes a file as `torch.save` does, of dicts with arrays as tensors."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    storage = type("FloatStorage", (), {"__module__": "torch"})

    def rebuild(*_): ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch.__dict__["FloatStorage"], utils.__dict__["_rebuild_tensor_v2"] = storage, rebuild
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(content: dict, order: str = "<", said: bytes | None = None) -> Path:
        arrays: list[np.ndarray] = []

        class Place:
            def __init__(self, array: np.ndarray):
                self.key = str(len(arrays))
                arrays.append(array)

        class Pickler(pickle.Pickler):
            def persistent_id(self, obj):
                if not isinstance(obj, Place):
                    return None
                return "storage", storage, obj.key, "cpu", arrays[int(obj.key)].size

            def reducer_override(self, obj):
                if not isinstance(obj, np.ndarray):
                    return NotImplemented
                strides = tuple(step // obj.itemsize for step in np.ascontiguousarray(obj).strides)
                return rebuild, (Place(obj), 0, obj.shape, strides, False, {})

        pickled = io.BytesIO()
        Pickler(pickled, 2).dump(content)
        with zipfile.ZipFile(tmp_path / "saved.ckpt", "w") as archive:
            archive.writestr("archive/data.pkl", pickled.getvalue())
            for number, array in enumerate(arrays):
                archive.writestr(f"archive/data/{number}", array.astype(f"{order}f4").tobytes())
            if said is not None:
                archive.writestr("archive/byteorder", said)
        return tmp_path / "saved.ckpt"

    return write


def read_as(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Check that a file holds just these tensors, by the names of the net."""
    with opened(path) as file:
        assert {*file.shapes} == {*tensors}
        for name, expected in tensors.items():
            np.testing.assert_array_equal(file.read(name), expected)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"model": tensors, "epoch": 3},
        lambda tensors: {"model": {"state_dict": tensors}, "optimizer": {"state": tensors}},
        lambda tensors: {"model_state_dict": {f"module.{name}": each for name, each in tensors.items()}},
        lambda tensors: {"state_dict": {f"_orig_mod.module.{name}": each for name, each in tensors.items()}},
        lambda tensors: {f"module._orig_mod.{name}": each for name, each in tensors.items()},
        lambda tensors: {name.replace("encoder.", "encoder._orig_mod."): each for name, each in tensors.items()},
    ],
)
def test_weights_are_found_in_what_trainers_put_around_them(saved, tensors, wrap):
    read_as(saved(wrap(tensors)), tensors)


@pytest.mark.parametrize(("order", "said"), [(">", b"big"), ("<", b"little"), ("<", None)])
def test_numbers_are_read_in_the_order_of_their_bytes(saved, tensors, order, said):
    read_as(saved(tensors, order, said), tensors)


def test_an_unknown_order_of_bytes_is_refused(tmp_path, saved, tensors):
    with pytest.raises(RequestError, match="its bytes have the order b'middle'"):
        convert(saved(tensors, "<", b"middle"), tmp_path / "out")


def _without(tensors):
    del tensors["encoder.mid.attn_1.q.conv.bias"]


def _with_more(tensors):
    tensors["decoder.post.weight"] = np.zeros(3, np.float32)


def _of_another_shape(tensors):
    tensors["decoder.up.0.block.0.conv2.weight"] = np.zeros((4, 4, 1, 1), np.float32)


def _kl(tensors):
    for name in ("encoder.conv_out.conv.weight", "encoder.conv_out.conv.bias"):
        tensors[name] = np.concatenate([tensors[name]] * 2)


def _noncausal(tensors):
    for name in [name for name in tensors if ".conv.weight" in name or ".conv.bias" in name]:
        tensors[name.replace(".conv.", ".")] = tensors.pop(name)


def _group_norm(tensors):
    for name in [name for name in tensors if ".norm." in name]:
        tensors[name.replace(".norm.", ".")] = tensors.pop(name)


def _another_model(tensors):
    tensors.clear()
    tensors["lm_head.weight"] = np.zeros(3, np.float32)


def _not_a_number(tensors):
    tensors["decoder.conv_out.conv.bias"][0] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, "lacks encoder.mid.attn_1.q.conv.bias"),
        (_with_more, "holds decoder.post.weight"),
        (_of_another_shape, r"decoder.up.0.block.0.conv2.weight of the shape \[4, 4, 1, 1\].*ask for \[4, 4, 3, 3\]"),
        (_kl, "KL tokenizer: its encoder gives 12 values for 6 latents"),
        (_noncausal, "noncausal VidTok"),
        (_group_norm, "group norms"),
        (_another_model, "not a causal VidTok tokenizer.*lm_head.weight"),
        (_not_a_number, "NaN or infinite numbers in decoder.conv_out.conv.bias"),
    ],
)
def test_other_tensors_are_refused_by_name(tmp_path, tensors, change, words):
    changed = {name: np.array(each) for name, each in tensors.items()}
    change(changed)
    save_file(changed, tmp_path / "changed.safetensors")
    with pytest.raises(RequestError, match=words) as refused:
        convert(tmp_path / "changed.safetensors", tmp_path / "out")
    assert "\n" not in str(refused.value) and not (tmp_path / "out").exists()


def _cut_off(path: Path) -> None:
    path.write_bytes(reference.CHECKPOINT.read_bytes()[:100_000])


def _bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": {}}, protocol=2))


def _text(path: Path) -> None:
    path.write_text("no weights at all")


def _no_weights(path: Path) -> None:
    _zip_of(path, pickle.dumps({"epoch": 3}))


def _zip_of(path: Path, pickled: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (_cut_off, "cut off or not a checkpoint"),
        (_bare_pickle, "a bare pickle, which is not run"),
        (_text, "neither kind of file"),
        (_no_weights, "holds no tensors by name"),
    ],
)
def test_files_that_are_not_checkpoints_are_refused(tmp_path, write, words):
    write(tmp_path / "file.ckpt")
    with pytest.raises(RequestError, match=words) as refused:
        convert(tmp_path / "file.ckpt", tmp_path / "out")
    assert "\n" not in str(refused.value)


class _Shell:
    """Pickled, it asks to run a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def test_nothing_that_is_pickled_is_run(tmp_path):
    """What a checkpoint names besides tensors is neither imported nor called, and the tensors are still read."""
    with zipfile.ZipFile(reference.CHECKPOINT) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    (pickled,) = (name for name in content if name.endswith("data.pkl"))
    # A list of two: first the command, then what was there. Protocol 2 begins with two bytes and ends with ".".
    command = pickle.dumps(_Shell(f"touch {tmp_path}/ran"), protocol=2)[2:-1]
    content[pickled] = b"\x80\x02" + command + b"0" + content[pickled][2:]
    with zipfile.ZipFile(tmp_path / "evil.ckpt", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with opened(tmp_path / "evil.ckpt") as file:
        assert "encoder.conv_in.conv.weight" in file.shapes
    assert not (tmp_path / "ran").exists()
    pickle.Unpickler(io.BytesIO(b"\x80\x02" + command + b".")).load()  # the command is one that runs
    assert (tmp_path / "ran").exists()


def _settings(
    levels: str = "[8, 8, 8, 8, 8, 8]", regularizer: str = "FSQRegularizer", model: str = "autoencoder"
) -> str:
    return (
        f"model:\n  target: vidtok.models.{model}.AutoencodingEngine\n  params:\n    encoder_config:\n"
        "      target: vidtok.modules.model_3dcausal.EncoderCausal3DPadding\n    regularizer_config:\n"
        f"      target: vidtok.modules.regularizers.{regularizer}\n      params:\n        levels: {levels}\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_settings("[8, 8, 8, 5, 5, 5]"), "cannot have 5 levels"),
        (_settings("[8, 8]"), "6 latents, but its settings 2 levels"),
        (_settings(regularizer="DiagonalGaussianRegularizer"), "only FSQRegularizer makes codes"),
        (_settings(model="autoencoder_v1_1"), "VidTok v1.1"),
        ("a: [", "not YAML"),
        ("[]", "only FSQRegularizer makes codes"),
    ],
)
def test_settings_that_make_another_tokenizer_are_refused(tmp_path, text, words):
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(RequestError, match=words) as refused:
        convert(reference.CHECKPOINT, tmp_path / "out", settings=tmp_path / "settings.yaml")
    assert "\n" not in str(refused.value)


def test_levels_come_from_the_settings(tmp_path):
    (tmp_path / "settings.yaml").write_text(_settings("[4, 4, 4, 4, 4, 4]"))
    model = convert(reference.CHECKPOINT, tmp_path / "out", settings=tmp_path / "settings.yaml")
    assert model.video_tokenizer.config.bits == 12


def test_the_newer_version_is_known_by_its_file_name(tmp_path):
    path = tmp_path / "vidtok_fsq_causal_488_32768_v1_1.ckpt"
    shutil.copy(reference.CHECKPOINT, path)
    with pytest.raises(RequestError, match=r"VidTok v1\.1"):
        convert(path, tmp_path / "out")


def test_entries_that_are_packed_are_refused(tmp_path):
    """Of zeros, a thousand bytes pack into one."""
    with zipfile.ZipFile(reference.CHECKPOINT) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(RequestError, match="is packed, which torch never does"), opened(tmp_path / "bomb.ckpt"):
        pass
    with pytest.raises(RequestError, match="is packed, which torch never does"):
        read_tensors((tmp_path / "bomb.ckpt").read_bytes())
