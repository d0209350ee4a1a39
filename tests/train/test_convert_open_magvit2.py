"""Open-MAGVIT2's video tokenizer from its file: the codes and pixels of its own code, and files that are refused."""

import zipfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made.published import open_magvit2_reference as reference
from safetensors.numpy import save_file

import reelm
from reelm.errors import RequestError
from reelm.storage.foreign.torch_checkpoint import opened
from reelm.tokenizer.codes import ids_to_signs
from reelm.tokenizer.video.net import VideoNet
from reelm.tokenizer.video.stream import decode_stream, encode_stream
from reelm.tokenizer.video.tokenizer import VideoTokenizer
from reelm.train.conversion.convert import convert

CLOSE = 1e-4
"""Latents so near to 0 may fall to either sign."""


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(reference.EXPECTED))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("open_magvit2") / "tiny.ckpt"
    reference.write_checkpoint(path)
    return path


@pytest.fixture(scope="module")
def folder(checkpoint) -> Path:
    convert(checkpoint, checkpoint.with_name("ema"))
    return checkpoint.with_name("ema")


@pytest.fixture(scope="module")
def tokenizers(checkpoint, folder) -> dict[str, VideoTokenizer]:
    plain = convert(checkpoint, checkpoint.with_name("plain"), weights="plain").video_tokenizer
    return {"ema": reelm.load(str(folder)).video_tokenizer, "plain": plain}


@pytest.fixture(scope="module")
def tensors(checkpoint) -> dict[str, np.ndarray]:
    with opened(checkpoint) as file:
        return {name: file.read(name) for name in file.shapes}


@pytest.mark.parametrize("weights", ["ema", "plain"])
def test_codes_are_those_of_the_reference(tokenizers, expected, weights):
    latent = expected[f"{weights}_latent"]
    sure = np.abs(latent) > CLOSE
    assert sure.mean() > 0.99
    ids = tokenizers[weights].encode(reference.video())
    signs = np.asarray(ids_to_signs(jnp.asarray(ids), 18))
    np.testing.assert_array_equal((signs > 0)[sure], (latent > 0)[sure])
    whole = sure.all(-1)
    np.testing.assert_array_equal(ids[whole], expected[f"{weights}_ids"][whole])


@pytest.mark.parametrize("weights", ["ema", "plain"])
def test_pixels_are_those_of_the_reference(tokenizers, expected, weights):
    """Within 1e-4 of their range, which is 2."""
    net, params = VideoNet(tokenizers[weights].config), {"params": tokenizers[weights].params}
    codes = ids_to_signs(jnp.asarray(expected[f"{weights}_ids"]), 18)
    made = jax.jit(partial(net.apply, method="decode"))(params, codes)
    np.testing.assert_allclose(reference.some(np.asarray(made)), expected[f"{weights}_pixels"], rtol=0, atol=2e-4)


def test_a_picture_is_that_of_the_reference(tokenizers, expected):
    """A clip of one frame: its norms see that frame alone, and doubling keeps the first of every two frames."""
    latent, tokenizer = expected["still_latent"], tokenizers["ema"]
    assert np.abs(latent).min() > CLOSE
    ids = tokenizer.encode(reference.video()[:, :1])
    np.testing.assert_array_equal(ids_to_signs(jnp.asarray(ids), 18), np.where(latent > 0, 1, -1))
    whole_numbers = np.round((np.clip(expected["still"], -1, 1) + 1) * 127.5)
    # A number that lies between two whole ones may be rounded to either.
    assert np.abs(reference.some(tokenizer.decode(ids)) - whole_numbers).max() <= 1


def test_their_bit_j_has_the_weight_that_ours_has(expected):
    """Their mask is 2^j over the latents in order, so an id is the same number here and there."""
    weights = 2 ** np.arange(18)
    np.testing.assert_array_equal((expected["ema_latent"] > 0) @ weights, expected["ema_ids"])


def test_averages_are_the_default_where_the_file_has_them(tmp_path, tensors, tokenizers, folder):
    assert reelm.load(str(folder)).record["video_tokenizer"]["weights"] == "ema"
    assert tokenizers["ema"].hash != tokenizers["plain"].hash
    save_file({n: each for n, each in tensors.items() if not n.startswith("model_ema")}, tmp_path / "bare.safetensors")
    model = convert(tmp_path / "bare.safetensors", tmp_path / "bare")
    assert model.record["video_tokenizer"]["weights"] == "plain"
    assert model.video_tokenizer.hash == tokenizers["plain"].hash
    with pytest.raises(RequestError, match="has no moving averages"):
        convert(tmp_path / "bare.safetensors", tmp_path / "none", weights="ema")


def test_the_discriminator_stays_behind(tensors, tokenizers):
    assert any(name.startswith("loss.discriminator") for name in tensors)
    net = sum(each.size for name, each in tensors.items() if name.startswith(("encoder.", "decoder.")))
    assert sum(leaf.size for leaf in jax.tree.leaves(tokenizers["plain"].params)) == net


def test_the_folder_says_where_it_is_from_and_that_clips_stay_whole(folder):
    card = (folder / "README.md").read_text()
    assert "TencentARC/SEED-Voken" in card and "Apache-2.0" in card and "neither in chunks nor in tiles" in card
    about = reelm.load(str(folder)).info()["video tokenizer"]
    assert about["bits"] == 18 and "neither chunks nor tiles" in about["whole clips"]


def test_a_file_of_frames_is_coded_whole(tokenizers):
    """The commands for files ask for streams; here they get the codes of the clip, filled up to whole codes."""
    tokenizer, video = tokenizers["ema"], reference.video()[0]
    ids = np.stack([*encode_stream(tokenizer, iter(video))])
    np.testing.assert_array_equal(ids, tokenizer.encode(video)[0])
    frames = np.stack([*decode_stream(tokenizer, iter(ids))])
    np.testing.assert_array_equal(frames, tokenizer.decode(ids)[0])
    np.testing.assert_array_equal(tokenizer.reconstruct(video[:, :, :37]).shape, (17, 32, 37, 3))


def _without(tensors):
    del tensors["decoder.adaptive.2.beta.weight"]


def _with_more(tensors):
    tensors["quantize.project_in.weight"] = np.zeros(3, np.float32)


def _of_another_shape(tensors):
    tensors["encoder.mid_block.1.conv2.conv_1.weight"] = np.zeros((32, 32, 1, 1, 1), np.float32)


def _of_images(tensors):
    for name in [name for name in tensors if ".conv_1." in name]:
        tensors[name.replace(".conv_1.", ".")] = tensors.pop(name)


def _of_odd_doubling(tensors):
    tensors["decoder.up.1.upsample.conv1.conv_1.weight"] = np.zeros((96, 64, 3, 3, 3), np.float32)


def _of_odd_width(tensors):
    tensors["encoder.down.3.block.0.conv1.conv_1.weight"] = np.zeros((48, 64, 3, 3, 3), np.float32)


def _without_doubling(tensors):
    del tensors["decoder.up.1.upsample.conv1.conv_1.weight"]


def _not_a_number(tensors):
    tensors["decoder.conv_out.conv_1.bias"][0] = np.inf


def _another_model(tensors):
    tensors.clear()
    tensors["lm_head.weight"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, "lacks decoder.adaptive.2.beta.weight, which"),
        (_with_more, "holds quantize.project_in.weight"),
        (_of_another_shape, r"mid_block.1.conv2.conv_1.weight of the shape .*ask for \[32, 32, 3, 3, 3\]"),
        (_of_images, "Open-MAGVIT2 of images; that of video is read"),
        (_of_odd_doubling, "makes 96 channels of 64"),
        (_of_odd_width, "multiples of 32"),
        (_without_doubling, "lacks decoder.up.1.upsample.conv1.conv_1.weight"),
        (_not_a_number, "NaN or infinite numbers in decoder.conv_out.conv_1.bias"),
        (_another_model, "VidTok FSQ causal or Open-MAGVIT2 video; it holds lm_head.weight"),
    ],
)
def test_other_tensors_are_refused_by_name(tmp_path, tensors, change, words):
    changed = {name: np.array(each) for name, each in tensors.items() if not name.startswith("model_ema")}
    change(changed)
    save_file(changed, tmp_path / "changed.safetensors")
    with pytest.raises(RequestError, match=words) as refused:
        convert(tmp_path / "changed.safetensors", tmp_path / "out")
    assert "\n" not in str(refused.value) and not (tmp_path / "out").exists()


def test_a_lost_average_is_named(tmp_path, tensors):
    changed = {name: each for name, each in tensors.items() if name != "model_ema.decoderconv_inconv_1bias"}
    save_file(changed, tmp_path / "changed.safetensors")
    with pytest.raises(RequestError, match="lacks model_ema.decoderconv_inconv_1bias; take its plain weights"):
        convert(tmp_path / "changed.safetensors", tmp_path / "out")


def test_a_damaged_file_is_refused(tmp_path, checkpoint):
    (tmp_path / "cut.ckpt").write_bytes(checkpoint.read_bytes()[:100_000])
    with pytest.raises(RequestError, match="cut off or no checkpoint"):
        convert(tmp_path / "cut.ckpt", tmp_path / "out")


def test_a_file_with_a_lost_tensor_is_refused(tmp_path, checkpoint):
    with zipfile.ZipFile(checkpoint) as whole, zipfile.ZipFile(tmp_path / "lost.ckpt", "w") as lost:
        for name in whole.namelist():
            if name != "archive/data/0":
                lost.writestr(name, whole.read(name))
    with pytest.raises(RequestError, match="cut off or no checkpoint"):
        convert(tmp_path / "lost.ckpt", tmp_path / "out", weights="plain")


SETTINGS = "model:\n  init_args:\n    ddconfig: {z_channels: 18, ch: 32, ch_mult: [1, 2, 2, 1], num_res_blocks: 2}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SETTINGS.replace("blocks: 2", "blocks: 4"), "says num_res_blocks 4, the tensors 2; they are of another file"),
        (SETTINGS.replace("2, 1]", "2, 4]"), r"says ch_mult .*4"),
        ("[]", "says z_channels"),
        ("a: [", "no YAML"),
    ],
)
def test_settings_of_another_file_are_refused(tmp_path, checkpoint, text, words):
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(RequestError, match=words) as refused:
        convert(checkpoint, tmp_path / "out", settings=tmp_path / "settings.yaml")
    assert "\n" not in str(refused.value)


def test_settings_of_this_file_are_taken(tmp_path, checkpoint, tokenizers):
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    model = convert(checkpoint, tmp_path / "out", settings=tmp_path / "settings.yaml")
    assert model.video_tokenizer.hash == tokenizers["ema"].hash
