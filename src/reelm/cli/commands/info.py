"""`reelm info`: print facts of the installation, a configuration, a model, a training or a clip."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from reelm.cli.printable import printable
from reelm.errors import RequestError
from reelm.sampling.folder import shipped
from reelm.storage.fields import parsed, read_json

_MOST = 10**9  # gigabytes, or pixels
_USUAL = 128  # pixels of a side by default


@dataclass(frozen=True, kw_only=True)
class Info:
    """Print versions and devices, or the facts of a configuration, a model or a clip.

    What a configuration takes of memory is worked out for one that no shipped model has the name of, and for any where
    an option asks.

    Example: reelm info seven.mp4
    """

    # "" and not None: of a union in its place tyro checks the default by typeguard, which takes long to import.
    subject: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="CONFIG|NAME|DIR|CLIP", help_behavior_hint="")
    ] = ""
    """Configuration, shipped model, model folder, workdir of a training, or clip file. Default: the installation."""

    mesh: str | None = None
    """Mesh to lay out a language model's configuration on, such as fsdp=8,tensor=4. Default: one device."""
    memory: float | None = None
    """Memory of one device in gigabytes, to tell what fits. Default: the free memory of this machine's device."""
    height: int | None = None
    """Height in pixels of the clips that the memory of a language model is stated for. Default: 128, or the largest for
    a net with learned positions."""
    width: int | None = None
    """Width in pixels of those clips; its default is like that of the height."""

    def run(self) -> None:
        for name in ("memory", "height", "width"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= _MOST:
                raise RequestError(f"--{name} is {value}; it must be above 0, and at most {_MOST:,}")
        if not self.subject:
            about: Any = _installation()
        elif Path(self.subject).is_file():
            about = _clip(Path(self.subject))
        elif Path(self.subject).is_dir():
            about = _folder(Path(self.subject))
        else:
            about = self._named(self.subject)
        print(_lines(about))

    def _named(self, name: str) -> dict[str, Any]:
        from reelm import configs

        about: dict[str, Any] = {}
        # A net is described, which takes JAX: the facts of a model come without.
        estimated = name not in shipped.names() or (self.mesh, self.memory, self.height, self.width) != (None,) * 4
        if name in shipped.names():
            from reelm.sampling.folder.info import read_info

            about["model"] = read_info(shipped.folder(name), name)
        if name in configs.names():
            for stage in configs.stages(name):
                run = configs.get(stage, name)
                figures = self._figures(stage, name, run) if estimated else {}
                about[f"config of {stage}"] = {**figures, **asdict(run)}
        if not about:
            known = ", ".join(dict.fromkeys([*shipped.names(), *configs.names()]))
            raise RequestError(f"there is no configuration, model, folder or file {name}; known are {known}")
        return about

    def _figures(self, stage: str, name: str, run: Any) -> dict[str, Any]:
        notes = run.model.memory_notes() if stage == "video-tokenizer" else {}
        notes = self._sizes(name, run) if stage == "lm" else notes
        return {"parameters": _parameters(stage, run.model), **notes}

    def _sizes(self, name: str, run: Any) -> dict[str, str]:
        from reelm import configs
        from reelm.tokenizer.device_memory import free_bytes
        from reelm.tokenizer.video.config import VideoTokenizerConfig

        from .model_size import notes

        # A preset without a tokenizer assumes one with the usual stride.
        own = "video-tokenizer" in configs.stages(name)
        tokenizer = configs.get("video-tokenizer", name).model if own else VideoTokenizerConfig()
        memory = free_bytes() if self.memory is None else int(self.memory * 1e9)
        stride = tokenizer.space_stride
        most = [places * stride or _USUAL for places in run.model.grid]
        return notes(run, stride, self.mesh, memory, self.height or most[0], self.width or most[1])


def _installation() -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    import jax

    from reelm import configs

    return {
        "reelm": version("reelm"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "av")},
        "devices": ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()),
        "models": ", ".join(shipped.names()) or "none",
        "configs": ", ".join(configs.names()),
    }


def _clip(path: Path) -> dict[str, Any]:
    from reelm import Clip

    clip = Clip.open(path)
    frames, height, width = clip.video.shape[:3]
    seen = {
        "file": str(path),
        "frames": frames,
        "height": height,
        "width": width,
        "fps": clip.fps,
        "seconds": round(frames / clip.fps, 3),
        "sound": "none" if clip.audio is None else f"{clip.audio.shape[1]} channels at {clip.sample_rate} Hz",
    }
    # The file goes before its settings: an enlarged clip was drawn in a smaller size.
    return seen | {name: value for name, value in clip.info.items() if name not in seen}


def _folder(path: Path) -> dict[str, Any]:
    if (path / "model.json").is_file():
        from reelm.sampling.folder.info import read_info

        return read_info(path, str(path))
    if (path / "config.json").is_file():
        return parsed(dict[str, Any], read_json(path / "config.json"), str(path / "config.json"))
    raise RequestError(f"{path} is neither a model folder nor one of a training: no model.json or config.json in it")


def _parameters(stage: str, config: Any) -> int | str:
    """Return the number of parameters, or why it is not known yet."""
    if stage == "describer" and not config.words:
        return "known once the words are taken from the captions"
    import jax

    from reelm.train.stages import STAGES

    shapes = jax.eval_shape(partial(STAGES[stage].init_params, config), jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _lines(about: dict[str, Any], indent: str = "") -> str:
    """Return `name: value` lines, nested tables indented."""
    lines = []
    for name, value in about.items():
        if isinstance(value, dict):
            lines += [f"{indent}{printable(name)}:", _lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{printable(name)}: {printable(value)}")
    return "\n".join(line for line in lines if line)
