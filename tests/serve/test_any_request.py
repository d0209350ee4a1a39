"""Any request: it is met, or refused in one line; the server never fails and goes on."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.serving import Service, serving
from made.strategies import WORDS, changed, damaged

from reelm.serve.access import Limits

pytestmark = pytest.mark.slow

GOOD = {"model": "tiny", "prompt": "red", "seed": 1, "num_frames": 1, "height": 16, "width": 24, "fps": 8.0}
GOOD |= {"temperature": 1.0, "top_k": 0, "cfg_scale": 1.0, "negative_prompt": "a", "decoding": "auto", "size": "24x16"}
HEADERS = [
    {},
    {"Range": "bytes=9-1"},
    {"Range": "bytes=" + "0-0," * 500},
    {"Content-Length": "-1"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "application/json; charset=x"},
    {"Transfer-Encoding": "gzip"},
    {"Origin": "http://evil.example"},
    {"Cookie": "reelm-key=%ff"},
    {"traceparent": "00-x-y-z"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
]
HEAD = b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = (
    HEAD.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2] + b"FFFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n"
)
QUERIES = ["", "?limit=0", "?limit=٣", "?after=x", "?a=b&a=c", "?%", "?limit=" + "9" * 5000]


@pytest.fixture(scope="module")
def service(tiny_sound_model, tmp_path_factory) -> Iterator[Service]:
    limits = Limits(clip_pixels=9 * 16 * 24, under_way=1000)
    yield from serving(tiny_sound_model, tmp_path_factory.mktemp("any") / "home", limits=limits)


@pytest.fixture(scope="module")
def routes(service) -> list[tuple[str, str]]:
    """Method and path of every route of the OpenAPI page."""
    _, page = service.json("GET", "/openapi.json")
    return [(method.upper(), path) for path, methods in page["paths"].items() for method in methods]


@st.composite
def forms(draw: Any) -> bytes:
    """Draw a form with a file that is none, and a name that leads elsewhere."""
    field = draw(st.sampled_from(["image", "video", "audio", "mask", "prompt", "unknown"]))
    name = draw(st.sampled_from(["a.png", "../../x", "", "/etc/passwd", "☃.png"]))
    content = draw(damaged(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\2\0\0\0" + bytes(40)))
    parts = [("prompt", "", b"red"), ("num_frames", "", b"1"), (field, name, content)]
    body = b""
    for name, file, value in parts:
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
        body += head.encode() + value + b"\r\n"
    return draw(st.just(body + b"--x--\r\n") | damaged(body + b"--x--\r\n"))


def is_answered_well(service: Service, method: str, path: str, body: Any = None, **headers: str) -> None:
    try:
        status, told, content = service.ask(method, path, body, **headers)
    except (http.client.HTTPException, ConnectionError):  # hung up on, as on who speaks no HTTP
        status, told, content = 400, {}, b""
    assert status < 500 or status in (501, 503, 505), (status, content[-500:])
    if status >= 400 and told.get("content-type", "").startswith("application/json"):
        message = json.loads(content)["error"]["message"]
        assert message and "\n" not in message and "Traceback" not in message
    if status == 202:
        job = service.made(json.loads(content))
        assert (job["error"] or {}).get("code") != "server_error", job
    assert service.ask("GET", "/healthz")[0] == 200


@given(body=changed(GOOD))
@settings(max_examples=40)
def test_any_body_is_met_or_refused_in_a_line(service, body):
    is_answered_well(service, "POST", "/v1/videos", json.dumps(body).encode(), Content_Type="application/json")


@given(body=forms())
def test_any_form_is_met_or_refused_in_a_line(service, body):
    is_answered_well(service, "POST", "/v1/videos", body, Content_Type="multipart/form-data; boundary=x")


@given(data=st.data(), headers=st.sampled_from(HEADERS))
@settings(max_examples=60)
def test_any_route_and_head_are_answered(service, routes, data, headers):
    method, path = data.draw(st.sampled_from(routes))
    for name in ("id", "field"):
        path = path.replace(f"{{{name}}}", quote(data.draw(WORDS), safe=""))
    path += quote(data.draw(st.sampled_from(QUERIES)), safe="?=&%")
    is_answered_well(service, method, path, data.draw(st.sampled_from([None, b"{}"])), **headers)


@given(sent=damaged(HEAD) | st.binary(max_size=200) | st.just(CHUNKED) | st.just(b"GET /" + b"a" * 100_000))
def test_any_bytes_leave_the_server_well(service, sent):
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.settimeout(0.2)
        connection.sendall(sent)
        try:
            answer = connection.recv(4096)
        except (TimeoutError, ConnectionError):  # it waits for more, or hangs up
            answer = b""
    assert not answer.startswith(b"HTTP") or int(answer[9:12]) < 500 or int(answer[9:12]) in (501, 505), answer
    assert service.ask("GET", "/healthz")[0] == 200


def test_nothing_is_written_outside_the_home(service):
    assert [path.name for path in service.home.parent.iterdir()] == ["home"]
