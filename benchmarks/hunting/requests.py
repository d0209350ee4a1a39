"""Requests to a server that listens: wrong routes, bodies, forms, queries, and bytes that are no HTTP."""

import http.client
import json
import random
import socket
import subprocess
import sys
import time
from typing import Any

from .judge import Fault, Judge
from .media import MUTATIONS
from .mutations import json_bytes, mutated_json

_SECONDS = 30.0  # for an answer
_ASKED: dict[str, Any] = {
    **{"model": "tiny", "prompt": "a red seven", "seed": 1, "num_frames": 5, "height": 16, "width": 24, "fps": 8.0},
    **{
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "cfg_scale": 1.0,
        "negative_prompt": "a",
        "overlap": 1.0,
    },
    **{"decoding": "auto", "best_of": 1, "seconds": "1", "size": "24x16"},
}
_NAMES = ["x", "", "..", "%2e%2e%2f", "%00", "a" * 300, "video_0", "' or 1=1", "%ff", "*", "☃"]
_QUERIES = [
    "",
    "?",
    "?limit=0",
    "?limit=999",
    "?limit=٣",
    "?after=x",
    "?order=up",
    "?format=exe",
    "?format=../x",
    "?a=b&a=c",
    "?variant=x",
    "?model=x",
    "?%",
    "?limit=" + "9" * 5000,
]
_HEADERS = [
    {"Range": "bytes=0-"},
    {"Range": "bytes=-1"},
    {"Range": "bytes=9-1"},
    {"Range": "x=1"},
    {"Range": "bytes=" + "0-0," * 500},
    {"Host": "evil.example"},
    {"Origin": "http://evil.example"},
    {"Authorization": "Bearer \x7f"},
    {"Cookie": "reelm-key=%ff"},
    {"Content-Length": "-1"},
    {"Content-Length": "99999999999"},
    {"Expect": "100-continue"},
    {"Transfer-Encoding": "gzip"},
    {"Content-Type": "text/plain"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "application/json; charset=x"},
    {"traceparent": "00-x-y-z"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
    {"Accept-Encoding": "x"},
    {},
]


class Requests:
    """A server of the tiny model in a process of its own, and what is sent to it."""

    def __init__(self, judge: Judge):
        self._judge = judge
        command = [sys.executable, "-m", "reelm", "serve", "--model", str(judge.area.good / "tiny"), "--port", "0"]
        command += ["--home", str(judge.area.root / "home" / "serve")]
        self._log = (judge.area.root / "home" / "serve.log").open("w")
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self._server.stdout is not None
        self._port = int(self._server.stdout.readline().rpartition(":")[2])
        while self._ask("GET", "/readyz")[0] != 200:
            time.sleep(0.2)
        self._jobs: list[str] = []

    def close(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait(60)

    @property
    def server(self) -> int:
        """The process id of the server, whose memory is looked at."""
        return self._server.pid

    def attempt(self, rng: random.Random) -> None:
        """Send one request; Fault."""
        kind = rng.choice(["json", "json", "json", "form", "route", "route", "raw", "socket", "feedback"])
        getattr(self, f"_{kind}")(rng)
        status, _, _ = self._ask("GET", "/healthz")
        if self._server.poll() is not None or status != 200:
            raise Fault(
                f"the server has status {status}, process {self._server.poll()}", f"a request of the kind {kind}"
            )

    def _json(self, rng: random.Random) -> None:
        names = rng.sample(sorted(_ASKED), rng.randint(1, 5))
        asked = {"prompt": "a", "num_frames": 5} | {name: _ASKED[name] for name in names}
        body = json_bytes(asked, rng)
        route = rng.choice(["/v1/videos", "/v1/videos", "/v1/videos/sync"])
        if "sync" in route and len(body) < 2_000 and rng.random() < 0.5:
            body = json.dumps(mutated_json(asked, rng)).encode()
        self._send("POST", route, body, {"Content-Type": "application/json"})

    def _form(self, rng: random.Random) -> None:
        fields: list[tuple[str, str, bytes]] = [("prompt", "", b"a red seven"), ("num_frames", "", b"5")]
        for name in rng.sample(["image", "last_image", "video", "audio", "mask", "input_reference"], rng.randint(1, 2)):
            source = rng.choice(["picture.png", "clip.mp4", "clip.gif", "sound.wav", "picture.avif", "clip.mkv"])
            data = (self._judge.area.good / source).read_bytes()
            data = rng.choice(MUTATIONS)(data, rng) if rng.random() < 0.7 else data
            fields.append((name, rng.choice([source, "../../x", "", "a\x00b", "☃.png", "/etc/passwd"]), data))
        if rng.random() < 0.3:
            fields.append(
                (
                    rng.choice(["prompt", "num_frames", "x", "", "seed"]),
                    "",
                    rng.choice([b"", b"\xff", b"1e999", b"9" * 5000, b"[[1]]"]),
                )
            )
        edge = "edge"
        body = b""
        for name, file, data in fields:
            about = f'form-data; name="{name}"' + (f'; filename="{file}"' if file or name.endswith("e") else "")
            body += f"--{edge}\r\nContent-Disposition: {about}\r\n\r\n".encode() + data + b"\r\n"
        body += f"--{edge}--\r\n".encode()
        body = rng.choice(MUTATIONS[:2])(body, rng) if rng.random() < 0.2 else body
        self._send("POST", "/v1/videos", body, {"Content-Type": f"multipart/form-data; boundary={edge}"})

    def _route(self, rng: random.Random) -> None:
        one = rng.choice([*_NAMES, *(self._jobs[-3:] * 4)])
        path = rng.choice(
            [
                f"/v1/videos/{one}{rest}"
                for rest in ("", "/content", "/cancel", "/feedback", "/hls/index.m3u8", "/hls/stream.mp4")
            ]
            + [
                "/v1/videos",
                "/v1/models",
                "/metrics",
                "/openapi.json",
                "/healthz",
                "/",
                f"/{one}",
                "/v1/live",
                "//",
                "/%2e%2e/x",
            ]
        )
        method = rng.choice(["GET", "GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "TRACE", "X" * 100])
        self._send(method, path + rng.choice(_QUERIES), rng.choice([None, b"", b"{}"]), rng.choice(_HEADERS))

    def _feedback(self, rng: random.Random) -> None:
        one = rng.choice([*_NAMES, *(self._jobs[-3:] * 4)])
        body = json_bytes({"rating": 1, "over": one, "note": "fine"}, rng)
        self._send("POST", f"/v1/videos/{one}/feedback", body, {"Content-Type": "application/json"})

    def _raw(self, rng: random.Random) -> None:
        head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        data = rng.choice(
            [
                rng.randbytes(100),
                b"\x16\x03\x01" + rng.randbytes(50),
                *(rng.choice(MUTATIONS[:2])(head, rng) for _ in range(4)),
                b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n{}",
            ]
        )

        def send() -> None:
            with socket.create_connection(("127.0.0.1", self._port), timeout=3) as connection:
                connection.settimeout(1)
                connection.sendall(data)
                try:
                    answer = connection.recv(4096)
                except (TimeoutError, ConnectionResetError):
                    return
            _check_status(int(answer[9:12] or 0) if answer.startswith(b"HTTP") else 400, answer, "")

        self._judge.check(f"bytes {data[:200]!r} to the server", send)

    def _socket(self, rng: random.Random) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        asked = rng.choice([{"prompt": "a red seven"}, {"prompt": "a", "seed": 1, "height": 16}])
        lines = [
            rng.choice([json_bytes(asked, rng).decode(errors="replace"), json_bytes(asked, rng)])
            for _ in range(rng.randint(1, 3))
        ]

        def talk() -> None:
            try:
                with connect(
                    f"ws://127.0.0.1:{self._port}/v1/live?model=tiny", open_timeout=20, close_timeout=5
                ) as told:
                    for line in lines:
                        told.send(line)
                    for _ in range(3):
                        answer = told.recv(timeout=20)
                        if isinstance(answer, str) and "error" in json.loads(answer):
                            return
            except (WebSocketException, ConnectionError):
                return
            except TimeoutError:
                raise Fault("nothing is said for 20 s") from None

        self._judge.check(f"to /v1/live: {' then '.join(repr(line[:300]) for line in lines)}", talk)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        path = path.encode("ascii", "xmlcharrefreplace").decode().replace(" ", "%20")
        about = f"{method} {path[:300]} {headers} {(body or b'')[:500]!r}"

        def send() -> None:
            status, kind, answer = self._ask(method, path, body, headers)
            _check_status(status, answer, kind)
            if path == "/v1/videos" and status == 202:
                self._jobs.append(json.loads(answer)["id"])
                self._wait(self._jobs[-1])

        self._judge.check(about, send)

    def _wait(self, job: str) -> None:
        """Wait for a job, which must not fail by a fault of the server."""
        for _ in range(int(_SECONDS * 10)):
            now = json.loads(self._ask("GET", f"/v1/videos/{job}")[2])
            if now["status"] in ("completed", "failed"):
                if (now["error"] or {}).get("code") == "server_error":
                    raise Fault(f"the job failed: {now['error']}")
                return
            time.sleep(0.1)
        raise Fault(f"the job is {now['status']} after {_SECONDS:.0f} s")

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            # A stream of events has no end.
            kind = "" if method == "HEAD" else answer.getheader("content-type", "")  # it has no body
            return answer.status, kind, answer.read(200_000)
        except (http.client.HTTPException, ConnectionError) as error:
            if self._server.poll() is not None:
                raise Fault("the server is gone") from error
            return 400, "", b""
        finally:
            connection.close()


def _check_status(status: int, answer: bytes, kind: str) -> None:
    if status >= 500 and status not in (501, 503, 505):
        raise Fault(f"status {status}: {answer[-300:]!r}")
    if status >= 400 and kind.startswith("application/json"):
        error = json.loads(answer)["error"]
        if not error["message"] or "\n" in error["message"] or "Traceback" in error["message"]:
            raise Fault(f"status {status} says {error['message'][:300]!r}")
