"""Names that other libraries have get one line that says what is right here."""

import jax.numpy as jnp
import pytest

import reelm
from reelm.errors import RequestError


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("from_pretrained", r"reelm.load\(NAME\)"),
        ("generate", r"reelm.load\(\).generate"),
        ("Video", "reelm.Clip.open"),
    ],
)
def test_a_guessed_name_of_the_package(name, right):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'; .*{right}"):
        getattr(reelm, name)


def test_a_name_that_nobody_guesses_gets_no_answer():
    with pytest.raises(AttributeError, match="has no attribute 'blancmange'$"):
        reelm.blancmange  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("name", "right"),
    [("save_pretrained", r"model.save\(FOLDER\)"), ("to", r"reelm.load\(mesh=...\)"), ("sample", "model.generate")],
)
def test_a_guessed_name_of_a_model(name, right, tiny_model):
    assert not hasattr(tiny_model, name)
    with pytest.raises(AttributeError, match=rf"a model has no attribute '{name}'; .*{right}"):
        getattr(tiny_model, name)
    with pytest.raises(AttributeError, match="'Model' object has no attribute 'blancmange'"):
        tiny_model.blancmange  # noqa: B018


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("device", "JAX_PLATFORMS"),
        ("torch_dtype", "did you mean 'dtype'"),
        ("revision", "owner/name@revision"),
        ("mesh_shape", "it has name, mesh, dtype"),
    ],
)
def test_a_guessed_argument_of_load(name, right):
    with pytest.raises(TypeError, match=rf"load\(\) has no argument '{name}'; .*{right}"):
        reelm.load(**{name: None})  # pyright: ignore[reportArgumentType]


def test_a_model_opens_in_a_type_of_jax(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "model")
    assert reelm.load(str(tmp_path / "model"), dtype=jnp.bfloat16).language_model().number_format == "bfloat16"
    for wrong in (jnp.float16, "fp8", 3):
        with pytest.raises(RequestError, match="choose one of float32, bfloat16, int8"):
            reelm.load(str(tmp_path / "model"), dtype=wrong)  # pyright: ignore[reportArgumentType]
