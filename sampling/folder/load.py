"""`reelm.load`: return a model by its name."""

from dataclasses import fields
from pathlib import Path

from jax.sharding import Mesh

from reelm import value_checks
from reelm.errors import RequestError
from reelm.lm.mesh import MeshSpec
from reelm.lm.parameters import NumberFormat
from reelm.programs.kept import keep
from reelm.sampling.model import Model

from . import hub, shipped
from .read import read

DEFAULT = "demo"


def load(
    name: str | None = None,
    *,
    mesh: str | MeshSpec | Mesh | None = None,
    dtype: NumberFormat | None = None,
    text_encoder: str | Path | None = None,
    programs: str | Path | None = None,
) -> Model:
    """Return a model by the name of a shipped one, its folder, or its id on the Hugging Face hub.

    Args:
        name: shipped name, directory, or an id such as "owner/name" where huggingface_hub is installed. None is "demo".
        mesh: the devices that the language model is sharded over, such as "tensor=4"; None for one device.
        dtype: "float32", "bfloat16" or "int8": number format of the matrices that decoding reads. Activations are
            bfloat16 with the latter two, except float32 with int8 on a CPU. None is what suits the device.
        text_encoder: folder of the frozen text encoder, for a model whose folder does not hold it.
        programs: folder of the executable cache: this process keeps its compiled programs there, so that the next one
            starts faster. Only the user may be able to write there. None for `$REELM_PROGRAMS`, or no cache.

    Raises:
        RequestError: no such model, another format, a missing or altered file, another text encoder than the model
            names, or a mesh that does not fit the devices or the model.
    """
    if programs is not None:
        keep(programs)
    mesh = MeshSpec.parse(mesh) if isinstance(mesh, str) else mesh
    mesh = mesh.build() if isinstance(mesh, MeshSpec) else mesh
    if mesh is not None and not isinstance(mesh, Mesh):
        raise RequestError(f"mesh is of type {type(mesh).__name__}; it must be text such as 'tensor=4', or a Mesh")
    encoder = None if text_encoder is None else Path(value_checks.path("the text encoder", text_encoder))
    name = DEFAULT if name is None else value_checks.path("the model", name)
    parts = read(_folder(name), name, mesh=mesh, number_format=dtype, text_encoder=encoder)
    return Model(**{field.name: getattr(parts, field.name) for field in fields(parts)})


def _folder(name: str) -> Path:
    if name in shipped.names():
        return shipped.folder(name)
    if Path(name).is_dir():
        return Path(name)
    if hub.is_hub_id(name):
        return hub.fetch(name)
    raise RequestError(f"no model or folder is named {name!r}; shipped are {', '.join(shipped.names()) or 'none'}")
