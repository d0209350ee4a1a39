"""VidTok at its real size, converted, beside its own code, on the same cores.

    git clone https://github.com/microsoft/VidTok
    python -m venv other && other/bin/pip install torch einops beartype rich lightning omegaconf
    python benchmarks/peers/vidtok_speed.py --source VidTok --python other/bin/python

The weights are random: of the file for 4x8x8 pixels in 18 bits, in a checkpoint that both halves read. Both encode and
decode one clip in turns, each in a process of its own; the reference runs under `torch.compile`. What they give is
compared first. Then the memory of loading the model folder, beside the size of its weights, and of rebuilding a long
film.

Prints JSON.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
import tyro
from vidtok_torch import video

import reelm
from reelm.sampling.model import Model
from reelm.tokenizer.video.stream import reconstruct_stream
from reelm.train.conversion.convert import convert

_THEIRS = Path(__file__).with_name("vidtok_torch.py")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to measure."""

    source: Path
    """A checkout of VidTok."""
    python: Path
    """Python of an environment with what VidTok asks for."""
    side: int = 256
    """Height and width of the clip of 17 frames."""
    calls: int = 3
    """Calls to take the median of."""
    film: int = 2_000
    """Frames of the film; 0 for none."""
    film_side: int = 32
    """Height and width of the film."""
    folder: Path | None = None
    """Where the checkpoint and the model are kept for another run. Default: a temporary folder."""


def main(arguments: Arguments) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint, model = folder / "vidtok.ckpt", folder / "model"
        if not checkpoint.exists():
            subprocess.run([*theirs(arguments), "write", str(checkpoint)], env=environment(arguments), check=True)
            convert(checkpoint, model)
        figures: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "load": in_child(load, model)}
        if arguments.film:
            figures["film"] = in_child(film, model, arguments.film, arguments.film_side)
        figures["clip"] = beside(arguments, checkpoint, reelm.load(str(model)))
    print(json.dumps(figures, indent=2))


def beside(arguments: Arguments, checkpoint: Path, model: Model) -> dict[str, Any]:
    """Return the seconds of both halves for a clip, and how far what they give lies apart."""
    cores = str(len(os.sched_getaffinity(0)))
    command = [*theirs(arguments), "time", str(checkpoint), str(arguments.side), cores]
    clip, tokenizer = video(arguments.side), model.video_tokenizer
    with subprocess.Popen(
        command, env=environment(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        version = json.loads(other.stdout.readline())["ready"]
        expected = np.load(checkpoint.with_suffix(".npz"))
        ids = tokenizer.encode(clip)
        pixels = tokenizer.decode(expected["ids"])
        taken: dict[str, dict[str, list[float]]] = {"reelm": {}, "reference": {}}
        for _ in range(arguments.calls):
            ours = {
                "encode": seconds(lambda: tokenizer.encode(clip)),
                "decode": seconds(lambda: tokenizer.decode(expected["ids"])),
            }
            other.stdin.write("\n")
            other.stdin.flush()
            for who, each in (("reelm", ours), ("reference", json.loads(other.stdout.readline()))):
                for name, value in each.items():
                    taken[who].setdefault(name, []).append(value)
        other.stdin.close()
    there = np.clip(np.rint((expected["pixels"] + 1) * 127.5), 0, 255)
    return {
        "seconds": {who: {name: median(each) for name, each in calls.items()} for who, calls in taken.items()},
        "all": taken,
        "codes_equal": float((ids == expected["ids"]).mean()),
        "pixels_apart": float(np.abs(pixels - there).max()),
        "versions": {"torch": version, "jax": jax.__version__},
    }


def seconds(call: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def load(folder: Path) -> dict[str, float]:
    """Return the peak memory of loading a model, above that of the imports."""
    jax.devices()
    before = peak()
    reelm.load(str(folder))
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
    return {"file_mib": size, "peak_mib": peak() - before, "times": (peak() - before) / size}


def film(folder: Path, frames: int, side: int) -> dict[str, Any]:
    """Return the memory in use along a film that is rebuilt as its frames come."""
    tokenizer = reelm.load(str(folder)).video_tokenizer
    held = {}
    for count, _ in enumerate(reconstruct_stream(tokenizer, noise(frames, side)), 1):
        if count in (frames // 10, frames // 2, frames):
            held[count] = resident()
    return {"frames": frames, "side": side, "resident_mib": held}


def noise(frames: int, side: int) -> Iterator[np.ndarray]:
    """Yield frames uint8 `[side, side, 3]`."""
    draw = np.random.default_rng(0)
    for _ in range(frames):
        yield draw.integers(0, 256, (side, side, 3), np.uint8)


def in_child(measure: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function measures in a process of its own, whose memory is its alone."""
    call = f"import json, vidtok_speed; from pathlib import Path; print(json.dumps(vidtok_speed.{measure.__name__}"
    values = ", ".join(f"Path({str(each)!r})" if isinstance(each, Path) else repr(each) for each in arguments)
    done = subprocess.run(
        [sys.executable, "-c", f"{call}({values})))"],
        env=os.environ | {"PYTHONPATH": str(_THEIRS.parent)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def peak() -> float:
    """Return the most memory this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def resident() -> float:
    """Return the memory that this process has, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def theirs(arguments: Arguments) -> list[str]:
    """Return the command of the other half."""
    return [str(arguments.python), str(_THEIRS)]


def environment(arguments: Arguments) -> dict[str, str]:
    """Return the environment of the other half."""
    return os.environ | {"PYTHONPATH": str(arguments.source)}


if __name__ == "__main__":
    main(tyro.cli(Arguments))
