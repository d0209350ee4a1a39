"""Worlds over a socket: keys steer each frame, players do not disturb each other, and what was played is made again."""

import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from made.models import tiny_world
from made.serving import Service, serving
from PIL import Image
from websockets.sync.client import connect

from reelm import Clip
from reelm.serve.access import Limits
from reelm.serve.key_state import KeyState

FAST = {"speed": 8}


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    yield from serving(tiny_world(), tmp_path_factory.mktemp("worlds"))


class Player:
    """A client that plays, and keeps what it saw: the frames, and the keys of each latent frame."""

    def __init__(self, socket: Any):
        self._socket, self.frames, self.keys = socket, list[np.ndarray](), list[list[str]]()
        self.hello = self.told()["hello"]

    def say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def told(self) -> dict[str, Any]:
        return json.loads(self._socket.recv(timeout=60))

    def see(self, told: dict[str, Any] | None = None) -> dict[str, Any]:
        """Receive a step and its frames."""
        step = self.told() if told is None else told
        for _ in range(self.hello["frames"] if step["step"] else 1):
            self.frames.append(np.array(Image.open(io.BytesIO(self._socket.recv(timeout=60)))))
        if step["step"]:
            self.keys.append(step["keys"])
        return step

    def play(self, keys: Sequence[Sequence[str]]) -> np.ndarray:
        """Hold keys for a step each, beyond those that are under way; return all frames."""
        for each in keys:
            self.say(keys=each)
            self.see()
        return np.stack(self.frames)


@contextmanager
def playing(service: Service, **first: Any) -> Iterator[Player]:
    with connect(f"ws://127.0.0.1:{service.port}/v1/live?model=tiny") as socket:
        player = Player(socket)
        if first:
            player.say(**first)
            assert player.see()["seed"] == first.get("seed", 0)
        yield player


@pytest.mark.slow
def test_what_was_played_is_made_again_by_its_keys(service, tmp_path):
    with playing(service, seed=3, **FAST) as player:
        assert player.hello | {"keys": None} == {
            **{"format": "png", "width": 24, "height": 16, "fps": 8.0, "frames": 4},
            **{"keys": None, "keys_at_once": 1, "goals": []},
        }
        played = player.play([["left"], ["right"], [], ["left"], ["right"], []])
    assert {("left",), ("right",)} <= {tuple(keys) for keys in player.keys}
    made = service.model.generate(keys=player.keys, seed=3)
    np.testing.assert_array_equal(played, made.video)
    other = [["right"] if keys == ["left"] else keys for keys in player.keys]
    assert (service.model.generate(keys=other, seed=3).video != made.video).any()
    status, job = service.json("POST", "/v1/videos", {"keys": player.keys, "seed": 3})
    assert status == 202 and service.made(job)["status"] == "completed", job
    (tmp_path / "job.mp4").write_bytes(service.ask("GET", f"/v1/videos/{job['id']}/content")[2])
    made.save(tmp_path / "made.mp4")
    job, made = (Clip.open(tmp_path / f"{name}.mp4") for name in ("job", "made"))
    np.testing.assert_array_equal(job.video, made.video)
    assert job.info["keys"] == player.keys


@pytest.mark.slow
def test_players_at_the_same_time_see_what_each_sees_alone(service):
    with playing(service, seed=1, **FAST) as one, playing(service, seed=2, **FAST) as two:
        for _ in range(4):
            one.play([["left"]])
            two.play([["right"], []])
        with connect(f"ws://127.0.0.1:{service.port}/v1/live") as third:
            assert "too many live sessions" in json.loads(third.recv(timeout=60))["error"]["message"]
    for player, seed in ((one, 1), (two, 2)):
        made = service.model.generate(keys=player.keys, seed=seed)
        np.testing.assert_array_equal(np.stack(player.frames), made.video)


@pytest.mark.slow
def test_a_player_that_leaves_makes_room_at_once(service):
    with playing(service, seed=1):
        for seed in range(8):
            with playing(service, seed=seed) as player:
                assert player.frames


@pytest.mark.slow
def test_a_wrong_message_is_answered_and_play_goes_on(service):
    wrong = (
        ({"keys": ["jump"]}, "this world has no key 'jump'; its keys are left, right"),
        ({"keys": ["left", "right"]}, "this world takes 1 key at a time, not left, right"),
        ({"keys": ["left"] * 1000}, "a message has 1000 keys; this world has 2"),
        ({"keys": "left"}, "keys are a list of names"),
        ({"keys": [["left"]]}, "keys are a list of names"),
        ({"keys": None}, "keys are a list of names"),
        ({"seed": "x"}, "seed is 'x'; it must be a whole number"),
        ({"seed": 2**32}, "a seed lies in 0"),
        ({"speed": 0.5}, "speed is 0.5; it must lie between 1"),
        ({"replay": []}, "a replay needs its seed"),
        ({"seed": 1, "replay": {"left": 1}}, "a replay is a list of at most 4000 lists of keys"),
        ({"seed": 1, "replay": [[]] * 4_001}, "a replay is a list of at most 4000 lists of keys"),
        ({"seed": 1, "replay": [["left"], ["jump"]]}, "this world has no key 'jump'"),
        ({"record": "yes"}, "record is 'yes'; it must be true or false"),
        ({"prompt": 3}, "prompt must be text"),
        ({"prompt": "red " * 1000}, "the prompt has 4000 letters"),
        ({"prompt": "red " * 100}, "text tokens"),
        ({"cut": True}, "a message has no field 'cut'; it has keys, prompt, record, replay, seed and speed"),
        ([], "a message must be such as"),
        ("{", "a message must be such as"),
        (b'{"keys": ["left"]}', "a message must be such as"),
    )
    with playing(service) as player:
        for message, says in wrong[:3]:  # before it begins, too
            player.say(**message)
            assert says in player.told()["error"]["message"]
        player.say(keys=["right"], **FAST)
        assert player.told()["error"]["code"] == "no_picture"
        assert player.see()["step"] == 0 and player.see()["keys"] == ["right"]
        for message, says in wrong:
            player._socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            while "error" not in (told := player.told()):
                player.see(told)
            assert says in told["error"]["message"] and "\n" not in told["error"]["message"]
        player.say(seed=5)
        while (told := player.see())["step"]:
            pass
        assert told["seed"] == 5
        player.say(prompt="red")
        assert [player.see()["step"] for _ in range(2)] == [1, 2]


@pytest.mark.slow
def test_a_recording_is_what_was_seen_between_its_two_presses(service, tmp_path):
    with playing(service, seed=6, **FAST) as player:
        player.play([["left"], []])
        player.say(record=True)
        player.say(record=True)  # it records already
        begun = len(player.frames)
        player.play([["right"], ["right"], []])
        player.say(record=False)
        player.say(record=False)
        job = until_recorded(player)
        player.play([["left"]])
    assert (job["status"], job["seed"], job["size"]) == ("completed", 6, "24x16")
    (tmp_path / "made.mp4").write_bytes(service.ask("GET", f"/v1/videos/{job['id']}/content")[2])
    clip = Clip.open(tmp_path / "made.mp4")
    before, keys = clip.info["keys_before"], clip.info["keys"]
    assert before + keys == job["settings"]["keys"] == player.keys[: len(before + keys)] and ["right"] in keys
    assert 1 + 4 * len(before) <= begun
    seen = np.stack(player.frames)[4 * len(before) + 1 - (4 if before else 1) :][: len(clip.video)]
    assert len(clip.video) == 4 * len(keys) + (4 if before else 1)
    assert np.abs(clip.video.astype(int) - seen).mean() < 3
    # The player who leaves loses nothing, and nobody makes two of one.
    with playing(service, seed=7, **FAST) as player:
        player.say(record=True)
        player.play([["left"], []])
    begun = time.monotonic()
    while [each["seed"] for each in service.json("GET", "/v1/videos")[1]["data"]][:2] != [7, 6]:
        assert time.monotonic() < begun + 20
        time.sleep(0.05)


@pytest.mark.slow
def test_a_long_recording_ends_by_itself(tmp_path):
    limits = Limits(clip_pixels=24 * 16 * 12)
    with closing(serving(tiny_world(), tmp_path, limits=limits)) as served, playing(next(served), **FAST) as player:
        player.say(record=True)
        assert float(until_recorded(player)["seconds"]) * 8 in range(12, 18)
        player.see()


def until_recorded(player: Player) -> dict[str, Any]:
    """Play on until a recording is kept; return its job."""
    while "recorded" not in (told := player.told()):
        player.see(told)
    return told["recorded"]


@pytest.mark.slow
def test_a_key_that_was_let_go_before_the_next_frame_counts_once(service):
    with playing(service, seed=0) as player:  # a latent frame each half a second
        player.see()
        for keys in (["left"], [], ["right"], []):
            player.say(keys=keys)
        assert [player.see()["keys"] for _ in range(4)] == [["left"], ["right"], [], []]


@pytest.mark.slow
def test_a_replay_shows_the_same_frames_on_another_server_and_goes_on_from_there(service, tmp_path):
    with playing(service, seed=4, **FAST) as player:
        played = player.play([["left"], [], ["right"], ["right"]])
    with (
        closing(serving(tiny_world(), tmp_path)) as another,
        playing(next(another), seed=4, replay=player.keys, **FAST) as again,
    ):
        while len(again.keys) < len(player.keys):
            again.see()
        assert again.keys == player.keys
        np.testing.assert_array_equal(np.stack(again.frames), played)
        again.say(keys=["left"])
        while ["left"] not in again.keys[len(player.keys) :]:
            again.see()


@pytest.mark.slow
def test_models_name_their_keys_and_jobs_refuse_others(service):
    [about] = service.json("GET", "/v1/models")[1]["data"]
    assert about["keys"] == ["left", "right"]
    for keys, says in (
        ([["jump"]], "this world has no key 'jump'"),
        ([["left", "right"]], "this world takes 1 key at a time"),
        (["left"], "a list of names for each latent frame"),
        ([[3]], "keys are a list of names"),
        ([[]] * 50_000, "at most 36000 are made"),
        ([["left"] * 100], "more than 64"),
    ):
        status, answer = service.json("POST", "/v1/videos", {"keys": keys})
        assert status == 400 and says in answer["error"]["message"], answer
    schema = service.json("GET", "/openapi.json")[1]["components"]["schemas"]["Request"]["properties"]
    assert "keys" in schema


def test_each_press_is_taken_once_and_what_is_held_again():
    pressed = KeyState(1)
    assert pressed.take() == [] and not pressed.waits
    for keys in (["left"], [], ["right"], ["right", "left"]):
        pressed.hold(keys)
    taken = [pressed.take() for _ in range(2)]
    assert taken == [["left"], ["right"]] and not pressed.waits
    assert pressed.take() == ["right"]  # held, and so is "left" behind it
    pressed = KeyState(2)
    for keys in (["left"], ["up", "left"], ["left"]):
        pressed.hold(keys)
    assert [pressed.take() for _ in range(2)] == [["left", "up"], ["left"]]
