"""What does `reelm serve` do with 300 hostile requests? `python benchmarks/hostile.py [--seed 0]`

Starts a server with keys in a process of its own, and sends it fuzzed JSON and forms, pictures and playlists that lead
elsewhere, paths that climb, smuggled requests, heads that never end, huge bodies, foreign hosts and odd text. No answer
may be a 5xx, no file may appear outside `--home`, and no key may stand in the log. Afterwards the server must make a
clip as if nothing had been. Who may mount a file system also sees what a full disk does (`--disk`): 507, and the queue
goes on once there is space.

Prints JSON; ends with status 1 when a promise is broken.
"""

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import tyro
from machine import about
from PIL import Image
from serve import Service, serving

KEY = "a-key-that-no-log-may-hold"
GOOD = {"prompt": "a red seven", "num_frames": 1, "seed": 1}
OPTIONS = ("seed", "num_frames", "height", "width", "fps", "temperature", "top_k", "top_p", "min_p", "cfg_scale")
OPTIONS += ("overlap", "decoding", "best_of", "negative_prompt", "seconds", "size", "model", "prompt")
FILES = ("image", "last_image", "video", "mask", "audio", "input_reference")
ODD = (
    None,
    True,
    -1,
    0,
    10**30,
    -(10**400),
    1e308,
    1e-320,
    0.5,
    "",
    "1",
    "a" * 5000,
    [],
    [[]],
    {},
    {"a": 1},
    ["x"] * 999,
)
TEXTS = (
    "\x00",
    "\u202egnp.exe",
    "e" + "\u0301" * 1900,
    "👩‍👩‍👧‍👦" * 90,
    "\ufeff",
    "\ufffe",
    "﷽" * 900,
    "\r\nX: y",
    "'; drop table jobs--",
)
PLACES = (
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "/etc/passwd",
    "gopher://localhost:25/",
    "\\\\host\\x",
)
PLACES += (
    "concat:/etc/passwd|/etc/hosts",
    "subfile,,start,0,end,99,,:/etc/passwd",
    "data:image/png;base64,AA==",
    "../../jobs.sqlite",
)

Sent = tuple[str, bytes]  # what it is, and all bytes of a request


def request(method: str, path: str, body: bytes = b"", *headers: str, key: str = KEY, host: str = "127.0.0.1") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}", *headers]
    lines += [] if any("ength:" in line or "ncoding:" in line for line in headers) else [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape") + body


def as_json(body: Any) -> bytes:
    """Return a request with a JSON body."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", "/v1/videos", body, "Content-Type: application/json")


def form(parts: list[tuple[str, bytes, str]], boundary: str = "x") -> bytes:
    """Return a request with a form of (name, content, filename)."""
    body = b""
    for name, content, filename in parts:
        named = f'; filename="{filename}"' if filename else ""
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
    return request("POST", "/v1/videos", body + b"--x--\r\n", f"Content-Type: multipart/form-data; boundary={boundary}")


def fuzzed_json(rng: random.Random) -> Iterator[Sent]:
    """Yield bodies of wrong types, broken text, and values that no number holds."""
    while True:
        yield "odd value", as_json(GOOD | {rng.choice(OPTIONS): rng.choice(ODD) for _ in range(rng.randint(1, 3))})
        broken = bytearray(json.dumps(GOOD | {"negative_prompt": "x" * 40}).encode())
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        yield "broken JSON", as_json(bytes(broken))
        yield "deep JSON", as_json(b'{"prompt":' * rng.randint(10, 90_000))
        yield "number of many digits", as_json(b'{"prompt": "red", "seed": ' + b"9" * rng.randint(10, 9000) + b"}")
        yield "odd text", as_json(GOOD | {"prompt": rng.choice(TEXTS)})
        yield "an unpaired surrogate", as_json(b'{"prompt": "\\ud83d", "num_frames": 1}')
        yield "place for a file", as_json(GOOD | {rng.choice(FILES): rng.choice(PLACES)})


def bomb(side: int) -> bytes:
    """Return a PNG of a few bytes that says it is huge."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


def fuzzed_forms(rng: random.Random) -> Iterator[Sent]:
    """Yield forms whose files lie, lead elsewhere or break off."""
    written = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(written, "png")
    picture, one = written.getvalue(), [("prompt", b"red", ""), ("num_frames", b"1", "")]
    lists = (
        "#EXTM3U\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{0}'\n",
        "<svg><image href='{0}'/></svg>",
    )
    while True:
        name = rng.choice(FILES)
        bad = bytearray(picture)
        for _ in range(rng.randint(1, 40)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        yield "broken picture", form([*one, (name, bytes(bad), "a.png")])
        yield "picture that breaks off", form([*one, (name, picture[: rng.randrange(len(picture))], "a.png")])
        yield "bomb", form([*one, (name, bomb(rng.choice((20_000, 60_000, 2**31 - 1))), "a.png")])
        where = rng.choice(PLACES)
        yield "playlist", form([*one, (name, rng.choice(lists).format(where).encode(), "a.m3u8")])
        yield "name that climbs", form([*one, (name, picture, "../" * rng.randint(1, 9) + "etc/cron.d/x")])
        yield "odd field", form([("../../prompt", b"red", ""), (rng.choice(TEXTS).replace("\r\n", ""), b"1", "")])
        yield "field twice", form([*one, *one])
        yield "other boundary", form(one, boundary=rng.choice(("y", "x" * 300, '"', "")))
        yield "many fields", form([(f"f{n}", b"1", "") for n in range(rng.randint(65, 900))])
        yield "noise", form([*one, (name, rng.randbytes(rng.randint(1, 5000)), "a.mp4")])


def climbing(rng: random.Random) -> Iterator[Sent]:
    """Yield paths that climb out of the page or the jobs."""
    ups = ("../", "..%2f", "%2e%2e/", "..\\", "..%5c", "%252e%252e%252f", "....//", "..%c0%af", "..;/")
    while True:
        path = rng.choice(ups) * rng.randint(1, 9) + rng.choice(("etc/passwd", "jobs.sqlite", "keys", "%00", "lock"))
        yield "path", request("GET", f"/{path}")
        yield "job", request(rng.choice(("GET", "DELETE")), f"/v1/videos/{path}")
        yield "content", request("GET", f"/v1/videos/{path}/{rng.choice(('content', 'stream', 'hls/stream.mp4'))}")
        yield "query", request("GET", f"/v1/videos?after={path}&limit={rng.choice(('9' * 99, '-1', 'x', '١'))}")
        yield "method", request(rng.choice(("TRACE", "PUT", "PROPFIND", "CONNECT", "X" * 99)), f"/{path}")


def smuggled(rng: random.Random) -> Iterator[Sent]:
    """Yield requests that two readers would cut differently, and heads that no client sends."""
    inner = request("DELETE", "/v1/videos/x", key="")
    while True:
        yield "two lengths", request("POST", "/v1/videos", inner, "Content-Length: 5", f"Content-Length: {len(inner)}")
        both = b"0\r\n\r\n" + inner
        yield (
            "length and chunks",
            request("POST", "/v1/videos", both, "Content-Length: 4", "Transfer-Encoding: chunked"),
        )
        yield (
            "odd encoding",
            request(
                "POST",
                "/v1/videos",
                both,
                f"Transfer-Encoding: {rng.choice(('xchunked', 'chunked, gzip', ' chunked'))}",
            ),
        )
        size = rng.choice((b"FFFFFFFFFFFFFFFFFF", b"-5", b"5;" + b"a" * 9000, b"0x5"))
        yield "odd chunk", request("POST", "/v1/videos", size + b"\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked")
        yield "folded head", request("GET", "/v1/models", b"", "X-A: 1\r\n more: 2")
        yield "space before colon", request("GET", "/v1/models", b"", "Content-Length : 5")
        yield "huge head", request("GET", "/v1/models", b"", "X-A: " + "a" * rng.randint(70_000, 300_000))
        yield "no HTTP", rng.randbytes(rng.randint(1, 500)) + b"\r\n\r\n"
        yield "bare line feeds", b"GET /v1/models HTTP/1.1\nHost: 127.0.0.1\nContent-Length: x\n\n"
        yield "other version", b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n"


def foreign(rng: random.Random) -> Iterator[Sent]:
    """Yield requests of other names, other sites, and keys that are none."""
    while True:
        host = rng.choice(("evil.example", "127.0.0.1.evil.example", "[", "[::1", "127.0.0.1@evil", "", "a" * 5000))
        yield "host", request("GET", "/v1/models", host=host)
        origin = rng.choice(("http://evil.example", "null", "http://[", "file://", "http://127.0.0.1.evil.example"))
        yield "origin", as_json(GOOD).replace(b"Content-Type", f"Origin: {origin}\r\nContent-Type".encode())
        yield "key", request("GET", "/v1/videos", key=rng.choice(("", "x", KEY[:-1], KEY + "x", "\udcff", "é" * 40)))
        yield (
            "cookie",
            request("GET", "/v1/videos", b"", f"Cookie: reelm-key={rng.choice(('%ff', '%00', '=' * 99))}", key=""),
        )
        length = rng.choice((65 << 20, 10**12, 10**30))
        yield (
            "huge body",
            request("POST", "/v1/videos", b"{", "Content-Type: application/json", f"Content-Length: {length}"),
        )


def answer_to(service: Service, sent: bytes, seconds: float = 3.0) -> int:
    """Return the status of an answer; 0 where the server closes the connection or waits for more."""
    port = int(service.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(sent)
            head = connection.recv(4096)
        except (ConnectionError, TimeoutError):
            return 0
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def dripping(service: Service, clients: int) -> dict[str, Any]:
    """Hold connections whose heads never end; see when they are closed, and how long others wait meanwhile."""
    port = int(service.address.rpartition(":")[2])
    held, began = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)], time.monotonic()
    for each in held:
        each.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
    slowest, left = 0.0, set(held)
    while left and time.monotonic() - began < 90:
        asked = time.monotonic()
        assert answer_to(service, request("GET", "/v1/models")) == 200
        slowest = max(slowest, time.monotonic() - asked)
        for each in list(left):
            each.settimeout(0.05)
            try:
                each.sendall(b"a")
                if not each.recv(1):
                    left.discard(each)
            except TimeoutError:
                continue
            except ConnectionError:
                left.discard(each)
        time.sleep(1)
    took = time.monotonic() - began
    for each in held:
        each.close()
    return {
        "held": clients,
        "closed": clients - len(left),
        "after_s": round(took, 1),
        "others_waited_s": round(slowest, 3),
    }


def full_disk(folder: Path) -> dict[str, Any]:
    """Fill the disk of a server: what waits must end with a reason, what comes is refused, and later all is well."""
    disk, body = folder / "disk", json.dumps(GOOD | {"num_frames": 17}).encode()
    disk.mkdir()
    asked = request("POST", "/v1/videos/sync", body, "Content-Type: application/json")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=True)
    try:
        with serving(("demo",), disk / "home", "--warm-up", "usual") as service:
            before = answer_to(service, asked, 120)
            waiting = [service.begin(GOOD | {"num_frames": 65, "seed": seed}) for seed in range(4)]
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
                while file.write(bytes(1 << 12)):
                    pass
            full = [answer_to(service, asked, 120) for _ in range(3)]
            (disk / "filler").unlink()
            ends = Counter((now["status"], (now["error"] or {}).get("code")) for now in map(service.end, waiting))
            after = answer_to(service, asked, 120)
    finally:
        subprocess.run(["umount", disk], check=True)
    ends = {" ".join(filter(None, end)): count for end, count in ends.items()}
    kept = before == after == 200 and set(full) == {507} and set(ends) <= {"completed", "failed disk_full"}
    return {"before": before, "full": full, "jobs_under_way": ends, "after": after, "kept": kept}


def tree(folder: Path) -> set[str]:
    """Return the files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def main(seed: int = 0, requests: int = 300, dripping_clients: int = 30, disk: bool = False) -> None:
    """Send them all.

    Args:
        seed: of the requests.
        requests: to send, besides those that drip.
        dripping_clients: connections whose heads never end.
        disk: whether to fill a disk, too; only root may.
    """
    rng = random.Random(seed)
    kinds: list[Callable[[random.Random], Iterator[Sent]]] = [fuzzed_json, fuzzed_forms, climbing, smuggled, foreign]
    found: dict[str, Any] = {"about": about(), "requests": requests}
    statuses, faults = Counter[int](), list[Any]()
    with tempfile.TemporaryDirectory(prefix="reelm-hostile-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        (folder / "keys").write_text(f"me {KEY}\n")
        os.environ["TMPDIR"] = str(folder / "tmp")
        with serving(("demo",), folder / "home", "--keys", str(folder / "keys"), "--warm-up", "usual") as service:
            before = tree(folder) - {"home"}
            for stream in kinds:
                for what, sent in islice(stream(rng), requests // len(kinds)):
                    status = answer_to(service, sent)
                    statuses[status] += 1
                    if status >= 500:
                        faults.append((stream.__name__, what, status, repr(sent[:300])))
            found["dripping"] = dripping(service, dripping_clients)
            good = answer_to(
                service,
                request("POST", "/v1/videos/sync", json.dumps(GOOD).encode(), "Content-Type: application/json"),
                120,
            )
        strangers = sorted(path for path in tree(folder) - before if not path.startswith("home"))
        log = (folder / "log").read_text()
        if disk:
            found["full_disk"] = full_disk(folder)
    found |= {
        "statuses": dict(sorted(statuses.items())),
        "faults": faults,
        "files_outside_home": strangers,
        "key_in_log": KEY in log,
        "errors_in_log": [
            line[:2000] for line in log.splitlines() if '"level": "error"' in line or "Traceback" in line
        ],
        "clip_afterwards": good,
    }
    found["kept"] = not (faults or strangers or KEY in log or found["errors_in_log"]) and good == 200
    found["kept"] &= found["dripping"]["closed"] == dripping_clients
    found["kept"] &= found.get("full_disk", {}).get("kept", True)
    print(json.dumps(found, indent=1))
    sys.exit(not found["kept"])


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
