"""Files in: picture and sound share one clock, whatever times the file holds."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from made.media import encode, greys, levels, tone

from reelm.data.films.buckets import Buckets
from reelm.data.films.cutting import CuttingConfig, clips_of
from reelm.data.films.manifest import Source
from reelm.media.film import open_film
from reelm.media.read import read_sound, read_video, stream_video
from reelm.media.timing import TimedFrame, onward

RATE = 48000


def clicks(seconds, every=1.0, channels=1):
    """A burst of 10 ms at 0.5 s, and after each period."""
    samples = np.arange(round(seconds * RATE))
    loud = (samples / RATE - 0.5) % every < 0.01
    burst = np.where(loud & (samples >= RATE // 2), 0.8 * np.sin(2 * np.pi * 2000 * samples / RATE), 0)
    return np.repeat(burst[:, None], channels, 1).astype(np.float32)


def heard(sound, rate=RATE):
    """Seconds at which bursts begin."""
    loud = np.flatnonzero(np.abs(sound[:, 0]) > 0.3)
    return (loud[np.diff(loud, prepend=-rate) > 0.2 * rate] / rate).tolist()


def made(
    path, frames=(), sounds=(), *, fps=8, codec="libx264", sound_codec="pcm_s16le", layout="mono", piece=1024, **options
):
    """A file of frames as (seconds, grey) and of sounds as (seconds, samples), each at its time."""
    with av.open(str(path), "w", options={k: str(v) for k, v in options.items()}) as container:
        video: Any = None
        if frames:
            video = container.add_stream(codec, rate=fps, options={"bf": "2", "qp": "0"} if codec == "libx264" else {})
            video.height, video.width, video.pix_fmt = 32, 48, "yuv420p"
        audio: Any = container.add_stream(sound_codec, rate=RATE, layout=layout) if sounds else None
        for seconds, grey in frames:
            picture = av.VideoFrame.from_ndarray(np.full((32, 48, 3), grey, np.uint8), format="rgb24")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = round(seconds * fps), Fraction(1, fps)
            container.mux(video.encode(picture))
        for seconds, samples in sounds:
            assert audio is not None
            form = audio.format.name
            for start in range(0, len(samples), piece):
                whole = samples[start : start + piece].T
                if form == "s16":
                    whole = (whole * 32767).astype(np.int16).T.reshape(1, -1)
                elif form == "s32p":
                    whole = (whole * (2**31 - 1)).astype(np.int32)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), format=form, layout=layout)
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = round(seconds * RATE) + start
                container.mux(audio.encode(frame))
        for stream in filter(None, (video, audio)):
            container.mux(stream.encode(None))
    return path


def flashing(seconds, start=0.0, fps=8):
    """Frames that are white for a quarter of a second from each half second on."""
    return [(start + i / fps, 255 if 0.5 <= i / fps % 1 < 0.75 else 0) for i in range(round(seconds * fps))]


def flashes(frames):
    """Seconds at which white begins, of (seconds, pixels)."""
    seen = [(seconds, pixels.mean() > 128) for seconds, pixels in frames]
    return [now for (_, before), (now, white) in zip(seen, seen[1:], strict=False) if white and not before]


def everywhere(path):
    """Where flashes and clicks are by each reader."""
    footage, film = read_video(path), open_film(path)
    yield flashes([(i / footage.fps, frame) for i, frame in enumerate(footage.video)]), heard(footage.audio)
    yield flashes([(frame.start, frame.pixels) for frame in film.frames]), heard(film.whole_sound())


def in_step(path, expected, seen=None):
    for picture, sound in everywhere(path):
        assert picture == pytest.approx(expected if seen is None else seen, abs=0.002)
        assert sound == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("suffix", ["avi", "asf"])
@pytest.mark.parametrize("count", [3, 8])
def test_frames_of_containers_with_decoding_times_come_at_their_times(tmp_path, suffix, count):
    path = encode(tmp_path / f"a.{suffix}", greys(24), codec="libx264", pixels="yuv420p", bf=count, qp=1)
    frames = [*stream_video(path)]
    assert levels(np.stack([frame.pixels for frame in frames])) == list(range(24))
    assert np.diff([frame.start for frame in frames]) == pytest.approx(1 / 8, abs=0.0011)
    config = CuttingConfig(buckets=Buckets(resolution=32, lengths=(9,)), sample_rate=8000, shot_threshold=100)
    clips = [*clips_of(path, Source("a"), config, lambda: None)]
    assert [clip.start for clip in clips] == pytest.approx([0, 9 / 8], abs=0.002)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "ffv1"])
def test_a_picture_of_avi_that_is_left_out_moves_no_other(tmp_path, codec):
    times, pixels = [0, 2, 3, 4, 6, 7, 8], "bgr0" if codec == "ffv1" else "yuv420p"
    options: dict[str, Any] = {"bf": 0} if codec != "ffv1" else {}
    path = encode(tmp_path / "a.avi", greys(7), codec=codec, pixels=pixels, times=times, **options)
    assert [frame.start for frame in stream_video(path)] == pytest.approx(np.array(times) / 8)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "wmv2"])
def test_a_film_in_asf_without_b_frames_begins_where_it_was_written(tmp_path, codec):
    path = encode(tmp_path / "a.asf", greys(9), codec=codec, pixels="yuv420p", bf=0)
    assert [frame.start for frame in stream_video(path)] == pytest.approx(np.arange(9) / 8, abs=0.0011)


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "mpeg4"), ("asf", "libx264")])
def test_times_of_decoding_that_are_crowded_at_the_start_move_no_frame(tmp_path, suffix, codec):
    encode(tmp_path / "a.mkv", greys(16), codec=codec, pixels="yuv420p", bf=2, qp=1)
    path = tmp_path / f"a.{suffix}"
    with av.open(str(tmp_path / "a.mkv")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(source.streams.video[0]) if packet.size]
        for number, packet in enumerate(packets):
            packet.stream = stream
            packet.dts = 125 * (number + 1) if number else 0  # a frame lasts 125: the second comes late
            packet.pts = (packet.pts or 0) + 500
            target.mux(packet)
    frames = [*stream_video(path)]
    assert len(frames) == 16
    assert np.diff([frame.start for frame in frames]) == pytest.approx(1 / 8, abs=0.0011)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ([0, 2, 3, 4, 4, 5, 6], [0, 2, 3, 4, 4.25, 5, 6]),  # late for a while: those after it are in time again
        ([0, 4, 5, 6, 5, 6, 7, 8], [0, 4, 5, 6, 6.25, 6.5, 7, 8]),
        ([0, 1, 2, 1, 2, 3, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7]),  # early for a while
        ([0, 0, 2, 2, 4, 4], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_times_that_come_twice_move_as_few_frames_as_can_be(monkeypatch, stored, shown):
    monkeypatch.setattr("reelm.media.timing.SLIP", 3)
    frames = [TimedFrame(start, start + 1, np.zeros((1, 1, 3), np.uint8)) for start in stored]
    assert [frame.start for frame in onward(frames)] == shown


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mp4"])
def test_a_hole_in_the_sound_is_silent(tmp_path, suffix, caplog):
    codec = "aac" if suffix in ("ts", "mp4") else "pcm_s16le"
    sound = clicks(6)
    sounds = [(0, sound[: 2 * RATE]), (4, sound[4 * RATE :])]
    path = made(tmp_path / f"a.{suffix}", flashing(6), sounds, sound_codec=codec)
    in_step(path, [0.5, 1.5, 4.5, 5.5], [k + 0.5 for k in range(6)])
    assert "holes in its sound" in caplog.text


def test_packets_without_bytes_are_not_damaged_sound(tmp_path):
    sounds = [(0, clicks(2, channels=6))]  # whose places FFmpeg 8 reads as an empty packet
    path = made(tmp_path / "a.flv", flashing(2), sounds, codec="flv", sound_codec="aac", layout="5.1")
    assert heard(read_sound(path, sample_rate=RATE).samples) == pytest.approx([0.5, 1.5], abs=0.002)


def test_sound_that_overlaps_is_cut(tmp_path, caplog):
    sound = clicks(4)
    for begins, name in ((2.0, "a.mkv"), (1.75, "b.mkv")):
        assert "are cut" not in caplog.text
        sounds = [(0, sound[: 2 * RATE]), (begins, sound[2 * RATE :])]
        path = made(tmp_path / name, flashing(4), sounds, piece=2 * RATE)
        audio = read_video(path).audio
        assert heard(audio)[:3] == pytest.approx([0.5, 1.5, begins + 0.5], abs=0.002)
    assert "are cut" in caplog.text


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_joined_recordings_stay_in_step_where_their_sound_is_longer(tmp_path, suffix):
    fps, codec = (25, "mpeg2video") if suffix == "mpg" else (8, "libx264")
    part = made(
        tmp_path / f"part.{suffix}", flashing(2, fps=fps), [(0, clicks(2.3))], fps=fps, codec=codec, sound_codec="mp2"
    )
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(3 * part.read_bytes())
    for picture, sound in everywhere(path):
        assert np.array(picture) == pytest.approx(np.arange(6) + 0.5, abs=0.03)
        assert np.array(sound) == pytest.approx(np.array(picture), abs=0.03)


@pytest.mark.parametrize("layouts", [("stereo", "5.1"), ("5.1", "stereo")])
def test_sound_that_changes_its_channels_goes_on_as_it_began(tmp_path, layouts, caplog):
    channels = {"stereo": 2, "5.1": 6}
    data = b""
    for layout in layouts:
        sound = clicks(2, channels=channels[layout])
        path = made(tmp_path / f"{layout}.ts", flashing(2), [(0, sound)], sound_codec="ac3", layout=layout)
        data += path.read_bytes()
    (tmp_path / "a.ts").write_bytes(data)
    footage = read_video(tmp_path / "a.ts")
    assert footage.audio is not None and footage.audio.shape == (4 * RATE, 2)
    assert heard(footage.audio) == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.01)
    assert caplog.text.count("changes its sound") == 1


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "mp2"), ("a.mp3", "libmp3lame"), ("a.mkv", "pcm_s16le")])
def test_a_sound_file_is_heard_from_its_beginning(tmp_path, name, codec):
    path = made(tmp_path / name, (), [(1.25, clicks(2))], sound_codec=codec)
    sound = read_sound(path, sample_rate=RATE, channels=1).samples
    assert len(sound) == pytest.approx(2 * RATE, abs=0.03 * RATE)
    assert heard(sound) == pytest.approx([0.5, 1.5], abs=0.012)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_frames_that_are_missing_leave_the_sound_in_step(tmp_path, suffix):
    frames = [frame for frame in flashing(8) if not 3 <= frame[0] < 5]
    path = made(tmp_path / f"a.{suffix}", frames, [(0, clicks(8))], sound_codec="mp2")
    footage = read_video(path)
    assert footage.fps == pytest.approx(8) and len(footage.video) == 64
    in_step(path, [k + 0.5 for k in range(8)], [0.5, 1.5, 2.5, 5.5, 6.5, 7.5])
    assert len(read_video(path, max_frames=30).video) == 30


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_the_default_track_is_taken(tmp_path, kind):
    silent, loud = np.zeros((RATE, 1), np.float32), tone(1, RATE)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for number in range(2):
            video = container.add_stream("ffv1", rate=8)
            video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
            video.disposition = Disposition.default if number == (kind == "video") else Disposition(0)
            audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            audio.disposition = Disposition.default if number == (kind == "audio") else Disposition(0)
            streams.append((video, audio))
        for number, (video, audio) in enumerate(streams):
            for index in range(8):
                picture = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 80 * number, np.uint8), format="rgb24")
                picture = picture.reformat(format="bgr0")
                picture.pts = index
                container.mux(video.encode(picture))
            whole = ((loud if number else silent).T * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(audio.encode(frame))
            container.mux(video.encode(None))
            container.mux(audio.encode(None))
    footage = read_video(path)
    assert footage.audio is not None
    assert (footage.video.mean() > 40, np.abs(footage.audio).max() > 0.1) == (kind == "video", kind == "audio")


def test_channels_that_cancel_each_other_out_are_heard(tmp_path, caplog):
    sound = clicks(2)
    path = made(tmp_path / "a.wav", (), [(0, np.concatenate([sound, -sound], 1))], layout="stereo")
    assert heard(read_sound(path, sample_rate=RATE, channels=1).samples) == pytest.approx([0.5, 1.5], abs=0.002)
    assert caplog.text.count("cancel each other out") == 1
    other = np.concatenate([sound, np.roll(sound, 9)], 1)
    read = read_sound(made(tmp_path / "b.wav", (), [(0, other)], layout="stereo"), sample_rate=RATE, channels=1).samples
    np.testing.assert_allclose(read[:, 0], other.mean(1), atol=1e-4)


@pytest.mark.parametrize("channels", [9, 32])
def test_more_than_eight_channels_are_mixed(tmp_path, channels):
    samples = (np.repeat(clicks(2), channels, 1) / 4 * 32767).astype("<i2")
    form = np.array([1, channels], "<u2").tobytes() + np.array([RATE, RATE * 2 * channels], "<u4").tobytes()
    form += np.array([2 * channels, 16], "<u2").tobytes()
    data = samples.tobytes()
    chunks = b"fmt " + (16).to_bytes(4, "little") + form + b"data" + len(data).to_bytes(4, "little") + data
    path: Path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks)
    sound = 2 * read_sound(path, sample_rate=RATE, channels=1).samples
    assert len(sound) == 2 * RATE and heard(sound) == pytest.approx([0.5, 1.5], abs=0.002)


@pytest.mark.parametrize(("fps", "codec", "suffix"), [(24, "libx264", "h264"), (30, "mpeg2video", "m2v")])
def test_a_stream_without_times_has_the_rate_of_its_codec(tmp_path, fps, codec, suffix):
    path = made(tmp_path / f"a.{suffix}", flashing(2, fps=fps), fps=fps, codec=codec)
    frames = [frame.start for frame in stream_video(path)]
    assert read_video(path).fps == fps == open_film(path).fps and np.diff(frames) == pytest.approx(1 / fps)
