"""What a key notices of another that attacks the server: seconds of its clips, alone and under attack.

    python benchmarks/attacks.py --minutes 10

One key asks for a clip, waits for it and asks again. The other one, in several processes, sends bombs, drips of bytes,
floods of sockets, odd sizes, JSON that is hard to parse, files in no format and long lists. These processes take what
the server leaves of the machine, as if they were on another one. Beside it `/healthz` is asked five times a second.
Printed are p50 and p95 of the clips, the slowest `/healthz`, the most memory, and what is left behind.
"""

import argparse
import contextlib
import hashlib
import http.client
import io
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import connect

GOOD, BAD = "a-good-key-of-one", "a-bad-key-of-another"


class Client:
    """Asks the server at a port."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, body: Any = None, key: str = GOOD, **headers: str) -> tuple[int, bytes]:
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Authorization": f"Bearer {key}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, files: dict[str, bytes], **fields: Any) -> tuple[int, bytes]:
        """Send a form with files, as the bad key."""
        parts = [(f'name="{name}"', str(value).encode()) for name, value in fields.items()]
        parts += [(f'name="{name}"; filename="{name}"', content) for name, content in files.items()]
        body = b"".join(
            b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
            for head, content in parts
        )
        return self.ask("POST", "/v1/videos", body + b"--x--\r\n", BAD, Content_Type="multipart/form-data; boundary=x")


class Server(Client):
    """`reelm serve` as a process, with two keys."""

    def __init__(self, home: Path, model: str):
        (home / "keys").write_text(f"good {GOOD}\nbad {BAD}\n")
        (home / "keys").chmod(0o600)
        command = [sys.executable, "-m", "reelm", "serve", "--model", model, "--port", "0"]
        command += ["--home", str(home / "serve"), "--keys", str(home / "keys")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        super().__init__(int(self.process.stdout.readline().rpartition(":")[2]))

    def memory(self) -> int:
        """Return the bytes that the server and its processes hold."""
        processes = subprocess.run(
            ["ps", "-o", "rss=", "--pid", str(self.process.pid), "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
        )
        return 1024 * sum(map(int, processes.stdout.split()))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def picture(kind: str, size: int) -> bytes:
    written = io.BytesIO()
    Image.new("1" if kind == "png" else "L", (size, size)).save(written, kind)
    return written.getvalue()


def slow_gif() -> bytes:
    written = io.BytesIO()
    frames = [Image.new("L", (2, 2), shade) for shade in (0, 255)]
    frames[0].save(written, "gif", save_all=True, append_images=frames[1:], duration=300_000)
    return written.getvalue()


def attacks(server: Client, rng: random.Random) -> list[Callable[[], Any]]:
    """Return the ways to attack; each takes some seconds at most, or is refused."""
    png, gif, film = picture("png", 7900), slow_gif(), Path(__file__).parents[1] / "docs/pictures"
    films = [path.read_bytes() for path in [*film.glob("*.mp4"), *film.glob("*.webp")][:4]] or [gif]

    def broken() -> bytes:
        content = bytearray(rng.choice(films))
        for _ in range(20):
            content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)

    def flood() -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                url, headers = f"ws://127.0.0.1:{server.port}/v1/live", {"Authorization": f"Bearer {BAD}"}
                opened = stack.enter_context(connect(url, additional_headers=headers, open_timeout=20))
                for number in range(200):
                    opened.send(json.dumps({"prompt": f"a red {number}", "cut": True}))

    def drip() -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            head = ("POST /v1/videos HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {rng.choice((BAD, 'none'))}")
            connection.sendall("\r\n".join((*head, "Content-Length: 9999", "", "")).encode())
            for _ in range(20):
                connection.sendall(b"{")
                time.sleep(0.2)

    def odd_size() -> None:
        height, width = (8 * rng.randrange(2, 40) for _ in range(2))
        server.ask(
            "POST", "/v1/videos", {"prompt": "a red seven", "num_frames": 5, "height": height, "width": width}, BAD
        )

    def hard_json() -> None:
        text = rng.choice(
            ("[" * 900_000, '{"prompt": "a", "cfg_scale": [' + "1.5," * 200_000 + "1]}", '{"a":' * 100_000)
        )
        server.ask("POST", "/v1/videos", text, BAD, Content_Type="application/json")

    def converted() -> None:
        listed = json.loads(server.ask("GET", "/v1/videos?status=completed", None, BAD)[1])["data"]
        for job in listed[:2]:
            for scale in range(1, 9):
                server.ask("GET", f"/v1/videos/{job['id']}/content?format=gif&scale={scale}", None, BAD)

    return [
        lambda: server.send({"image": png}, prompt="a red seven"),
        lambda: server.send({"video": gif}, prompt="a red seven", height=1024, width=1024),
        lambda: server.send({"video": broken()}, prompt="a red seven"),
        lambda: server.send({"audio": broken()}, prompt="a red seven"),
        lambda: server.send({"image": b"%!PS-Adobe-3.0 EPSF-3.0\n" + b"x" * 1000}),
        lambda: server.send({name: rng.randbytes(8 << 20) for name in ("image", "video", "audio", "mask")}),
        lambda: server.ask("POST", "/v1/videos", {"prompt": "a red seven", "keys": [["left"]] * 36_000}, BAD),
        lambda: server.ask("POST", "/v1/videos", {"prompt": "a red seven", "num_frames": 900}, BAD),
        lambda: server.ask(
            "POST", "/v1/videos", {"prompt": "a red seven", "best_of": 8, "seed": rng.randrange(99)}, BAD
        ),
        lambda: server.ask("POST", "/v1/videos", rng.randbytes(70 << 20), BAD, Content_Type="application/json"),
        flood,
        drip,
        odd_size,
        hard_json,
        converted,
    ]


def clip(server: Client, seed: int) -> tuple[float, str]:
    """Ask for a clip as the good key; return its seconds, and the digest of its pixels' file."""
    begun = time.monotonic()
    while True:
        status, answer = server.ask("POST", "/v1/videos", {"prompt": "a red seven moves right", "seed": seed})
        if status == 202:
            break
        time.sleep(0.2)  # refused: those seconds count
    job = json.loads(answer)
    while json.loads(server.ask("GET", f"/v1/videos/{job['id']}")[1])["status"] not in ("completed", "failed"):
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    return seconds, hashlib.sha256(server.ask("GET", f"/v1/videos/{job['id']}/hls/stream.mp4")[1]).hexdigest()


def measured(server: Server, seconds: float) -> tuple[list[float], set[str], float, int]:
    """Return seconds of clips, digests of the clips of seed 0, the slowest `/healthz` and the most memory."""
    ended, slowest, most = threading.Event(), [0.0], [0]

    def look() -> None:
        while not ended.wait(0.2):
            begun = time.monotonic()
            server.ask("GET", "/healthz")
            slowest[0], most[0] = max(slowest[0], time.monotonic() - begun), max(most[0], server.memory())

    looking, until, took, digests = threading.Thread(target=look), time.monotonic() + seconds, [], set()
    looking.start()
    while time.monotonic() < until:
        one, digest = clip(server, 0)
        took.append(one)
        digests.add(digest)
    ended.set()
    looking.join()
    return took, digests, slowest[0], most[0]


def attack(port: int, seconds: float, seed: int, came: Any) -> None:
    """Attack for so long, and put what was answered, and how often, into a queue."""
    os.nice(19)
    rng, answers, until = random.Random(seed), Counter[str](), time.monotonic() + seconds
    ways = attacks(Client(port), rng)
    while time.monotonic() < until:
        try:
            answer = rng.choice(ways)()
            answers[str(answer[0]) if isinstance(answer, tuple) else "done"] += 1
        except Exception as error:  # the server hangs up on some
            answers[type(error).__name__] += 1
    came.put(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the attack")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--processes", type=int, default=4, help="that attack")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), options.model)
        while not json.loads(server.ask("GET", "/healthz")[1])["warm"]:
            time.sleep(1)
        clip(server, 0)
        alone, known, *rest = measured(server, min(60.0, 60 * options.minutes / 4))
        show("alone", alone, *rest)
        fresh = multiprocessing.get_context("spawn")
        came, seconds = fresh.Queue(), 60 * options.minutes
        for seed in range(options.processes):
            fresh.Process(target=attack, args=(server.port, seconds, seed, came), daemon=True).start()
        under, digests, *rest = measured(server, seconds)
        show("under attack", under, *rest)
        ratio = np.percentile(under, 95) / np.percentile(alone, 95)
        children = subprocess.run(
            ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True
        ).stdout.split()
        answers = sum((came.get(timeout=200) for _ in range(options.processes)), Counter[str]())
        print(f"p95 {ratio:.2f} times that alone; the clips are {'the same' if digests == known else 'OTHERS'}")
        print(f"answers to the attacks: {dict(answers)}; processes left: {len(children)} (one waits for the next file)")
        server.end()


def show(name: str, took: list[float], slowest: float, memory: int) -> None:
    middle, high = np.percentile(took, [50, 95])
    print(
        f"{name}: {len(took)} clips, p50 {middle:.2f} s, p95 {high:.2f} s; /healthz at most {slowest:.3f} s; "
        f"memory at most {memory / 2**20:.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    main()
