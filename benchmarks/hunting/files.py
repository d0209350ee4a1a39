"""Files of every format that is read, mutated, and whoever reads them."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import commands
from .judge import Judge
from .media import MUTATIONS
from .mutations import json_bytes, mutated_json, mutated_npz, mutated_safetensors

_MEDIA = (
    *("clip.mp4", "clip.gif", "clip.webp", "clip.mkv", "clip.avi", "clip.webm", "films/good0.mp4", "sound.wav"),
    *("picture.png", "picture.jpg", "picture.avif", "picture.tiff", "picture.bmp"),
)


class Files:
    """Mutates one file at a time, in the working folder, and has it read."""

    def __init__(self, judge: Judge):
        self._judge = judge
        self._kinds = {
            "model": self._model,
            "tokens": self._tokens,
            "media": self._media,
            "note": self._note,
            "token set": self._token_set,
            "data set": self._data_set,
            "captions": self._captions,
            "weights": self._weights,
            "text": self._text,
        }

    def attempt(self, rng: random.Random) -> None:
        """Mutate a file and read it; Fault."""
        self._kinds[rng.choice(list(self._kinds))](rng)

    def _check(self, about: str, run: Callable[[], Any]) -> Any:
        return self._judge.check(about, run)

    def _command(self, *words: str) -> None:
        commands.attempt(self._judge, list(words))

    def _model(self, rng: random.Random) -> None:
        folder = Path("tiny")
        manifest = json.loads((folder / "model.json").read_text())
        file = rng.choice(["model.json", "model.json", *sorted(manifest["files"])])
        path = folder / file
        if file == "model.json":
            path.write_bytes(json_bytes(manifest, rng))
        else:
            mutate = mutated_safetensors if path.suffix == ".safetensors" else rng.choice(MUTATIONS[:2])
            path.write_bytes(mutate(path.read_bytes(), rng))
            if rng.random() < 0.9:  # whoever writes a folder also writes its digests
                manifest["files"][file] = hashlib.sha256(path.read_bytes()).hexdigest()
                (folder / "model.json").write_text(json.dumps(manifest))

        def use() -> None:
            import reelm

            model = reelm.load("tiny")
            model.info()
            if model.lm is not None:
                options = {"height": 16, "width": 24} if model.defaults.height * model.defaults.width > 10_000 else {}
                model.generate("a red seven", num_frames=1, **options)

        self._check(f"reelm.load('tiny').generate('a red seven', num_frames=1), with another {file}", use)

    def _tokens(self, rng: random.Random) -> None:
        path = Path("tokens.npz")
        path.write_bytes(mutated_npz(path.read_bytes(), rng))
        self._command("detokenize", "tokens.npz", "-o", "out.mp4", *(["--model", "tiny"] if rng.random() < 0.8 else []))

    def _media(self, rng: random.Random) -> None:
        from reelm import Clip

        path = Path(rng.choice(_MEDIA))
        path.write_bytes(rng.choice(MUTATIONS)(path.read_bytes(), rng))
        name = str(path)
        uses: list[Callable[[], Any]] = [
            lambda: self._check(f"Clip.open({name!r})", lambda: Clip.open(path)),
            lambda: self._command("reconstruct", name, "-o", "out.mp4", "--model", "tiny"),
            lambda: self._command("info", name),
            lambda: self._command(
                "generate",
                "-o",
                "out.mp4",
                "--model",
                "tiny",
                rng.choice(["--image", "--video", "--audio"]),
                name,
                "--num-frames",
                "5",
            ),
            lambda: self._command("describe", name, "--model", "tiny"),
        ]
        rng.choice(uses)()

    def _note(self, rng: random.Random) -> None:
        import numpy as np

        from reelm import Clip
        from reelm.media.formats.animations import write_animation, write_picture
        from reelm.media.formats.mp4 import write_video

        video = Clip.open("clip.mp4").video
        layout = {"height": 16, "width": 24, "scale": 1, "fps": 8.0, "frames": rng.choice([9, None])}
        text = json_bytes({"prompt": "a", "seed": 1, "reelm": layout}, rng).decode(errors="replace").replace("\0", "")
        name = rng.choice(["n.mp4", "n.gif", "n.webp", "n.png"])
        if name == "n.mp4":
            write_video(name, video, fps=8.0, comment=text)
        elif name == "n.png":
            write_picture(name, video[0], comment=text)
        else:
            write_animation(name, video, seconds=np.arange(10) / 8, comment=text)
        if rng.random() < 0.5:
            self._command("info", name)
        else:
            self._command("generate", "a red seven", "-o", "n.mp4", "--model", "tiny", "--num-frames", "5", "--resume")

    def _token_set(self, rng: random.Random) -> None:
        from reelm.data.tokens.read import open_tokens

        index = Path("tokens/index.json")
        if rng.random() < 0.6:
            index.write_bytes(json_bytes(json.loads(index.read_text()), rng))
        else:
            _rewrite_records(Path("tokens/tokens-00000.array_record"), lambda record: _mutated_record(record, rng), rng)

        def use() -> None:
            source = open_tokens(Path("tokens"))
            for number in range(min(len(source), 8)):
                source[number]

        self._check("open_tokens(Path('tokens')), and its samples", use)

    def _data_set(self, rng: random.Random) -> None:
        from reelm.data import catalog

        files = sorted(path for path in Path("sets/films").rglob("*.json"))
        records = sorted(Path("sets/films").rglob("*.array_record*"))
        path = rng.choice([*files, Path("sets/films/build.json"), *records[:1]])
        if path.suffix == ".json":
            path.write_bytes(json_bytes(json.loads(path.read_text()), rng))
        else:
            path.write_bytes(rng.choice(MUTATIONS)(path.read_bytes(), rng))

        def use() -> None:
            clips = catalog.open_clips("films", "train", data_dir=Path("sets"))
            for number in range(min(len(clips), 3)):
                clips[number]

        if rng.random() < 0.3:
            self._command("data", "list", "--data-dir", "sets")
        self._check(f"open_clips('films', 'train', data_dir='sets'), with another {path}", use)

    def _captions(self, rng: random.Random) -> None:
        from reelm.data.films.manifest import sources

        rows = [{"file_name": f"good{number}.mp4", "caption": rng.choice(["a", ["a", "b"]])} for number in range(4)]
        kind = rng.choice(["metadata.jsonl", "metadata.csv", "good1.json", "good1.txt"])
        path = Path("films") / kind
        if kind == "metadata.jsonl":
            path.write_bytes(b"\n".join(json_bytes(row, rng).replace(b"\n", b" ") for row in rows))
        elif kind == "metadata.csv":
            wrong = rng.choice(
                ["../../clip.mp4", "/etc/hostname", "a\0b", "", '"', "good0.mp4", "x" * 5000, "\x1b[31m"]
            )
            path.write_bytes(f"file_name,caption\ngood0.mp4,a\n{wrong},b,c,d\n".encode())
        elif kind == "good1.json":
            path.write_bytes(json_bytes({"caption": ["a", "b"]}, rng))
        else:
            path.write_bytes(rng.choice([b"\xff\xfe", b"\0", b"a" * 10_000, b"\x1b[31m", b""]))
        self._check(f"sources(Path('films')), with another {kind}", lambda: sources(Path("films")))

    def _weights(self, rng: random.Random) -> None:
        from reelm.storage.foreign.torch_file import read_tensors
        from reelm.storage.tensors import unpack

        if rng.random() < 0.5:
            path = Path("tiny/video_tokenizer.safetensors")
            data = mutated_safetensors(path.read_bytes(), rng)
            self._check("unpack(data of a safetensors file)", lambda: unpack(data, "weights.safetensors"))
        else:
            data = _torch_file(rng)
            self._check("read_tensors(data of a torch file)", lambda: read_tensors(data))

    def _text(self, rng: random.Random) -> None:
        from reelm.serve.access import Keys
        from reelm.train.lm.thesaurus import read_file

        kind = rng.choice(["prompts", "keys", "thesaurus", "config"])
        odd = [
            b"\xff\xfe",
            b"\0",
            b"",
            b"\n\n",
            b"a" * 10**6,
            b"\x1b[31m\n",
            b"alice\n",
            "\ud800".encode(errors="surrogatepass"),
        ]
        if kind == "prompts":
            Path("p.txt").write_bytes(rng.choice(odd))
            self._command("generate", "-o", "out.gif", "--model", "tiny", "--prompts", "p.txt", "--num-frames", "1")
        elif kind == "keys":
            Path("keys.txt").write_bytes(rng.choice([*odd, b"alice a\nalice b\n", b"a b c\n", b"alice \xff\n"]))
            self._check("Keys(Path('keys.txt'))", lambda: Keys(Path("keys.txt")))
        elif kind == "thesaurus":
            Path("t.json").write_bytes(
                json_bytes({"captions": {"a dog": ["dog", "hound"]}, "modifiers": {"on blue": " on blue"}}, rng)
            )
            self._check("read_file(Path('t.json'))", lambda: read_file(Path("t.json")))
        else:
            Path("run").mkdir()
            Path("run/config.json").write_bytes(json_bytes({"model": {"bits": 10}, "loop": {"steps": 1}}, rng))
            self._command("info", "run")


def _mutated_record(record: bytes, rng: random.Random) -> bytes:
    line, numbers = record.split(b"\n", 1)
    if rng.random() < 0.2:
        return rng.choice(MUTATIONS)(record, rng)
    return json.dumps(mutated_json(json.loads(line), rng)).encode() + b"\n" + numbers


def _rewrite_records(path: Path, change: Callable[[bytes], bytes], rng: random.Random) -> None:
    """Write an ArrayRecord file anew with its records changed."""
    from array_record.python.array_record_data_source import ArrayRecordDataSource
    from array_record.python.array_record_module import ArrayRecordWriter

    found = ArrayRecordDataSource(str(path))
    records = [found[number] for number in range(len(found))]
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(change(record) if rng.random() < 0.5 else record)
    writer.close()


def _torch_file(rng: random.Random) -> bytes:
    """Return a zip as torch writes it, of one tensor whose shape, strides, storage or pickle are amiss."""
    import io
    import pickletools
    import zipfile

    def number(value: int) -> bytes:
        return b"\x8a" + bytes([9]) + value.to_bytes(9, "little", signed=True)

    def pair(*values: int) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    def text(words: str) -> bytes:
        return b"X" + len(words.encode()).to_bytes(4, "little") + words.encode()

    shape = rng.choice([(2, 3), (2**28,), (10**12,), (-1,), (0,), (2**62, 2**62), (6,)])
    strides = rng.choice([(3, 1), (0,), (0, 0), (-1,), (2**60, 1), (1,)])
    kind = rng.choice(["FloatStorage", "LongStorage", "HalfStorage", "system"])
    module = rng.choice(["torch", "torch", "torch", "os"])
    storage = b"(" + text("storage") + f"c{module}\n{kind}\n".encode() + text("0") + text("cpu") + number(6) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(rng.choice([0, 5, -1, 2**62]))
    tensor += pair(*shape) + pair(*strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    data = b"\x80\x02}(" + text("x") + tensor + b"u."
    assert pickletools
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", bytes(rng.choice([24, 0, 3, 10**6])))
    made = out.getvalue()
    return rng.choice(MUTATIONS[:2])(made, rng) if rng.random() < 0.2 else made
