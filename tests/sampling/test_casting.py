"""Casting: the first pictures of a shot are drafted, and their subjects are given the forms of references."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.models import tiny_teller

import reelm
from reelm.errors import RequestError
from reelm.sampling.conditions.recast import followed, recast
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.options import Options
from reelm.sampling.planning.plan import plan

SHOTS = (reelm.Shot("a red <1>", 1.0), reelm.Shot("a blue <2>", 1.0), reelm.Shot("two", 1.0, cut=False))


@pytest.fixture(scope="module")
def teller():
    return tiny_teller()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """An L and a bar on black."""
    shapes = np.zeros((2, 20, 24, 3), np.uint8)
    shapes[0, 4:16, 5:8] = shapes[0, 13:16, 5:15] = (250, 30, 30)
    shapes[1, 9:12, 3:20] = (30, 250, 30)
    return list(shapes)


def planned(model, prompt: Any = None, *, num_frames: int = 13, **sources: Any):
    return plan(model, prompt, Sources(**sources), Options(num_frames=None if prompt is None else num_frames))


def test_the_subject_of_a_draft_is_given_the_form_of_whom_the_words_name(teller, pictures):
    stream = planned(teller, ["a red <2>", "two", "a <1>"], references=pictures).stream
    assert stream.cast is not None
    draft: Any = np.random.default_rng(0).integers(0, 2**10, (3, 1, 2, 3)).astype(np.int32)
    frames = teller.video_tokenizer.decode(draft[:1])[0]
    boxes = followed(frames)
    assert boxes.shape[1]
    codes = stream.cast(0, draft)
    made = [recast(frames, boxes[:, [number]], pictures[1:]) for number in range(boxes.shape[1])]
    assert codes[0].tolist() in [teller.video_tokenizer.encode(each[None])[0, 0].tolist() for each in made]
    np.testing.assert_array_equal(codes[1], draft[1, 0])  # whose words name nobody


def test_only_latent_frames_that_first_show_references_are_drafted(teller, pictures):
    stream = planned(teller, storyboard=SHOTS, references=pictures).stream
    assert [now for now in range(stream.length or 0) if stream.drafted(now)] == [0, 1, stream.shots[1].begins]
    assert not planned(teller, "two").stream.drafted(0)
    given = planned(teller, "a <1>", references=pictures[:1], image=pictures[0][:16]).stream
    assert not any(map(given.drafted, range(4)))


def test_the_subject_of_a_draft_is_put_on_its_track():
    demo, at = reelm.load("demo"), np.array([[0.3, 0.6], [0.5, 0.4]])
    track = [(0.0, tuple(at[0])), (1.0, tuple(at[1]))]
    stream = plan(demo, "a red seven", Sources(tracks=[track]), Options(num_frames=9)).stream
    assert [now for now in range(3) if stream.drafted(now)] == [0, 1] and stream.cast is not None
    frames = np.zeros((5, 64, 64, 3), np.uint8)
    frames[:, 6:26, 40:52] = (255, 0, 0)
    draft: Any = demo.video_tokenizer.encode(frames[None])
    made = [stream.cast(0, draft[:, :1]), stream.cast(1, draft)]
    shown = demo.video_tokenizer.decode(np.stack(made, axis=1))[0].max(axis=-1).astype(float)
    middles = np.arange(64) + 0.5
    centres = np.stack([shown.sum(1) @ middles, shown.sum(2) @ middles], axis=-1) / shown.sum((1, 2))[:, None]
    wanted = 64 * np.linspace(at[0], at.mean(axis=0), 5)
    np.testing.assert_allclose(centres, wanted, atol=1.5)  # a decoder blurs it; it was 20 pixels away


def test_two_tracks_and_a_given_picture_are_not_drafted(pictures):
    demo, track = reelm.load("demo"), [(0.0, (0.3, 0.6))]
    for sources in (Sources(tracks=[track, track]), Sources(tracks=[track], image=np.zeros((64, 64, 3), np.uint8))):
        assert not plan(demo, "a red seven", sources, Options(num_frames=9)).stream.drafted(0)


def test_samples_of_one_prompt_have_a_draft_each(teller, pictures):
    asked: dict[str, Any] = {"references": pictures[:1], "num_frames": 9, "temperature": 5.0}
    prompt = ((0.0, "a red <1>"), (0.3, "a blue <1>"))  # its second window begins with the drafted latent frame
    samples = teller.generate(prompt, num_samples=2, overlap=1.0, **asked)
    for seed, clip in enumerate(samples):
        alone = teller.generate(prompt, seed=seed, overlap=1.0, **asked)
        np.testing.assert_array_equal(clip.tokens["video"], alone.tokens["video"])


@pytest.mark.slow
def test_each_clip_of_a_batch_has_a_draft_of_its_own(teller, pictures):
    asked: dict[str, Any] = {"references": pictures, "num_frames": 13, "temperature": 5.0}
    prompts = ["a red <1> and <2>", "a <2> and <1>"]
    for words, clip in zip(prompts, teller.generate(prompts, **asked), strict=True):
        alone = teller.generate(words, **asked)
        np.testing.assert_array_equal(clip.tokens["video"], alone.tokens["video"])
        one_by_one = teller.generate(words, decoding="sequential", **asked)
        np.testing.assert_array_equal(one_by_one.tokens["video"], alone.tokens["video"])


@pytest.mark.parametrize("names", [("<1>", "<2>"), ("<2>", "<1>")])
def test_words_around_a_name_say_which_subject_it_is(names, pictures):
    demo = reelm.load("demo")
    words = f"a blue {names[0]} moving left and a red {names[1]} moving right"
    stream = plan(demo, words, Sources(references=pictures), Options()).stream
    assert stream.cast is not None
    frame = np.zeros((1, 64, 64, 3), np.uint8)
    frame[0, 8:28, 40:52], frame[0, 36:56, 10:24] = (0, 0, 255), (255, 0, 0)
    draft: Any = demo.video_tokenizer.encode(frame[None])
    cast = stream.cast(0, draft)
    boxes = followed(demo.video_tokenizer.decode(draft)[0])
    assert boxes[0, :, 0].argmax() == 0  # the red one is larger
    own = [pictures[int(name.strip("<>")) - 1] for name in names]
    wanted = recast(demo.video_tokenizer.decode(draft)[0], boxes, own[::-1])
    np.testing.assert_array_equal(cast[0], demo.video_tokenizer.encode(wanted[None])[0, 0])


def test_a_net_without_references_has_no_drafts(teller):
    with pytest.raises(RequestError, match="a draft is for references and tracks"):
        replace(teller.language_model().config, picture_kinds=5)
