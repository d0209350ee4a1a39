"""The server over HTTP: clips are those of `generate`, jobs have one end, and nothing hostile passes."""

import errno
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.serving import Service, serving
from PIL import Image
from starlette.routing import Route
from websockets.sync.client import connect

from reelm import Clip
from reelm.serve.access import Keys, Limits
from reelm.serve.job import Job

pytestmark = pytest.mark.slow

HOT = {"temperature": 5.0, "num_frames": 9}  # the tiny model is sure of itself


@pytest.fixture(scope="module")
def service(tiny_sound_model, tmp_path_factory) -> Iterator[Service]:
    yield from serving(tiny_sound_model, tmp_path_factory.mktemp("serve"), price_per_kwh=0.3)


def opened(folder: Path, content: bytes) -> Clip:
    (folder / "answer.mp4").write_bytes(content)
    return Clip.open(folder / "answer.mp4")


def png(height: int, width: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(written, "png")
    return written.getvalue()


def multipart(fields: dict[str, Any], files: dict[str, bytes]) -> tuple[bytes, str]:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files.items():
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="../../{name}.png"\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


def test_clips_that_come_together_are_those_of_generate_and_nothing_is_compiled_for_them(service, tmp_path):
    def compiled() -> str:
        text = service.ask("GET", "/metrics")[2].decode()
        return next(line for line in text.splitlines() if line.startswith("reelm_compilations_after_warm_up"))

    before = compiled()
    asked = [
        {"prompt": prompt, "seed": seed, **HOT} for seed, prompt in enumerate(("a red seven moves", "blue", "two"))
    ]
    asked[1]["num_frames"] = 13
    jobs = []
    for each in asked:
        status, job = service.json("POST", "/v1/videos", each)
        assert status == 202 and job["status"] == "queued" and job["object"] == "video"
        jobs.append(job)
        time.sleep(0.05)
    for each, job in zip(asked, jobs, strict=True):
        done = service.made(job)
        assert (done["status"], done["progress"], done["size"]) == ("completed", 100, "24x16"), done
        status, headers, content = service.ask("GET", f"/v1/videos/{job['id']}/content")
        assert (status, headers["content-type"]) == (200, "video/mp4")
        clip = opened(tmp_path, content)
        expected = service.model.generate(each["prompt"], **{k: v for k, v in each.items() if k != "prompt"})
        expected.save(tmp_path / "expected.mp4")
        np.testing.assert_array_equal(clip.video, Clip.open(tmp_path / "expected.mp4").video)
        assert clip.info["forwards"] == expected.info["forwards"]
    assert compiled() == before
    _, page = service.json("GET", "/v1/videos?limit=2&order=asc")
    assert [job["id"] for job in page["data"]] == [jobs[0]["id"], jobs[1]["id"]] and page["has_more"]
    _, rest = service.json("GET", f"/v1/videos?order=asc&after={page['last_id']}")
    assert rest["data"][0]["id"] == jobs[2]["id"]


def figures(service: Service) -> dict[str, float]:
    """The figures of /metrics, by name with labels."""
    lines = service.ask("GET", "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_what_clips_take_is_counted(service, tmp_path):
    energy = 'energy_joules_{}{{boundary="process",method="estimated"}}'
    before = figures(service)
    jobs = [service.json("POST", "/v1/videos", {"prompt": "red", "seed": seed, **HOT})[1] for seed in range(4)]
    for job in jobs:
        assert service.made(job)["status"] == "completed"
    contents = [service.ask("GET", f"/v1/videos/{job['id']}/content")[2] for job in jobs]
    told = [opened(tmp_path, content).info["energy"] for content in contents]
    after = figures(service)
    more = {name: value - before.get(name, 0.0) for name, value in after.items()}
    assert {each["method"] for each in told} == {"estimated"} and min(each["joules"] for each in told) > 0
    of_clips = more["reelm_clip_" + energy.format("sum")]
    # A file cannot name what it took to save it.
    assert sum(each["joules"] for each in told) < of_clips < more["reelm_" + energy.format("total")]
    assert more["reelm_clip_cost_sum"] == pytest.approx(of_clips / 3.6e6 * 0.3)
    assert more["reelm_first_frame_seconds_count"] == more["reelm_job_seconds_count"] == 4
    frames = 4 * service.model.latent_frames(HOT["num_frames"])  # and perhaps one that was drawn ahead of each
    assert frames <= more["reelm_batch_clips_sum"] <= more["reelm_batch_rows_total"] <= frames + 4


def test_the_dashboard_asks_for_figures_that_there_are(service):
    text = service.ask("GET", "/metrics")[2].decode()
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
    known: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        known |= {name + suffix for suffix in suffixes.get(kind, ("",))}
    dashboard = (Path(__file__).parents[2] / "integrations/grafana/reelm.json").read_text()
    asked = {target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"]}
    named = {name for each in asked for name in re.findall(r"\b(?:reelm|process)_\w+", each)}
    assert len(asked) > 15 and named <= known, named - known
    ours = {name for name in known if name.startswith("reelm_") and not name.endswith("_created")}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in ours}
    assert families == {re.sub("_(bucket|sum|count)$", "", name) for name in named if name.startswith("reelm_")}


def test_a_clip_is_watched_while_it_is_made(service, tmp_path):
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "seed": 3, **HOT})
    stream = service.ask("GET", f"/v1/videos/{job['id']}/stream")[2]
    assert len(opened(tmp_path, stream).video) == HOT["num_frames"]
    status, headers, listed = service.ask("GET", f"/v1/videos/{job['id']}/hls/index.m3u8")
    assert (status, headers["content-type"]) == (200, "application/vnd.apple.mpegurl")
    assert listed.decode().splitlines()[-1] == "#EXT-X-ENDLIST"
    ranges = [each.split("@") for each in re.findall(r"BYTERANGE[:=]\"?(\d+@\d+)", listed.decode())]
    played = b""
    for length, begin in ranges:
        span = f"bytes={begin}-{int(begin) + int(length) - 1}"
        status, _, part = service.ask("GET", f"/v1/videos/{job['id']}/hls/stream.mp4", Range=span)
        assert (status, len(part)) == (206, int(length))
        played += part
    assert stream.startswith(played) and len(opened(tmp_path, played).video) == HOT["num_frames"]
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "seed": 4, **HOT})
    events = service.ask("GET", f"/v1/videos/{job['id']}/events")[2].decode()
    told = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    assert told[-1]["status"] == "completed" and any("image" in each for each in told)
    status, headers, part = service.ask("GET", f"/v1/videos/{job['id']}/content", Range="bytes=4-7")
    assert (status, part) == (206, b"ftyp")
    assert service.ask("GET", f"/v1/videos/{job['id']}/content?format=webp")[2][:4] == b"RIFF"


def test_a_file_has_the_size_that_is_asked_for_and_says_what_it_is(service, tmp_path):
    _, job = service.json("POST", "/v1/videos", {"prompt": "红<b>", "seed": 5, "num_frames": 5})
    assert service.made(job)["status"] == "completed"
    path = f"/v1/videos/{job['id']}"
    small, large = (service.ask("GET", f"{path}/content?format=webp&scale={scale}")[2] for scale in (1, 3))
    with Image.open(io.BytesIO(small)) as one, Image.open(io.BytesIO(large)) as other:
        hard = np.kron(np.asarray(one.convert("RGB")), np.ones((3, 3, 1), np.uint8))
        np.testing.assert_array_equal(np.asarray(other.convert("RGB")), hard)
    _, headers, poster = service.ask("GET", f"{path}/content?format=png&scale=2")
    assert headers["content-disposition"].endswith("''%E7%BA%A2-b-seed-5.png")
    with Image.open(io.BytesIO(poster)) as file:
        assert file.size == (48, 32)
    for scale in ("0", "17", "x", "1.5", "", "-1"):
        status, answer = service.json("GET", f"{path}/content?scale={scale}")
        assert status == 400 and "it must be a whole number from 1 to 16" in answer["error"]["message"]
    page = service.ask("GET", f"{path}/page")[2].decode()
    assert 'og:title" content="红&lt;b&gt;"' in page and "<b>" not in page
    assert f'og:image" content="http://127.0.0.1:{service.port}{path}/content?format=png' in page
    for prefix, shown in (("/films/", "/films"), ('/"><b>', ""), ("//other.example", "")):
        _, _, content = service.ask("GET", f"{path}/page", X_Forwarded_Prefix=prefix)
        assert f'og:url" content="http://127.0.0.1:{service.port}{shown}{path}/page"' in content.decode()
    assert service.ask("GET", "/v1/videos/video_0/page")[0] == 404


def test_a_picture_is_sent_along_and_no_name_of_a_file_leads_anywhere(service, tmp_path):
    body, kind = multipart({"prompt": "red", "seed": "7", "num_frames": "5"}, {"image": png(16, 24)})
    status, _, content = service.ask("POST", "/v1/videos/sync", body, Content_Type=kind)
    assert status == 200 and opened(tmp_path, content).info["seed"] == 7
    assert {path.name for path in service.home.iterdir()} <= {
        "jobs",
        "jobs.sqlite",
        "jobs.sqlite-wal",
        "jobs.sqlite-shm",
        "lock",
        "feedback.jsonl",
    }


def test_the_sound_of_a_film_is_kept_in_the_stream_and_in_the_file(service, tmp_path):
    seconds = np.arange(13 * 6_000) / 48_000
    tones = 0.5 * np.sin(2 * np.pi * np.stack([440 * seconds, 660 * seconds], axis=-1)).astype(np.float32)
    Clip(np.full((13, 16, 24, 3), 90, np.uint8), 8.0, tones, 48_000).save(tmp_path / "film.mp4")
    form = multipart({"prompt": "red", "num_frames": "13", "retake": "[0.75,1.0]"}, {})[0][:-7]
    film = (tmp_path / "film.mp4").read_bytes()
    form += (
        b'--x\r\nContent-Disposition: form-data; name="video"; filename="film.mp4"\r\n\r\n' + film + b"\r\n--x--\r\n"
    )
    _, job = service.json("POST", "/v1/videos", form, Content_Type="multipart/form-data; boundary=x")
    stream = service.ask("GET", f"/v1/videos/{job['id']}/stream")[2]
    for content in (stream, service.ask("GET", f"/v1/videos/{job['id']}/content")[2]):
        heard = opened(tmp_path, content)
        assert heard.sample_rate == 48_000 and heard.audio is not None and heard.audio.shape == tones.shape
        for part in (slice(4_800, 30_000), slice(55_000, 76_000)):  # the codec loses a little
            spectra = np.abs(np.fft.rfft(heard.audio[part], 48_000, axis=0))
            np.testing.assert_array_equal(spectra.argmax(0), [440, 660])
            np.testing.assert_allclose(np.std(heard.audio[part], axis=0), np.std(tones[part], axis=0), rtol=0.1)


def test_what_is_cancelled_or_deleted_ends_and_leaves_nothing(service):
    long = {"prompt": "red", "num_frames": 400}
    _, first = service.json("POST", "/v1/videos", long)
    _, second = service.json("POST", "/v1/videos", long)
    assert service.ask("GET", f"/v1/videos/{first['id']}/content")[0] == 409
    status, job = service.json("POST", f"/v1/videos/{first['id']}/cancel")
    assert (status, job["status"], job["error"]["code"]) == (200, "failed", "cancelled")
    assert service.json("DELETE", f"/v1/videos/{second['id']}")[1]["deleted"]
    assert service.ask("GET", f"/v1/videos/{second['id']}")[0] == 404
    _, after = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 5})
    assert service.made(after)["status"] == "completed"
    assert not (service.home / "jobs" / second["id"]).exists()


def test_a_client_that_waits_for_a_while_gets_the_job_and_finds_the_clip_later(service):
    long = {"prompt": "red", "num_frames": 81}
    status, headers, content = service.ask("POST", "/v1/videos/sync", long, Prefer="wait=0")
    job = json.loads(content)
    assert (status, headers["location"]) == (202, job["id"])
    _, listed = service.json("GET", "/v1/videos?status=queued,in_progress")
    assert job["id"] in [each["id"] for each in listed["data"]]
    assert service.made(job)["status"] == "completed"
    _, listed = service.json("GET", "/v1/videos?status=completed&limit=1")
    assert [each["id"] for each in listed["data"]] == [job["id"]]
    assert service.json("GET", "/v1/videos?status=done")[0] == 400
    content = f"/v1/videos/{job['id']}/content"
    assert service.ask("GET", content, Range="bytes=4-7")[::2] == (206, b"ftyp")
    status, found = service.json("GET", content, Range="bytes=5-2")
    assert (status, found["error"]["code"]) == (416, "wrong_range")
    assert service.ask("GET", "/page.js", Range="bytes=5-2")[0] == 200
    assert service.ask("POST", "/v1/videos/sync", {"prompt": "red", "num_frames": 5}, Prefer="wait=60")[0] == 200


def test_a_full_disk_fails_one_job_and_the_queue_goes_on(service, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Clip, "save", full)  # nothing here can fill a real disk
        status, answer = service.json("POST", "/v1/videos/sync", {"prompt": "red", "num_frames": 5})
    assert (status, answer["error"]["code"]) == (507, "disk_full")
    assert service.ask("POST", "/v1/videos/sync", {"prompt": "red", "num_frames": 5})[0] == 200


def test_the_client_of_openai_makes_a_video(service, tmp_path):
    openai = pytest.importorskip("openai", reason="openai is not installed")
    client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{service.port}/v1")
    with pytest.warns(DeprecationWarning):
        video = client.videos.create(model="tiny", prompt="red", seconds="1", size="24x16")
        while video.status in ("queued", "in_progress"):
            video = client.videos.retrieve(video.id)
        client.videos.download_content(video.id).write_to_file(tmp_path / "clip.mp4")
        with pytest.raises(openai.BadRequestError, match="it must be video"):
            client.videos.download_content(video.id, variant="thumbnail")
        assert video.id in [each.id for each in client.videos.list(limit=3)]
        assert client.videos.delete(video.id).deleted
        begun = client.videos.create(prompt="red", input_reference=("first.png", png(16, 24)), extra_body={"seed": 3})
        assert begun.model_extra is not None and begun.model_extra["seed"] == 3
    assert video.status == "completed" and len(Clip.open(tmp_path / "clip.mp4").video) == 8
    client.close()


def test_live_words_change_while_it_plays(service, tmp_path):
    with connect(f"ws://127.0.0.1:{service.port}/v1/live?model=tiny") as socket:
        socket.send(json.dumps({"prompt": "red", "seed": 1}))
        pieces = [socket.recv(timeout=60) for _ in range(2)]
        socket.send(json.dumps({"prompt": "blue"}))
        pieces += [socket.recv(timeout=60) for _ in range(3)]
        socket.send(json.dumps({"prompt": "two", "cut": True}))
        socket.send(json.dumps({"keys": ["left"]}))
        pieces += [socket.recv(timeout=60) for _ in range(4)]
    [told] = [json.loads(piece) for piece in pieces if isinstance(piece, str)]
    assert "'tiny' was not trained to be played" in told["error"]["message"]  # and the clip goes on
    played = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert len(opened(tmp_path, played).video) >= 9
    with connect(f"ws://127.0.0.1:{service.port}/v1/live") as socket:
        for message in ("{", "null", b'{"prompt": "red"}'):
            socket.send(message)
            assert "a message must be" in json.loads(socket.recv(timeout=60))["error"]["message"]
        socket.send(json.dumps({"prompt": "red"}))
        assert isinstance(socket.recv(timeout=60), bytes)


def test_a_live_clip_tells_what_it_refuses_and_plays_on(service):
    with connect(f"ws://127.0.0.1:{service.port}/v1/live") as socket:

        def told() -> str:
            while isinstance(piece := socket.recv(timeout=60), bytes):
                pass
            return json.loads(piece)["error"]["message"]

        for wrong, says in (("[]", "a message must be"), ('{"prompt": "%s"}' % ("red " * 100), "text tokens")):
            socket.send(wrong)  # nothing plays yet
            assert says in told()
        socket.send(json.dumps({"prompt": "red"}))
        assert isinstance(socket.recv(timeout=60), bytes)
        for cut in (True, False):
            socket.send(json.dumps({"prompt": "red " * 100, "cut": cut}))
            assert "text tokens" in told()
            assert isinstance(socket.recv(timeout=60), bytes)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"promt": "red"}, 400, "did you mean 'prompt'"),
        ({"prompt": "red", "guidance_scale": 2}, 400, "did you mean 'cfg_scale'"),
        ({"prompt": ["red"]}, 400, "prompt is ['red']; it must be text"),
        ({"prompt": "red", "num_frames": 0}, 400, "num_frames is 0; it must be 1 or more"),
        ({"prompt": "red", "num_samples": 2}, 400, "no setting 'num_samples'"),
        ({"prompt": "red", "height": 17}, 400, "nearest valid"),
        ({"prompt": "red", "model": "none"}, 400, "served are tiny"),
        ({"prompt": "red", "image": "/etc/passwd"}, 400, "send it as a part of a multipart form"),
        ({"prompt": "red", "num_frames": 10_000_000}, 400, "pixels in all"),
        ({"prompt": "red " * 1000}, 400, "the prompt has 4000 letters"),
        ({"prompt": "red", "seconds": "-1"}, 400, "seconds is '-1'"),
        ({"prompt": "red", "seconds": 10**400}, 400, "seconds is '1000"),
        ({"prompt": "red", "size": "64"}, 400, "size is '64'"),
        ({"prompt": "red", "size": "720x1280"}, 400, "height is 1280; clips of 'tiny' have at most 504 pixels"),
        ({"prompt": "red", "num_frames": 5.5}, 400, "num_frames is 5.5; it must be a whole number"),
        (b"[1]", 415, "not understood"),
        ({"prompt": "red \ud800"}, 400, "unpaired surrogate"),
        ({"prompt": "red", "negative_prompt": "x" * (1 << 20)}, 413, "1 MiB"),
        ({"prompt": "red", "seed": "many"}, 400, "seed is 'many'; it must be a whole number"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(service, body, status, words):
    headers = {"Content-Type": "text/csv"} if isinstance(body, bytes) else {}
    found, answer = service.json("POST", "/v1/videos", body, **headers)
    assert found == status and words in answer["error"]["message"], answer


def test_a_whole_number_of_any_client_is_whole(service):
    for body in (
        b'{"prompt": "red", "num_frames": 5.0, "seed": 7.0}',
        b'{"prompt": "red", "num_frames": 5, "seed": 7e0}',
    ):
        status, job = service.json("POST", "/v1/videos", body, Content_Type="application/json")
        assert status == 202 and service.made(job)["seed"] == 7


def test_a_method_that_is_not_there_is_told_all_that_are(service):
    for path, methods in (
        ("/v1/videos", "GET, HEAD, POST"),
        ("/v1/videos/x", "DELETE, GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ):
        status, headers, _ = service.ask("PUT", path)
        assert (status, ", ".join(sorted(headers["allow"].split(", ")))) == (405, methods)


def test_one_model_is_looked_at(service):
    _, listed = service.json("GET", "/v1/models")
    assert service.json("GET", "/v1/models/tiny") == (200, listed["data"][0])
    status, answer = service.json("GET", "/v1/models/other")
    assert status == 404 and answer["error"] == {
        "code": "not_found",
        "message": "there is no model 'other'; served are tiny",
    }


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b'{"seed": NaN}', b"[" * 100_000, b""])
def test_a_body_that_is_no_object_is_refused(service, body):
    status, answer = service.json("POST", "/v1/videos", body, Content_Type="application/json")
    assert status == 400 and "JSON" in answer["error"]["message"]


def test_what_no_client_would_send_is_answered_at_once(service):
    status, answer = service.json("GET", f"/v1/videos?limit={'9' * 5000}")
    assert status == 400 and "between 1 and 100" in answer["error"]["message"]
    # Bodies that never come.
    assert service.ask("POST", "/v1/videos", Content_Length="99999999999")[0] == 413
    assert service.ask("POST", "/v1/videos", Content_Length="9" * 300)[0] in (400, 413)
    for method, body in (("PUT", None), ("GET", b"{}")):
        assert service.ask(method, "/v1/live", body, Connection="Upgrade", Upgrade="websocket")[0] == 400


def test_other_sites_and_other_names_are_refused(service):
    assert service.ask("GET", "/v1/models", Host="evil.example")[0] == 421
    assert service.ask("POST", "/v1/videos", {"prompt": "red"}, Origin="http://evil.example")[0] == 403
    own = f"127.0.0.1:{service.port}"
    assert service.ask("GET", "/v1/models", Host=own, Origin=f"http://{own}")[0] == 200
    with pytest.raises(Exception, match="rejected|closed|1008|403"):
        with connect(f"ws://{own}/v1/live", origin="http://evil.example") as socket:  # type: ignore[arg-type]
            socket.send("{}")
            socket.recv(timeout=10)
    assert service.ask("GET", "/..%2f..%2fjobs.sqlite")[0] == 404


def test_what_is_wrong_with_a_file_is_said_by_the_name_that_the_client_gave(service, tmp_path):
    body, kind = multipart({"prompt": "red"}, {"image": b"no picture"})
    status, answer = service.json("POST", "/v1/videos", body, Content_Type=kind)
    assert status == 400 and answer["error"]["message"].startswith("'image.png' cannot be read"), answer
    body, kind = multipart({"prompt": "red", "num_frames": 5}, {"image": png(16, 24)})
    _, job = service.json("POST", "/v1/videos", body, Content_Type=kind)
    assert job["given"] == {"image": "image.png"} and job["settings"] == {"num_frames": 5}
    assert service.made(job)["status"] == "completed"
    clip = opened(tmp_path, service.ask("GET", f"/v1/videos/{job['id']}/content")[2])
    assert clip.info["image"] == "image.png"
    assert service.ask("GET", f"/v1/videos/{job['id']}/given/image")[2] == png(16, 24)
    assert service.ask("GET", f"/v1/videos/{job['id']}/given/stream.mp4")[0] == 404


def test_a_model_says_what_its_words_may_be(service):
    [about] = service.json("GET", "/v1/models")[1]["data"]
    domain = service.model.lm.training_domain
    assert about["words"] == list(domain.words) and about["trained_frames"] == domain.frames
    assert about["languages"] == (["en"] if domain.words else []) and about["captions"] == about["endings"] == []


def test_thumbs_are_kept_as_lines_and_with_the_job(service):
    _, job = service.json("POST", "/v1/videos", {"prompt": "red", "seed": 5, "num_frames": 1})
    path = f"/v1/videos/{job['id']}/feedback"
    assert service.json("POST", path, {"rating": 1, "note": "good"})[0] == 200
    assert (
        service.json("POST", path, {"rating": 2})[0] == service.json("POST", path, {"rating": 1, "over": "x"})[0] == 400
    )
    line = json.loads((service.home / "feedback.jsonl").read_text().splitlines()[-1])
    assert (line["video"], line["rating"], line["prompt"], line["seed"]) == (job["id"], 1, "red", 5)
    assert service.made(job)["rating"] == 1


def test_the_description_names_every_route(service):
    _, found = service.json("GET", "/openapi.json")
    described = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    routes = [route for route in service.app.routes if isinstance(route, Route)]
    answered = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    assert described | {("GET", "/{path:path}")} == answered  # the files of the page
    for method, path in described:
        if method == "GET" and "{" not in path:
            assert service.ask("GET", path)[0] == 200, path
    job = Job(model="tiny", prompt="red", seed=0, settings={}).as_json()
    assert found["components"]["schemas"]["Video"]["properties"].keys() == job.keys()
    assert b"<title>reelm</title>" in service.ask("GET", "/")[2]


def test_keys_share_the_server(tiny_sound_model, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# who asks\nada single-key\ngrace another-key\n")
    limits = Limits(under_way=1, codes_a_minute=30)
    others = {"origins": ["https://films.example"], "queue": 2}
    for service in serving(tiny_sound_model, tmp_path / "home", keys=Keys(keys), limits=limits, **others):
        ada, grace = ({"Authorization": f"Bearer {key}-key"} for key in ("single", "another"))
        assert service.ask("GET", "/v1/videos")[0] == 401 and service.ask("GET", "/healthz")[0] == 200
        status, job = service.json("POST", "/v1/videos", {"prompt": "red", "num_frames": 9}, **ada)
        assert status == 202
        assert service.json("GET", f"/v1/videos/{job['id']}", **grace)[0] == 404
        status, headers, _ = service.ask("POST", "/v1/videos", {"prompt": "red", "num_frames": 9}, **ada)
        assert status in (202, 429)  # it may have ended by now
        service.made(job, **ada)
        lists = [service.json("GET", "/v1/videos", **each)[1]["data"] for each in (ada, grace)]
        assert job["id"] in {each["id"] for each in lists[0]} and lists[1] == []
        status, headers, content = service.ask("POST", "/v1/videos", {"prompt": "red", "num_frames": 17}, **ada)
        assert status == 429 and int(headers["retry-after"]) > 0, content
        site = {"Origin": "https://films.example"}
        for method in ("GET", "HEAD", "POST", "DELETE"):
            sent = "authorization, content-type, range, x-stainless-lang"
            asking = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": sent}
            status, headers, _ = service.ask("OPTIONS", "/v1/videos", **site, **asking)
            assert (status, headers["access-control-allow-origin"]) == (200, site["Origin"])
            assert {*headers["access-control-allow-headers"].split(", ")} >= {*sent.split(", ")}
        # A film element has the address of its page as the referer, and no origin.
        for page, policy in (("https://films.example/a", "cross-origin"), ("https://other.example", "same-origin")):
            _, headers, _ = service.ask("GET", f"/v1/videos/{job['id']}/content", Referer=page, **ada)
            assert headers["cross-origin-resource-policy"] == policy
        status, headers, _ = service.ask("GET", "/v1/videos", **site, **ada)
        assert (status, headers["access-control-allow-origin"]) == (200, site["Origin"])
        for origin in ("https://other.example", "http://["):
            assert service.ask("GET", "/v1/videos", Origin=origin, **ada)[0] == 403
        keys.write_text("grace another-key\n")
        assert service.ask("GET", "/v1/videos", **ada)[0] == 401
        assert service.ask("GET", "/v1/videos", **grace)[0] == 200
        assert b"another-key" not in b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
