"""Stories: references that words name, shots with cuts between them, and seconds that are made anew."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import tiny_teller

import reelm
from reelm.errors import RequestError
from reelm.lm.control.field import of_source
from reelm.lm.language_model import LanguageModel
from reelm.lm.specials import CONTINUES, CUT, CUT_FROM, PictureKind
from reelm.sampling.best_of import seeds_of
from reelm.sampling.conditions.sources import Sources
from reelm.sampling.conditions.storyboard import read_storyboard
from reelm.sampling.model import Model
from reelm.sampling.options import Options
from reelm.sampling.planning.plan import plan
from reelm.sampling.request import Request

HOT: dict[str, Any] = {"temperature": 5.0}
SHOTS = (reelm.Shot("a red <1>", seconds=1.5), reelm.Shot("a blue <2>", 1.0), reelm.Shot("two", 1.0, cut=False))


@pytest.fixture(scope="module")
def teller() -> Model:
    return tiny_teller()


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3)).astype(np.uint8))


def planned(model: Model, prompt: Any = None, **asked: Any) -> Request:
    options = {name: asked.pop(name) for name in list(asked) if name in vars(Options())}
    return plan(model, prompt, Sources(**asked), Options(**options))


def ids(clip: reelm.Clip) -> np.ndarray:
    assert clip.tokens is not None and clip.tokens["video"] is not None
    return clip.tokens["video"]


def test_shots_begin_and_cut_where_they_are_asked_to(teller, pictures):
    request = planned(teller, storyboard=SHOTS, references=pictures)
    shots = request.stream.shots
    assert [(shot.begins, shot.cut) for shot in shots] == [(0, False), (4, True), (6, False)]
    assert request.choice.settings.num_frames == 29 and request.stream.length == 8
    assert request.inputs.prompts == [((0.0, "a red <1>"), (1.5, "a blue <2>"), (2.5, "two"))]


def test_a_window_after_a_cut_sees_the_first_frame_and_the_references_that_its_words_name(teller, pictures):
    stream = planned(teller, storyboard=SHOTS, references=pictures, cfg_scale=2.0).stream
    anchor: Any = np.zeros((1, 2, 3), np.int32)
    first, second, third = stream.shots
    begun, cut = stream.prefix(first, 0, None), stream.prefix(second, 4, anchor)
    assert cut.words[0, 0] == CUT and begun.words[0, 0] not in (CUT, CONTINUES)
    assert begun.times.shape == (2, 0) and cut.times.tolist() == [[CUT_FROM], [CUT_FROM]]
    np.testing.assert_array_equal(begun.numbers, [[1], [0]])
    np.testing.assert_array_equal(cut.numbers, [[2], [0]])
    assert (cut.kinds == PictureKind.ANCHOR).all()
    later = stream.prefix(third, 5, anchor)
    assert later.words[0, 0] == CONTINUES and later.times[0, 0] == CUT_FROM


def test_each_prompt_of_a_list_is_given_the_references_that_it_names(teller, pictures):
    stream = planned(teller, ["a red <1>", "a <2> and <1>", ""], references=pictures).stream
    prefix = stream.prefix(stream.shots[0], 0, None)
    np.testing.assert_array_equal(prefix.numbers, [[1, 0], [1, 2], [1, 2]])


def test_shots_may_have_references_and_cameras_of_their_own(teller, pictures):
    own = [SHOTS[0], reelm.Shot("a blue <1>", 1.0, references=pictures[1:], camera="zoom in")]
    first, second = planned(teller, storyboard=own, references=pictures[:1]).stream.shots
    codes = [shot.conditions.references[1] for shot in (first, second)]
    assert (codes[0] != codes[1]).any()
    config = teller.language_model().config
    assert first.field is not None and second.field is not None and not first.field.any()
    zooms = of_source(config.channels, "camera", second.field)[4:7, 0, 0, 2]
    assert zooms[0] > 0 and np.diff(zooms).min() > 0  # it zooms from the cut on


@pytest.mark.slow
@pytest.mark.parametrize("decoding", ["parallel", pytest.param("sequential", marks=pytest.mark.long)])
def test_a_storyboard_is_the_same_however_decoded_and_in_pieces(teller, pictures, decoding):
    asked: dict[str, Any] = {"storyboard": SHOTS, "references": pictures, "seed": 3, **HOT}
    clip = teller.generate(decoding=decoding, **asked)
    assert len(clip.video) == 29 and clip.audio is not None and clip.info["storyboard"][1]["seconds"] == 1.0
    np.testing.assert_array_equal(np.concatenate([ids(piece) for piece in teller.stream(**asked)]), ids(clip))
    cut, faded = (teller.video_tokenizer.decode(ids(clip), cuts=cuts)[0].astype(int) for cuts in ([4], []))
    assert np.abs(clip.video - cut).max() <= 1 < np.abs(clip.video - faded).max()  # pieces may be rounded differently


@pytest.fixture(scope="module")
def clip(teller) -> reelm.Clip:
    return teller.generate("a red seven moves", num_frames=13, seed=3, **HOT)


@pytest.mark.slow
def test_a_retake_keeps_all_around_its_seconds(teller, clip):
    asked: dict[str, Any] = {"video": clip, "retake": (0.5, 1.0), "seed": 4, **HOT}
    again = teller.generate("a blue two", **asked)
    inside = (np.arange(13) >= 4) & (np.arange(13) < 8)
    np.testing.assert_array_equal(again.video[~inside], clip.video[~inside])
    assert (again.video[inside] != clip.video[inside]).any()
    np.testing.assert_array_equal(ids(again)[[0, 3]], ids(clip)[[0, 3]])
    assert (ids(again)[1:3] != ids(clip)[1:3]).any()
    pieces = list(teller.stream("a blue two", **asked))
    np.testing.assert_array_equal(np.concatenate([piece.video for piece in pieces]), again.video)


@pytest.mark.long
@pytest.mark.slow
def test_a_retake_later_in_a_long_clip_keeps_all_around_its_seconds(teller):
    clip = teller.generate("a red seven moves", num_frames=25, seed=3, **HOT)
    again = teller.generate("a blue two", video=clip, retake=(1.5, 2.5), seed=4, **HOT)
    np.testing.assert_array_equal(ids(again)[[0, 1, 2, 6]], ids(clip)[[0, 1, 2, 6]])
    assert (ids(again)[3:6] != ids(clip)[3:6]).any()


@pytest.mark.long
@pytest.mark.slow
def test_of_several_retakes_the_one_comes_back_after_which_the_rest_is_likeliest(teller, clip):
    model = replace(teller, describer=None)
    asked: dict[str, Any] = {"video": clip, "retake": (0.5, 1.0), **HOT}
    best = model.generate("a blue two", seed=4, best_of=4, **asked)
    draws = [model.generate("a blue two", seed=seed, **asked) for seed in seeds_of(4, 4)]
    rest = [model.score(draw, "a blue two")[3:].sum() for draw in draws]
    assert np.ptp(rest) > 0.01 and best.info["drawn_seed"] == draws[int(np.argmax(rest))].info["seed"]
    np.testing.assert_array_equal(ids(best), ids(draws[int(np.argmax(rest))]))


@pytest.mark.slow
def test_a_shot_that_is_made_anew_as_a_whole_is_made_as_in_the_first_place(teller, pictures):
    shots = (*SHOTS[:2], replace(SHOTS[2], cut=True))
    asked: dict[str, Any] = {"storyboard": shots, "references": pictures, **HOT}
    clip = teller.generate(seed=3, **asked)
    again, other = (teller.generate(seed=seed, video=clip, retake=(1.5, 2.5), **asked) for seed in (3, 4))
    np.testing.assert_array_equal(ids(again), ids(clip))
    changed = (ids(other) != ids(clip)).any(axis=(1, 2))
    assert changed.tolist() == [at in (4, 5) for at in range(8)]  # the shot's own latent frames
    frames = (other.video != clip.video).any(axis=(1, 2, 3))
    assert frames.any() and not frames[:13].any() and not frames[21:].any()


def test_a_window_of_a_retake_knows_pictures_and_sound_around_it(teller):
    clip = reelm.Clip(
        video=np.zeros((25, 16, 24, 3), np.uint8), fps=8.0, audio=np.zeros((50_000, 1), np.float32), sample_rate=16_000
    )
    stream = planned(teller, "two", video=clip, retake=(1.0, 1.5)).stream
    [shot] = stream.shots
    assert [shot.conditions.picture(at) is None for at in range(7)] == [at in (2, 3) for at in range(7)]
    prefix = stream.prefix(shot, 1, np.zeros((1, 2, 3), np.int32))  # type: ignore[arg-type]
    there = np.asarray(prefix.kinds[0, :, 0, 0])[:5].tolist()
    assert there == [PictureKind.ANCHOR, PictureKind.KNOWN, PictureKind.UNKNOWN, PictureKind.UNKNOWN, PictureKind.KNOWN]
    np.testing.assert_array_equal((prefix.sound[0] == -1).all(axis=1), np.repeat([False, True, True, False], 20))


WRONG = [
    ({"storyboard": []}, "has 0 shots"),
    ({"storyboard": {"shots": 1}}, "give a list of shots"),
    ({"storyboard": ["a red seven"]}, "shot 1 is a str"),
    ({"storyboard": [{"prompt": "two"}]}, "shot 1 has no seconds"),
    ({"storyboard": [{"prompt": "two", "seconds": 1, "length": 2}]}, "shot 1 has 'length'"),
    ({"storyboard": [{"prompt": "two", "seconds": 1}, {"prompt": "two", "seconds": -1}]}, "shot 2: seconds"),
    ({"storyboard": [{"prompt": "two", "seconds": 0}]}, "must be above 0"),
    ({"storyboard": [{"prompt": "two", "seconds": "long"}]}, "must be a number"),
    ({"storyboard": [{"prompt": "two", "seconds": 0.1}] * 3}, "shot 3 takes 0.1"),
    ({"storyboard": [{"prompt": 2, "seconds": 1}]}, "must be text"),
    ({"storyboard": [{"prompt": "two", "seconds": 1}], "num_frames": 9}, "leave num_frames out"),
    ({"storyboard": [{"prompt": "two", "seconds": 1}], "prompt": "two"}, "leave the prompt out"),
    ({"prompt": "a <3>", "references": 2}, "names? <3>.*<1> to <2>"),
    ({"prompt": "a <1>"}, "no references are given"),
    ({"prompt": "a red seven", "references": 1}, "no words name reference <1>"),
    ({"prompt": "a <1>", "references": 5}, "5 references; give 1 to 4"),
    ({"prompt": "a <1>", "references": "picture.png"}, "give a list of pictures"),
    ({"prompt": "a <1>", "references": [np.zeros((1, 1, 3), np.uint8)]}, "1x1 pixels"),
    ({"prompt": "a <1>", "references": [np.broadcast_to(np.uint8(0), (6000, 10_000, 3))]}, "10000x6000 pixels"),
    ({"retake": (1.0, 2.0)}, "give that video too"),
    ({"retake": (2.0, 1.0)}, "overlap or go back"),
    ({"retake": (0.0, 2.0, 1.0, 3.0)}, "overlap or go back"),
    ({"retake": (1.0,)}, "from and to"),
    ({"retake": (5.0, 6.0), "video": np.zeros((9, 16, 24, 3), np.uint8)}, "shows no frame from 5 to 6"),
    ({"retake": (0.5, 1.0), "video": np.zeros((9, 16, 24, 3), np.uint8), "num_frames": 17}, "has 9 frames"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "said"), WRONG)
def test_what_cannot_be_told_is_refused_in_one_line(teller, pictures, asked, said):
    asked = dict(asked)
    if isinstance(asked.get("references"), int):
        asked["references"] = [pictures[0]] * asked["references"]
    with pytest.raises(RequestError, match=said) as refused:
        planned(teller, asked.pop("prompt", None), **asked)
    assert "\n" not in str(refused.value)


def test_a_model_that_learned_no_stories_refuses_them(tiny_model, pictures):
    lm = tiny_model.language_model()
    plain = replace(tiny_model, lm=LanguageModel(lm.config, lm.params, lm.text, ("t2v", "continuation")))
    video = np.zeros((9, 16, 24, 3), np.uint8)
    asked: list[tuple[dict[str, Any], str]] = [
        ({"prompt": "a <1>", "references": pictures[:1]}, "leave references out"),
        ({"storyboard": [reelm.Shot("two", 1.0), reelm.Shot("red", 1.0)]}, "leave cut out"),
        ({"prompt": "two", "video": video, "retake": (0.5, 1.0)}, "leave retake out"),
    ]
    for each, said in asked:
        with pytest.raises(RequestError, match=said):
            planned(plain, each.pop("prompt", None), **each)


def test_a_storyboard_is_read_from_a_file_with_its_pictures_beside_it(tmp_path: Path):
    path = tmp_path / "story.json"
    shots = [{"prompt": "a red <1>", "seconds": 2}, {"prompt": "two", "seconds": 1, "cut": False, "camera": "zoom in"}]
    path.write_text(json.dumps({"storyboard": shots, "references": ["seven.png"]}))
    found = read_storyboard(path)
    assert found["references"] == [tmp_path / "seven.png"] and [shot.cut for shot in found["storyboard"]] == [
        True,
        False,
    ]
    path.write_text(json.dumps(shots))
    assert read_storyboard(path).keys() == {"storyboard"}
    for text, said in (("[", "is not JSON"), ("3", "give a list"), ('{"shots": []}', "has 'shots'")):
        path.write_text(text)
        with pytest.raises(RequestError, match=said):
            read_storyboard(path)
