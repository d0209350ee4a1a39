"""References at the places of a draft: a shot's first latent frame is drawn twice, however the clip is decoded."""

from typing import Any

import numpy as np
import pytest
from made.models import tiny_teller

import reelm
from reelm.errors import RequestError
from reelm.lm.control.field import of_source
from reelm.lm.control.structure import LOOKS, structure_ids
from reelm.media.portrait import placed, subjects
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


def test_references_are_shown_where_the_draft_has_subjects(teller, pictures):
    stream = planned(teller, ["a red <1>", "a <2> and <1>", "two"], references=pictures).stream
    assert stream.control is not None
    draft: Any = np.random.default_rng(0).integers(0, 2**10, (3, 1, 2, 3)).astype(np.int32)
    fields, config = stream.control(0, None, draft), stream.config
    structure = of_source(config.channels, "structure", fields)
    for clip, numbers in enumerate(([1], [1, 2], [])):
        frame = teller.video_tokenizer.decode(draft[clip : clip + 1])[0, -1]
        boxes = subjects(frame)[: len(numbers)]
        assert len(boxes) or not numbers
        codes, there = structure_ids(structure[clip], config.bits)
        expected, kinds = np.zeros((2, 3), np.int32), np.zeros((2, 3, len(LOOKS)), bool)
        for number, box in zip(numbers, boxes, strict=False):
            picture, where = placed(pictures[number - 1], box, *frame.shape[:2])
            inside = where.reshape(2, 8, 3, 8).any(axis=(1, 3))
            expected[inside] = teller.video_tokenizer.encode(picture[None, None])[0, 0][inside]
            kinds[inside, number - 1] = True
        np.testing.assert_array_equal(there, kinds.any(axis=-1))
        np.testing.assert_array_equal(np.asarray(codes)[there], expected[there])
        np.testing.assert_array_equal(structure[clip, ..., : len(LOOKS)], kinds)


def test_only_the_first_latent_frame_of_a_shot_with_references_is_drafted(teller, pictures):
    stream = planned(teller, storyboard=SHOTS, references=pictures).stream
    assert [now for now in range(stream.length or 0) if stream.drafted(now)] == [0, stream.shots[1].begins]
    assert not planned(teller, "two").stream.drafted(0)


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


def test_looks_are_no_control_clips(teller):
    assert teller.info()["language model"]["steered by"] == "camera"
    with pytest.raises(RequestError, match="not trained with control clips"):
        teller.generate("red", control=np.zeros((5, 16, 24, 3), np.uint8), control_kind="silhouette")
    with pytest.raises(RequestError, match="control_kind is '<1>'"):
        teller.generate("red", control=np.zeros((5, 16, 24, 3), np.uint8), control_kind="<1>")
