"""What a client with a key must not do: take all there is, learn of clips of others, or stay when it is shut out."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.serving import Service, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from reelm import Clip
from reelm.errors import RequestError
from reelm.serve import engine as engines
from reelm.serve.access import Busy, Keys, Limits, Shares
from reelm.serve.conversions import Conversions
from reelm.serve.job import Job
from reelm.serve.jobs import Jobs
from reelm.serve.preview import Preview
from reelm.serve.ratings import Ratings
from reelm.serve.recordings import Recordings

ADA, GRACE, OPERATOR = ({"Authorization": f"Bearer the-{name}-key"} for name in ("ada", "grace", "operator"))


@pytest.fixture(scope="module")
def service(tiny_sound_model, tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("attacked")
    write_keys(folder / "keys", "ada", "grace", "operator", "leaver")
    limits = Limits(under_way=2, live=1)
    yield from serving(tiny_sound_model, folder / "home", keys=Keys(folder / "keys"), limits=limits)


def write_keys(path: Path, *names: str) -> None:
    path.write_text("".join(f"{name} the-{name}-key\n" for name in names))
    path.chmod(0o600)


def live(service: Service, key: dict[str, str], **options: Any) -> Any:
    return connect(f"ws://127.0.0.1:{service.port}/v1/live", additional_headers=key, **options)


def test_json_is_small(service):
    body = json.dumps({"prompt": "red", "cfg_scale": [1.5] * 200_000})
    form = {"Content-Type": "application/json"}
    status, answer = service.json("POST", "/v1/videos", body + " " * (1 << 20), **form, **ADA)
    assert status == 413 and "1 MiB" in answer["error"]["message"]
    status, answer = service.json("POST", "/v1/videos", {"prompt": "red", "cfg_scale": [1.5] * 1000}, **ADA)
    assert status == 400 and "at most 256 values" in answer["error"]["message"]


def test_a_form_that_is_cut_off_makes_no_clip(service):
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    part = '--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nred\r\n'
    for body in (
        part[:-2],
        part,
        part + "--x",
        part + '--x\r\nContent-Disposition: form-data; name="num_frames"\r\n\r\n5',
    ):
        status, answer = service.json("POST", "/v1/videos", body, **form, **ADA)
        assert status == 400 and "cut off" in answer["error"]["message"]
    assert service.json("POST", "/v1/videos", part + "--x--", **form, **ADA)[0] == 202


def test_a_file_in_the_place_of_words_is_not_told_back(service):
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    body = '--x\r\nContent-Disposition: form-data; name="prompt"; filename="words"\r\n\r\nsecret\r\n--x--'
    status, answer = service.json("POST", "/v1/videos", body, **form, **ADA)
    assert status == 400 and "it must be text" in answer["error"]["message"] and "secret" not in str(answer)


def test_a_body_with_two_lengths_is_refused_and_what_follows_is_not_read(service):
    head = (
        f"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {ADA['Authorization']}\r\nContent-Length: 2\r\n"
    )
    hidden = "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"tracks": [None] * 100_000}, "a clip has at most 64"),
        ({"negative_prompt": "x" * 500_000}, "negative_prompt has 500000 letters"),
        ({"storyboard": [{"prompt": "", "seconds": 1}] * 20_000}, "a storyboard has 20000 shots"),
        ({"keys": [["left"]] * 40_000}, "at most 36000 are made"),
    ],
)
def test_long_lists_are_refused_before_they_are_read(service, asked, says):
    status, answer = service.json("POST", "/v1/videos", {"prompt": "red", **asked}, **ADA)
    assert status == 400 and says in answer["error"]["message"]


def test_many_small_ranges_of_a_file_are_not_met(service):
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5}, **ADA)
    service.made(job, **ADA)
    path = f"/v1/videos/{job['id']}/content"
    assert service.ask("GET", path, Range="bytes=0-1,4-5", **ADA)[0] == 206
    many = "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 99, 2))
    status, headers, content = service.ask("GET", path, Range=many, **ADA)
    assert status == 200 and int(headers["content-length"]) == len(content)


def test_messages_are_small_and_not_packed(service):
    with live(service, ADA, compression="deflate") as socket:
        assert not socket.protocol.extensions
        socket.send(json.dumps({"prompt": "x" * (1 << 16)}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=60)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_a_number_of_many_digits_is_refused_and_the_socket_stays(service):
    with live(service, ADA) as socket:
        socket.send('{"prompt": "red", "seed": ' + "9" * 5000 + "}")
        assert "error" in json.loads(socket.recv(timeout=60))
        socket.send(json.dumps({"prompt": "red"}))
        assert isinstance(socket.recv(timeout=60), bytes)


def test_a_key_has_its_share_of_live_sessions(service):
    with live(service, ADA) as first:
        first.send(json.dumps({"prompt": "red"}))
        assert isinstance(first.recv(timeout=60), bytes)
        with live(service, ADA) as second:
            assert "this key has 1 live sessions" in json.loads(second.recv(timeout=60))["error"]["message"]
        with live(service, GRACE) as other:
            other.send(json.dumps({"prompt": "blue"}))
            assert isinstance(other.recv(timeout=60), bytes)
            with live(service, OPERATOR) as third:  # the server plays two
                assert "too many live sessions" in json.loads(third.recv(timeout=60))["error"]["message"]


def test_of_many_requests_at_once_no_more_are_taken_than_a_key_may_have(service):
    accepted, together = [], threading.Barrier(12)

    def ask() -> None:
        together.wait(30)
        status, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 33}, **GRACE)
        accepted.append(job["id"] if status == 202 else None)
        assert status in (202, 429)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    jobs = [each for each in accepted if each]
    statuses = [service.json("GET", f"/v1/videos/{each}", **GRACE)[1] for each in jobs]
    ended = sum(each["status"] == "completed" for each in statuses)
    assert len(accepted) == 12 and 1 <= len(jobs) <= 2 + ended
    for job in statuses:
        service.made(job, **GRACE)


def test_whether_a_video_of_another_is_there_is_not_told(service):
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5}, **ADA)
    service.made(job, **ADA)
    nobodys = "video_" + "0" * 24
    for path in ("/v1/videos?after={}", "/v1/videos/{}", "/v1/videos/{}/content", "/v1/videos/{}/events"):
        answers = [service.ask("GET", path.format(each), **GRACE) for each in (job["id"], nobodys)]
        assert answers[0][0] == answers[1][0] in (400, 404)
        assert answers[0][2].decode().replace(job["id"], nobodys) == answers[1][2].decode()
    _, own = service.json("POST", "/v1/videos", {"prompt": "blue", "num_frames": 5}, **GRACE)
    service.made(own, **GRACE)
    for each in (job["id"], nobodys):
        status, answer = service.json("POST", f"/v1/videos/{own['id']}/feedback", {"rating": 1, "over": each}, **GRACE)
        assert status == 400 and "no video" in answer["error"]["message"]


def test_the_figures_of_all_are_for_the_operator(service):
    assert service.ask("GET", "/metrics", **ADA)[0] == 403
    assert service.ask("GET", "/metrics", **OPERATOR)[0] == 200


def test_the_cookie_of_a_page_is_read_by_no_script(service):
    status, headers, _ = service.ask("POST", "/v1/session", **ADA)
    cookie = headers["set-cookie"]
    assert (
        status == 204 and {"HttpOnly", "SameSite=strict", "Path=/"} <= {*cookie.split("; ")} and "Secure" not in cookie
    )
    assert service.ask("GET", "/v1/videos", Cookie=cookie.partition(";")[0])[0] == 200
    _, headers, _ = service.ask("POST", "/v1/session", X_Forwarded_Proto="https", **ADA)
    assert "Secure" in headers["set-cookie"]
    assert service.ask("POST", "/v1/session", Authorization="Bearer of-nobody")[0] == 401


def test_who_is_deleted_leaves_no_words(service):
    _, job = service.json("POST", "/v1/videos", {"prompt": "red one", "num_frames": 5}, **ADA)
    service.made(job, **ADA)
    assert service.ask("POST", f"/v1/videos/{job['id']}/feedback", {"rating": 1}, **ADA)[0] == 200
    assert b"red one" in (service.home / "feedback.jsonl").read_bytes()
    assert service.ask("DELETE", f"/v1/videos/{job['id']}", **ADA)[0] == 200
    assert b"red one" not in (service.home / "feedback.jsonl").read_bytes()


def test_a_fault_of_the_server_is_told_in_the_log_alone(service, monkeypatch):
    def break_down(*_: Any) -> None:
        raise ValueError("a secret path")

    monkeypatch.setattr(engines, "JobRunner", break_down)
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5}, **ADA)
    ended = service.made(job, **ADA)
    assert ended["error"] == {"code": "server_error", "message": "the server failed; its log says how"}


def test_a_refusal_does_not_wait_for_the_rest_of_a_body(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
        told = b""
        while piece := connection.recv(4096):  # ends when the server closes
            told += piece
    assert b" 401 " in told and b"content-security-policy" in told.lower()


def test_a_key_that_is_taken_away_ends_what_it_watches(service):
    leaver, keys = {"Authorization": "Bearer the-leaver-key"}, service.home.parent / "keys"
    with live(service, leaver) as socket:
        socket.send(json.dumps({"prompt": "red"}))
        assert isinstance(socket.recv(timeout=60), bytes)
        write_keys(keys, "ada", "grace", "operator")
        piece = None
        with pytest.raises(ConnectionClosed):
            while True:
                piece = socket.recv(timeout=60)
    assert isinstance(piece, str) and "not valid any more" in piece
    assert service.ask("GET", "/v1/videos", **leaver)[0] == 401


def test_folders_of_others_in_a_home_stay(tmp_path):
    for name in ("thesis", "video_of_my_cat"):
        (tmp_path / "jobs" / name).mkdir(parents=True)
    Jobs(tmp_path, 8).close()
    assert sorted(each.name for each in (tmp_path / "jobs").iterdir()) == ["thesis", "video_of_my_cat"]


@pytest.mark.parametrize("name", ["lock", "jobs.sqlite"])
def test_a_home_with_links_in_the_place_of_files_is_refused(tmp_path, name):
    (tmp_path / "of another").write_text("kept")
    home = tmp_path / "home"
    home.mkdir()
    (home / name).symlink_to(tmp_path / "of another")
    with pytest.raises(RequestError, match=name):
        Jobs(home, 8)
    assert (tmp_path / "of another").read_text() == "kept"


def test_files_of_a_home_are_for_its_user_alone(tmp_path):
    Jobs(tmp_path / "home", 8).close()
    assert {os.stat(tmp_path / "home" / name).st_mode & 0o777 for name in ("lock", "jobs.sqlite")} == {0o600}


def test_what_a_key_keeps_is_bounded_and_old_jobs_go(tmp_path):
    jobs = Jobs(tmp_path, 8)
    job = Job(model="tiny", prompt="red", seed=0, settings={}, owner="ada", status="completed", completed_at=100.0)
    jobs.add(job)
    jobs.folder(job.id).mkdir(parents=True)
    (jobs.folder(job.id) / "clip.mp4").write_bytes(b"x" * 1000)
    assert jobs.stored_bytes("ada") == 1000 and jobs.stored_bytes("grace") == 0
    assert jobs.ended_before(99) == [] and jobs.ended_before(101) == [job.id]
    jobs.close()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["ada one-long-key", "ada another-key"], "gives a name twice"),
        (["ada one-long-key", "grace one-long-key"], "gives a key twice"),
        (["ada " + "x" * 600], "must have at most 512 letters"),
    ],
)
def test_keys_that_are_too_long_or_doubled_are_refused(tmp_path, lines, says):
    (tmp_path / "keys").write_text("\n".join(lines))
    with pytest.raises(RequestError, match=says):
        Keys(tmp_path / "keys")


def test_keys_that_can_be_guessed_are_warned_of(tmp_path, caplog):
    (tmp_path / "keys").write_text("ada short\ngrace a-key-of-many-letters\n")
    Keys(tmp_path / "keys")
    assert "'ada'" in caplog.text and "'grace'" not in caplog.text


def test_keys_that_others_can_read_are_warned_of(tmp_path, caplog):
    for mode, warned in ((0o600, False), (0o644, True)):
        write_keys(tmp_path / "keys", "ada")
        (tmp_path / "keys").chmod(mode)
        caplog.clear()
        Keys(tmp_path / "keys")
        assert ("other users" in caplog.text) == warned


def test_a_clip_is_converted_once_for_all_who_ask(tmp_path):
    conversions, made, go_on = Conversions(), [], threading.Event()

    def convert() -> None:
        go_on.wait(30)
        made.append(1)

    async def ask() -> None:
        asking = [asyncio.create_task(conversions.make("ada", tmp_path / "a.gif", convert)) for _ in range(5)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())
    assert made == [1]
    conversions.close()


def test_a_frame_is_encoded_once_for_all_who_look(monkeypatch):
    preview = Preview(np.zeros((8, 8, 3), np.uint8))
    assert preview.encoded() is preview.encoded() and preview.encoded().startswith("data:image/png;base64,")


def test_what_one_has_under_way_is_counted_until_it_ends():
    shares = Shares("answers", 2, in_all=3)
    with shares.one("ada"), shares.one("ada"):
        with pytest.raises(Busy, match="this key has 2 answers"), shares.one("ada"):
            pass
        with shares.one(""), pytest.raises(Busy, match="too many answers"), shares.one("grace"):
            pass
    with shares.one("ada"), shares.one("grace"), shares.one("ada"):
        pass


def test_a_clip_is_rated_once(tmp_path):
    ratings = Ratings(tmp_path / "feedback.jsonl")
    for rating in (1, -1):
        ratings.add({"video": "a", "rating": rating})
    assert (tmp_path / "feedback.jsonl").read_text() == '{"video": "a", "rating": -1}\n'
    assert os.stat(tmp_path / "feedback.jsonl").st_mode & 0o077 == 0


def test_recordings_count_among_what_a_key_keeps(tmp_path):
    jobs, told = Jobs(tmp_path, 8), []
    recordings = Recordings(jobs, 1)
    clip = Clip(video=np.zeros((5, 16, 16, 3), np.uint8), fps=8, info={"prompt": "", "seed": 0})
    for _ in range(2):
        recordings.keep(clip, "tiny", "ada", [], told.append)
    recordings.close()
    assert "recorded" in told[0] and "keeps" in told[1]["error"]["message"]
    jobs.close()


def test_ratings_of_one_clip_go_and_others_stay(tmp_path):
    ratings = Ratings(tmp_path / "feedback.jsonl")
    ratings.forget("a")
    for video in ("a", "b", "a"):
        ratings.add({"video": video, "rating": 1})
    ratings.forget("a")
    assert (tmp_path / "feedback.jsonl").read_text() == '{"video": "b", "rating": 1}\n'
