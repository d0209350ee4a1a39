"""Other programs and a real server: the node of ComfyUI, the MCP server as a process, a collector of traces."""

import gzip
import importlib.util
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made.serving import Service, serving
from PIL import Image

from reelm import Clip
from reelm.errors import RequestError
from reelm.serve.access import Keys
from reelm.serve.traces import Traces

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
KEY = "a-key"
LONG = 400  # frames of a clip that is still under way when it is stopped


@pytest.fixture(scope="module")
def traces() -> Iterator[list[bytes]]:
    """What a collector of OpenTelemetry was sent; the servers of this file send to it where they can."""
    sent: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            assert self.path == "/v1/traces"
            content = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(gzip.decompress(content) if self.headers["Content-Encoding"] == "gzip" else content)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as listening, pytest.MonkeyPatch.context() as patch:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        if importlib.util.find_spec("opentelemetry") is not None:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{listening.server_port}")
            patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield sent
        listening.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(tiny_sound_model, tmp_path_factory, traces) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("plugged")
    (folder / "keys").write_text(f"ada {KEY}\n")
    yield from serving(tiny_sound_model, folder / "home", keys=Keys(folder / "keys"))


@pytest.fixture
def address(service, monkeypatch) -> str:
    monkeypatch.setenv("REELM_SERVER", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("REELM_KEY", KEY)
    return f"http://127.0.0.1:{service.port}"


def newest(service: Service) -> dict[str, Any]:
    return service.json("GET", "/v1/videos?limit=1", Authorization=f"Bearer {KEY}")[1]["data"][0]


class Comfy:
    """What the node asks of ComfyUI, which is no package: the names, and what they give, are those of its source."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.told: list[int] = []
        self.interrupted = False
        bar = SimpleNamespace(update_absolute=self.told.append)
        self._add(monkeypatch, "comfy")
        self._add(monkeypatch, "comfy.utils", ProgressBar=lambda total: bar)
        self._add(monkeypatch, "comfy.model_management", throw_exception_if_processing_interrupted=self._look)
        place = str(folder), "reelm", 1, "", "reelm"
        self._add(
            monkeypatch,
            "folder_paths",
            get_output_directory=lambda: str(folder),
            get_save_image_path=lambda prefix, output: place,
        )
        if importlib.util.find_spec("torch") is None:
            self._add(monkeypatch, "torch", from_numpy=lambda array: array)

    def _look(self) -> None:
        if self.interrupted and self.told:
            raise InterruptedError

    def _add(self, monkeypatch: pytest.MonkeyPatch, name: str, **holds: Any) -> None:
        module = ModuleType(name)
        vars(module).update(holds)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def node(monkeypatch) -> Any:
    """The node's class, loaded from its folder as ComfyUI does it."""
    path = ROOT / "integrations/comfyui/__init__.py"
    spec = importlib.util.spec_from_file_location("custom_node", path, submodule_search_locations=[str(path.parent)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    for name in ("", ".client", ".frames", ".node"):
        monkeypatch.delitem(sys.modules, f"custom_node{name}", raising=False)
    monkeypatch.setitem(sys.modules, "custom_node", module)
    spec.loader.exec_module(module)
    assert module.NODE_CLASS_MAPPINGS.keys() == module.NODE_DISPLAY_NAME_MAPPINGS.keys()
    return next(iter(module.NODE_CLASS_MAPPINGS.values()))


@pytest.fixture
def refused(node) -> type[Exception]:
    """What the client raises."""
    return sys.modules["custom_node.client"].Refused


def test_the_node_makes_the_clip_of_the_server(service, address, node, tmp_path, monkeypatch):
    comfy, image = Comfy(tmp_path, monkeypatch), np.full((1, 16, 24, 3), 0.5, np.float32)
    inputs = node.INPUT_TYPES()
    assert [*inputs["required"], *inputs["optional"]] == [*node.make.__annotations__][:-1]
    made = getattr(node(), node.FUNCTION)(prompt="red", seed=3, num_frames=9, model="tiny", image=image)
    images, audio, fps, path = made["result"]
    assert len(made["result"]) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    expected = Clip.open(path)
    assert (expected.info["seed"], fps) == (3, expected.fps)
    images, waveform = np.asarray(images), np.asarray(audio["waveform"])
    assert images.dtype == np.float32
    np.testing.assert_array_equal((images * 255).round(), expected.video)
    assert audio["sample_rate"] == expected.sample_rate and waveform.dtype == np.float32
    assert expected.audio is not None and waveform.shape[:2] == (1, expected.audio.shape[1])
    heard = min(waveform.shape[2], len(expected.audio))
    np.testing.assert_allclose(waveform[0, :, :heard], expected.audio[:heard].T, atol=1e-6)
    assert comfy.told[-1] == 100 and comfy.told == sorted(comfy.told)
    assert made["ui"]["images"] == [{"filename": "reelm_00001_.mp4", "subfolder": "", "type": "output"}]
    assert (tmp_path / made["ui"]["images"][0]["filename"]).read_bytes() == Path(path).read_bytes()


@pytest.mark.parametrize(
    ("pixel", "shown"), [([0.5], [128] * 3), ([1, 0.5, 0], [255, 128, 0]), ([1, 0.5, 0, 0.5], [128, 64, 0])], ids=str
)
def test_a_picture_of_comfyui_becomes_rgb_whatever_its_channels(pixel, shown):
    spec = importlib.util.spec_from_file_location("frames", ROOT / "integrations/comfyui/frames.py")
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(frames := importlib.util.module_from_spec(spec))
    written = frames.write_png(np.broadcast_to(np.array(pixel, np.float32), (2, 4, 6, len(pixel))))
    with Image.open(io.BytesIO(written)) as image:
        np.testing.assert_array_equal(np.asarray(image), np.broadcast_to(np.array(shown, np.uint8), (4, 6, 3)))


def test_what_is_interrupted_in_comfyui_stops_on_the_server(service, address, node, tmp_path, monkeypatch):
    Comfy(tmp_path, monkeypatch).interrupted = True
    with pytest.raises(InterruptedError):
        node().make("red", 0, LONG)
    assert (newest(service)["error"] or {}).get("code") == "cancelled"
    assert not list(tmp_path.iterdir())


def test_the_client_says_what_is_wrong(service, address, node, refused):
    client = sys.modules["custom_node.client"].Client

    def make(client: Any, **settings: Any) -> None:
        client.make(settings, {}, lambda percent: None)

    with pytest.raises(refused, match="did you mean 'prompt'"):
        make(client(), promt="red")
    with pytest.raises(refused, match="served are tiny"):
        make(client(), prompt="red", model="none")
    # A workflow from elsewhere may name any server: the key of the environment is not for it.
    with pytest.raises(refused, match="send a key"):
        make(client(address), prompt="red")
    assert [each["id"] for each in client(address, KEY).models()] == ["tiny"]
    with pytest.raises(refused, match="start one with `reelm serve`"):
        client("http://127.0.0.1:1").models()
    for wrong in ("127.0.0.1:8000", "ftp://a", "http://", "http://[", "http://a:b", "file:///etc/passwd"):
        with pytest.raises(refused, match="it must be like http"):
            client(wrong)
    with pytest.raises(refused, match="one line"):
        client(address, "a\nb")


class Mcp:
    """The MCP server as a process."""

    def __init__(self, folder: Path):
        command = [sys.executable, str(ROOT / "integrations/mcp/server.py"), "--folder", str(folder)]
        command += ["--pictures", str(folder.parent / "pictures")]
        pipe = subprocess.PIPE
        # Windows has such a locale; JSON is UTF-8 everywhere.
        surroundings = {**os.environ, "PYTHONIOENCODING": "cp1252"}
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=surroundings)
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def say(self, line: Any) -> None:
        assert self._process.stdin is not None
        message = (
            json.dumps({"jsonrpc": "2.0", **line}, ensure_ascii=False).encode() if isinstance(line, dict) else line
        )
        self._process.stdin.write(message + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        return self._said.get(timeout=60)

    def ask(self, number: int, method: str, **params: Any) -> dict[str, Any]:
        """Ask, and return the answer; the notifications before it are under "notified"."""
        self.say({"id": number, "method": method, "params": params})
        notified = []
        while (message := self.hear()).get("id") != number:
            notified.append(message)
        return {**message, "notified": notified}

    def call(self, number: int, name: str, **arguments: Any) -> dict[str, Any]:
        about = {"_meta": {"progressToken": "mine"}}
        return self.ask(number, "tools/call", name=name, arguments=arguments, **about)

    def close(self) -> None:
        """Close its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> str:
        """Close its input and wait for its end; return what it wrote to its log."""
        self.close()
        assert self._process.stderr is not None
        try:
            assert self._process.wait(30) == 0
            return self._process.stderr.read().decode()
        finally:
            self._process.kill()
            self._process.wait(30)
            self._reader.join(30)
            self._process.stderr.close()
            assert self._process.stdout is not None
            self._process.stdout.close()


@pytest.fixture
def mcp(address, tmp_path) -> Iterator[Mcp]:
    started = Mcp(tmp_path / "clips")
    yield started
    assert started.end() == ""


def test_mcp_agrees_on_a_version_and_lists_its_tools(mcp):
    for asked, agreed in (("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")):
        told = mcp.ask(1, "initialize", protocolVersion=asked, capabilities={}, clientInfo={})["result"]
        assert told["protocolVersion"] == agreed and told["capabilities"] == {"tools": {}}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert told["serverInfo"] == {"name": "reelm", "version": version}
    mcp.say({"method": "notifications/initialized"})
    assert mcp.ask(2, "ping")["result"] == {}
    assert [tool["name"] for tool in mcp.ask(3, "tools/list")["result"]["tools"]] == ["make_video", "list_models"]


def test_mcp_sends_no_file_but_those_in_the_folders_that_are_named(mcp, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (tmp_path / "secret").write_text("mine")
    (pictures / "link.png").symlink_to(tmp_path / "secret")
    os.mkfifo(pictures / "pipe.png")
    with open(pictures / "large.png", "wb") as file:
        file.truncate((64 << 20) + 1)
    for name, says in (
        (tmp_path / "secret", "lies outside"),
        (pictures / ".." / "secret", "lies outside"),
        (pictures / "link.png", "lies outside"),
        (pictures / "pipe.png", "not a regular file"),
        (pictures / "large.png", "larger than 64 MiB"),
    ):
        result = mcp.call(1, "make_video", prompt="red", image=str(name))["result"]
        assert result["isError"] and says in result["content"][0]["text"]


def test_mcp_makes_a_clip_and_tells_how_far_it_is(mcp, tmp_path):
    assert mcp.call(1, "list_models")["result"]["structuredContent"]["models"][0]["id"] == "tiny"
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (24, 16), "red").save(tmp_path / "pictures" / "first.png")
    picture = str(tmp_path / "pictures" / "first.png")
    answer = mcp.call(2, "make_video", prompt="red", seed=7, num_frames=9, image=picture)
    result = answer["result"]
    made = result["structuredContent"]
    assert not result["isError"] and json.loads(result["content"][0]["text"]) == made
    assert (made["seed"], made["size"], Path(made["path"]).parent) == (7, "24x16", tmp_path / "clips")
    clip = Clip.open(made["path"])
    assert len(clip.video) == 9 and clip.info["seed"] == 7
    told = [each["params"] for each in answer["notified"]]
    assert told[-1] == {"progressToken": "mine", "progress": 100, "total": 100}


def test_mcp_says_what_is_wrong(mcp, tmp_path):
    for arguments, words in (
        ({}, "'prompt' is missing"),
        ({"prompt": 3}, "prompt is 3; it must be string"),
        ({"prompt": "red", "frames": 3}, "no argument 'frames'"),
        ({"prompt": "red", "model": "无"}, "there is no model '无'; served are tiny"),
        ({"prompt": "red", "image": str(tmp_path / "pictures" / "none.png")}, "No such file"),
    ):
        result = mcp.call(1, "make_video", **arguments)["result"]
        assert result["isError"] and words in result["content"][0]["text"]
    assert mcp.ask(2, "tools/call", name="none")["error"]["code"] == -32602
    assert mcp.ask(3, "resources/list")["error"]["code"] == -32601
    for line, code in ((b"{", -32700), (b'{"id": "\xff"}', -32700), (b"[]", -32600), (b'{"id": 1}', -32600)):
        mcp.say(line)
        assert mcp.hear()["error"]["code"] == code


@pytest.mark.parametrize("way", ["cancelled", "closed"])
def test_what_is_stopped_by_mcp_stops_on_the_server(service, mcp, way):
    about = {"name": "make_video", "arguments": {"prompt": "red", "num_frames": LONG}, "_meta": {"progressToken": 1}}
    mcp.say({"id": "long", "method": "tools/call", "params": about})
    mcp.hear()  # of its progress: the job is there
    assert mcp.ask(5, "ping")["result"] == {}  # heard meanwhile
    if way == "cancelled":
        mcp.say({"method": "notifications/cancelled", "params": {"requestId": "long"}})
    else:
        mcp.close()
    done = service.made(newest(service), Authorization=f"Bearer {KEY}")
    assert (done["error"] or {}).get("code") == "cancelled"


def test_a_clip_leaves_a_trace(service, traces):
    found = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

    def ask(number: int, frames: int) -> tuple[dict[str, Any], dict[str, str]]:
        parent = {"traceparent": f"00-{number:032x}-{number:016x}-01", "Authorization": f"Bearer {KEY}"}
        status, job = service.json("POST", "/v1/videos", {"prompt": "seven", "num_frames": frames}, **parent)
        assert status == 202
        return job, parent

    def spans(number: int, count: int) -> dict[str, Any]:
        each: list[Any] = []
        for _ in range(200):
            each = [
                span
                for content in list(traces)
                for about in found.ExportTraceServiceRequest.FromString(content).resource_spans
                for scope in about.scope_spans
                for span in scope.spans
                if span.trace_id == number.to_bytes(16)
            ]
            if len(each) >= count:
                return {span.name: span for span in each}
            time.sleep(0.05)
        raise AssertionError(f"{len(each)} spans of {count} came")

    job, headers = ask(7, 5)
    service.made(job, **headers)
    kept = spans(7, 4)
    assert kept.keys() == {"request", "queue", "decode", "save"}
    assert kept["request"].parent_span_id == (7).to_bytes(8)
    later = [kept[name] for name in ("queue", "decode", "save")]
    assert {span.parent_span_id for span in later} == {kept["request"].span_id}
    times = [time for span in later for time in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert times == sorted(times) and not any(span.status.code for span in later)
    about = {each.key: each.value.string_value for each in kept["decode"].attributes}
    assert (about["reelm.job"], about["reelm.model"], about["reelm.size"]) == (job["id"], "tiny", "24x16")

    job, headers = ask(8, LONG)
    while service.json("GET", f"/v1/videos/{job['id']}", **headers)[1]["status"] == "queued":
        time.sleep(0.01)
    assert service.ask("POST", f"/v1/videos/{job['id']}/cancel", **headers)[0] == 200
    stopped = spans(8, 3)["decode"]
    assert stopped.status.code == 2 and "cancelled" in str(stopped.attributes)
    assert b"seven" not in b"".join(traces)


def test_without_a_collector_nothing_is_traced(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    with Traces().request({"traceparent": "00-1-1-01"}) as trace:
        assert trace == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(RequestError, match=r"make env EXTRAS=otel"):
        Traces()
