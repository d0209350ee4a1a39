"""Files and waiting over HTTP, without a model: ranges, lists by status, a prefix, the end of a server."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Route

from reelm.errors import RequestError
from reelm.serve.access import Limits
from reelm.serve.events import JobEvents
from reelm.serve.job import Job, grouped
from reelm.serve.jobs import Jobs
from reelm.serve.routes.answers import HANDLERS
from reelm.serve.routes.app import PAGE
from reelm.serve.routes.body import Asked, Upload, preferred_wait
from reelm.serve.routes.files import FileAnswer, Whole
from reelm.serve.run import Leaving

TEXT = b"0123456789"


def asked(path: Path, method: str = "GET", ranges_ignored: bool = False, **headers: str):
    """Return status, headers and content of an answer with a file."""

    async def answer(request):
        return FileAnswer(path, media_type="video/mp4")

    app = Starlette(routes=[Route("/file", answer, methods=["GET", "POST"])], exception_handlers=HANDLERS)  # type: ignore[arg-type]
    sent: list = []
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/file", "query_string": b"", "headers": lines}
    scope |= {"http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.4"}}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    target: Any = Whole(app) if ranges_ignored else app
    asyncio.run(target(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], Headers(raw=sent[0]["headers"]), content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(TEXT)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize(
    "wanted, content",
    [
        ("bytes=2-4", b"234"),
        ("Bytes = 2-4", b"234"),
        ("bytes=2-", b"23456789"),
        ("bytes=-3", b"789"),
        ("bytes=-99", TEXT),
        ("bytes=0-" + "9" * 5000, TEXT),
        ("bytes=9-9", b"9"),
        ("bytes=4-5,99-", b"45"),
        ("bytes=1-2, 2-4", b"1234"),
    ],
)
def test_a_range_is_sent_as_far_as_there_are_bytes(file, wanted, content):
    status, headers, found = asked(file, range=wanted)
    assert (status, found, headers["content-length"]) == (206, content, str(len(content)))
    assert re.fullmatch(r"bytes \d-\d/10", headers["content-range"])


def test_several_ranges_are_parts(file):
    status, headers, found = asked(file, range="bytes=0-1,-2")
    assert status == 206 and headers["content-type"].startswith("multipart/byteranges")
    assert b"\r\n\r\n01\r\n" in found and b"\r\n\r\n89\r\n" in found


@pytest.mark.parametrize(
    "wanted", ["bytes=5-2", "bytes=10-", "bytes=99-100", "bytes=-0", "bytes=", "bytes=a-b", "bytes=-", "bytes=0-1,5-2"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_range_that_cannot_be_met_is_our_error(file, wanted, method):
    status, headers, found = asked(file, method, range=wanted)
    assert (status, headers["content-range"], headers["content-type"]) == (416, "bytes */10", "application/json")
    assert json.loads(found)["error"]["code"] == "wrong_range"


@pytest.mark.parametrize("wanted", ["items=0-5", "5-2", "=", "seconds=1", ""])
def test_a_unit_that_nobody_knows_is_ignored(file, wanted):
    assert asked(file, range=wanted)[::2] == (200, TEXT)


def test_ranges_are_for_reading_the_same_file(file):
    assert asked(file, "POST", range="bytes=5-2")[::2] == (200, TEXT)
    assert asked(file, range="bytes=5-2", if_range='"another"')[::2] == (200, TEXT)
    tag = asked(file)[1]["etag"]
    assert asked(file, range="bytes=5-2", if_range=tag)[0] == 416
    assert asked(file, range="bytes=5-6", if_range=tag)[::2] == (206, b"56")
    assert asked(file, ranges_ignored=True, range="bytes=5-6")[::2] == (200, TEXT)


def test_a_file_that_the_client_has_is_not_sent_again(file):
    told = asked(file)[1]
    tag, date = told["etag"], told["last-modified"]
    for tags in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        status, headers, content = asked(file, if_none_match=tags)
        assert (status, headers["etag"], content) == (304, tag, b"")
        assert asked(file, if_none_match=tags, range="bytes=5-6")[0] == 304
    assert asked(file, if_modified_since=date)[0] == 304
    assert asked(file, if_none_match='"other"', if_modified_since=date)[0] == 200
    assert asked(file, if_none_match='"other"', range="bytes=5-6")[::2] == (206, b"56")
    assert asked(file, "POST", if_none_match=tag)[0] == 200


def test_an_empty_file_and_one_that_is_gone(file):
    file.write_bytes(b"")
    assert asked(file, range="bytes=-5")[::2] == (200, b"")
    status, headers, _ = asked(file, range="bytes=0-")
    assert (status, headers["content-range"]) == (416, "bytes */0")
    file.unlink()
    status, _, found = asked(file)
    assert status == 404 and json.loads(found)["error"]["code"] == "not_found"


def test_jobs_are_listed_by_status(tmp_path):
    jobs = Jobs(tmp_path, 9)
    made = [Job(model="m", prompt=str(number), seed=0, settings={}) for number in range(4)]
    for job in made:
        jobs.add(job)
    assert jobs.claim(1) and jobs.complete(made[0].id) and jobs.claim(1) and jobs.fail(made[1].id, "cancelled", "")

    def prompts(*statuses: str, limit: int = 9, after: str | None = None) -> list[str]:
        return [job.prompt for job in jobs.page(None, after, limit, "asc", statuses)]

    assert (prompts(), prompts("completed"), prompts("queued", "failed")) == (
        ["0", "1", "2", "3"],
        ["0"],
        ["1", "2", "3"],
    )
    assert prompts("queued", limit=1) == ["2"] and prompts("queued", after=made[2].id) == ["3"]
    jobs.close()


def test_listening_ends_with_the_server():
    async def listen() -> list[bool]:
        events = JobEvents()
        asyncio.get_running_loop().call_later(0.05, events.close)
        return [told async for told in events.of("video", 60.0)]

    assert asyncio.run(asyncio.wait_for(listen(), 5)) == [True, True]


def test_a_server_that_ends_first_ends_the_answers_of_its_listeners():
    app, events, heard = Starlette(), JobEvents(), []

    async def listen() -> None:
        heard.extend([told async for told in events.of("video", 60.0)])

    async def serve() -> None:
        app.state.hang_up = events.close
        server = Leaving(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        listening = asyncio.create_task(listen())
        asyncio.get_running_loop().call_later(0.3, setattr, server, "should_exit", True)
        await server.serve()
        await asyncio.wait_for(listening, 5)

    asyncio.run(serve())
    assert heard == [True, True]


@pytest.mark.parametrize(
    "prefer, seconds",
    [
        ("wait=50", 50),
        ('respond-async, wait="7"', 7),
        ("respond-async", 0),
        ("handling=lenient", None),
        ("await=3", None),
    ],
)
def test_a_client_says_how_long_it_waits(prefer, seconds):
    assert preferred_wait(Headers({"prefer": prefer})) == seconds


def test_the_page_works_under_any_prefix():
    files = [path for path in PAGE.iterdir() if path.suffix in (".html", ".js", ".css")]
    assert files
    for path in files:
        assert not re.search(r"""["'`(=]/(?!/)[\w.]""", path.read_text()), path.name


def test_a_storyboard_is_a_setting_and_its_pictures_are_files(tmp_path: Path):
    shots = [{"prompt": "a <1>", "seconds": 1.0, "camera": "zoom in"}, {"prompt": "<2>", "seconds": 1.0, "cut": False}]
    asked = Asked(
        {"storyboard": shots, "references": [Upload("1.png", b"one"), Upload("2.png", b"two")]}, "demo", Limits()
    )
    assert asked.settings == {"storyboard": shots}
    asked.write(tmp_path)
    job = Job(
        model="demo",
        prompt="",
        seed=0,
        settings=asked.settings,
        uploads={name: file.name for name, file in asked.files.items()},
    )
    files = grouped(job.paths(tmp_path))["references"]
    assert [Path(file).read_bytes() for file in files] == [b"one", b"two"]
    assert grouped(job.uploads) == {"references": ["1.png", "2.png"]}


@pytest.mark.parametrize(
    ("shot", "said"),
    [
        ({"prompt": "a <1>", "seconds": 1.0, "references": ["/etc/passwd"]}, "send references as files"),
        ({"prompt": "a" * 3000, "seconds": 1.0}, "3000 letters"),
        ({"prompt": "a", "seconds": 1.0, "mood": "sad"}, "shot 1 has 'mood'"),
    ],
)
def test_a_storyboard_that_no_server_takes_is_refused(shot, said):
    with pytest.raises(RequestError, match=said):
        Asked({"storyboard": [shot]}, "demo", Limits())
