"""`reelm.load`: return a model by its name."""

from dataclasses import fields
from pathlib import Path
from typing import Never, get_args

import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import DTypeLike

from reelm import value_checks
from reelm.errors import RequestError
from reelm.guesses import OF_LOADING, wrong_name
from reelm.lm.mesh import MeshSpec
from reelm.lm.parameters import NumberFormat
from reelm.programs.kept import keep
from reelm.sampling.model import Model

from . import hub, shipped
from .read import read

DEFAULT = "demo"
_ARGUMENTS = ("name", "mesh", "dtype", "text_encoder", "programs")
_IT_HAS = f"it has {', '.join(_ARGUMENTS)}"


def load(
    name: str | None = None,
    *,
    mesh: str | MeshSpec | Mesh | None = None,
    dtype: DTypeLike | None = None,
    text_encoder: str | Path | None = None,
    programs: str | Path | None = None,
    **guesses: Never,
) -> Model:
    """Return a model by the name of a shipped one, its folder, or its id on the Hugging Face hub.

    Args:
        name: shipped name, directory, or an id such as "owner/name" where huggingface_hub is installed. None is "demo".
        mesh: the devices that the language model is sharded over, such as "tensor=4"; None for one device.
        dtype: "float32", "bfloat16" or "int8", or the types of `jax.numpy`: number format of the matrices that decoding
            reads. Activations are bfloat16 with the latter two, except float32 with int8 on a CPU. None is what suits
            the device.
        text_encoder: folder of the frozen text encoder, for a model whose folder does not hold it.
        programs: folder of the executable cache: this process keeps its compiled programs there, so that the next one
            starts faster. Only the user may be able to write there. None for `$REELM_PROGRAMS`, or no cache.

    Raises:
        RequestError: no such model, another format, a missing or altered file, another text encoder than the model
            names, or a mesh that does not fit the devices or the model.
        TypeError: an unknown argument; the message names the right one.
    """
    for guess in guesses:
        raise TypeError(f"load() has no argument {guess!r}; {wrong_name(guess, _ARGUMENTS, _IT_HAS, OF_LOADING)}")
    if programs is not None:
        keep(programs)
    mesh = MeshSpec.parse(mesh) if isinstance(mesh, str) else mesh
    mesh = mesh.build() if isinstance(mesh, MeshSpec) else mesh
    if mesh is not None and not isinstance(mesh, Mesh):
        raise RequestError(f"mesh is of type {type(mesh).__name__}; it must be text such as 'tensor=4', or a Mesh")
    encoder = None if text_encoder is None else Path(value_checks.path("the text encoder", text_encoder))
    name = DEFAULT if name is None else value_checks.path("the model", name)
    parts = read(_folder(name), name, mesh=mesh, number_format=_number_format(dtype), text_encoder=encoder)
    return Model(**{field.name: getattr(parts, field.name) for field in fields(parts)})


def _number_format(dtype: DTypeLike | None) -> NumberFormat | None:
    """Return the name of a number format; RequestError for one in which decoding reads no matrices."""
    if dtype is None:
        return None
    try:
        name = jnp.dtype(dtype).name
    except TypeError:
        name = dtype
    for known in get_args(NumberFormat):
        if name == known:
            return known
    raise RequestError(f"dtype is {name!r}; choose one of {', '.join(get_args(NumberFormat))}")


def _folder(name: str) -> Path:
    if name in shipped.names():
        return shipped.folder(name)
    if Path(name).is_dir():
        return Path(name)
    if hub.is_hub_id(name):
        return hub.fetch(name)
    raise RequestError(f"no model or folder is named {name!r}; shipped are {', '.join(shipped.names()) or 'none'}")
