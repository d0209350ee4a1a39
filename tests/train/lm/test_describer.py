"""Training of the describer: which words it learns, and that it learns them from what is seen and heard."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import reelm
from reelm.data.tokens.index import SoundIndex, TokenRun
from reelm.data.tokens.read import open_all
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError
from reelm.lm.describer_config import DescriberConfig
from reelm.sampling.folder.load import load
from reelm.train import parts
from reelm.train.export import ExportPlan, export
from reelm.train.lm import describer, describer_words
from reelm.train.lm.describer_config import DescriberRun
from reelm.train.run.config import LoopConfig
from reelm.train.step.optimizer import OptimizerConfig

COUNT, SOUND = 1_100, SoundIndex("heard", 2, 4, (1, 4))


def sample(index: int) -> TokenSample:
    """A clip whose pictures tell its colour, and whose sound tells its digit."""
    rng = np.random.default_rng(index)
    colour, digit = index % 2, index // 2 % 2
    video = rng.integers(0, 256, (2, 2, 2), np.int32) & ~1 | colour
    sound = rng.integers(0, 16, (5, 2), np.int32) & ~1 | digit
    named, phrase = ("red", "blue")[colour], ("once" if index == 0 else ("slides", "drifts")[index // 4 % 2])
    caption, other = f"A {named} {('one', 'two')[digit]} moves", f"the {named} {1 + digit} moves and {phrase}"
    none = np.zeros(0, np.int32)
    return TokenSample(video=video, captions=(caption, other), stills=video[:0], still_frames=none, sound=sound)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DescriberRun:
    folder = tmp_path_factory.mktemp("tokens")

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        return map(sample, range(start, stop))

    runs = [TokenRun(COUNT, 5, 16, 16)]
    write_tokens(folder, samples_of, runs=runs, tokenizer_hash="seen", fps=8.0, time_stride=4, sound=SOUND)
    return DescriberRun(
        model=DescriberConfig(bits=8, sound_levels=2, sound_bits=4, sound_frames=(1, 4), width=8, blocks=1),
        tokens=(folder,),
        noise_augmentation=0.02,
        dropout=0.0,
        batch_size=20,
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup=10, ema=0.95),
        loop=LoopConfig(steps=150, log_every=10, save_every=100),
    )


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("describer")
    reelm.train(run, workdir)
    return workdir


@pytest.mark.long
@pytest.mark.slow
def test_it_finds_the_words_of_clips_that_it_never_saw(trained):
    found, made_by = parts.open_describer(trained)
    assert made_by == "seen"
    # Neither words of all clips, nor of a single one, nor of one phrase; and two that say the same are one.
    assert found.config.words == (("1", "one"), ("2", "two"), ("blue",), ("red",))
    assert found.config.usual == pytest.approx((0.5,) * 4)
    right = []
    for index in range(COUNT, COUNT + 40):
        clip = sample(index)
        colour, digit = ("red", "blue")[index % 2], ("1", "2")[index // 2 % 2]
        right.append(set(found.likely(clip["video"], clip["sound"])) == {colour, digit})
        seen, heard = found(clip["video"], None), found(None, clip["sound"])
        assert (seen["red"] > 0.5) == (index % 2 == 0) and (heard["1"] > 0.5) == (index // 2 % 2 == 0)
        assert 0.2 < seen["1"] < 0.8 and 0.2 < heard["red"] < 0.8  # what is not there tells nothing
    assert np.mean(right) > 0.95
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["decided"] > 0.8 > lines[0]["decided"]


def test_a_name_is_one_word_and_its_many_keywords_are_none(tmp_path):
    names, count = [f"name{i}" for i in range(8)], 800

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        for index in range(start, stop):
            name, keyword = names[index % 8], f"keyword{index % 40}"  # five of each name, and of no other
            yield TokenSample(**{**sample(index), "captions": (f"a {name}", f"the {name}", f"some {keyword}")})

    write_tokens(tmp_path, samples_of, runs=[TokenRun(count, 5, 16, 16)], tokenizer_hash="", fps=8.0, time_stride=4)
    words, usual = describer_words.telling_words(open_all((tmp_path,), 8)[0])
    assert words == tuple((name,) for name in names) and usual == pytest.approx([1 / 8] * 8)


@pytest.mark.long
@pytest.mark.slow
def test_it_goes_into_a_model_of_its_codes_alone(trained, tiny_model, tmp_path):
    tiny_model.save(tmp_path / "tiny")
    with pytest.raises(RequestError, match="trained on codes of tokenizer seen"):
        export(
            ExportPlan(video_tokenizer=tmp_path / "tiny", lm=[tmp_path / "tiny"], describer=trained), tmp_path / "out"
        )
    export(
        ExportPlan(video_tokenizer=tmp_path / "tiny", lm=[tmp_path / "tiny"], describer=tmp_path / "tiny"),
        tmp_path / "out",
    )
    exported = load(str(tmp_path / "out")).describer
    codes = np.arange(8, dtype=np.int32).reshape(2, 2, 2)
    assert exported is not None and exported(codes, None) == pytest.approx(tiny_model.describer(codes, None))


@pytest.mark.long
@pytest.mark.slow
def test_it_goes_on_from_a_describer_of_its_codes_and_sizes(run, trained, tiny_model, tmp_path):
    before, _ = parts.open_describer(trained)
    still = replace(run.optimizer, learning_rate=0.0)
    on = replace(run, start_from=trained, optimizer=still, loop=replace(run.loop, steps=1))
    reelm.train(on, tmp_path / "on")
    after, _ = parts.open_describer(tmp_path / "on")
    assert after.config == before.config  # with its words, which the config does not name
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    with pytest.raises(RequestError, match=r"of other sizes than this run: width: 8 -> 9"):
        reelm.train(replace(on, model=replace(run.model, width=9)), tmp_path / "wider")
    tiny_model.save(tmp_path / "tiny")
    with pytest.raises(RequestError, match="the tokens are of seen"):
        reelm.train(replace(on, start_from=tmp_path / "tiny"), tmp_path / "others")


def test_tokens_must_fit(run, tmp_path):
    with pytest.raises(RequestError, match="levels, bits and frames of sound"):
        reelm.train(replace(run, model=replace(run.model, sound_levels=3)), tmp_path)
    with pytest.raises(RequestError, match="but 6 bits are read here: 0 to 63"):
        reelm.train(replace(run, model=replace(run.model, bits=6)), tmp_path / "fewer")
    assert not (tmp_path / "fewer").exists()
    with pytest.raises(RequestError, match="0 usual shares for 1 words"):
        DescriberConfig(words=(("red",),))
    with pytest.raises(RequestError, match="no tokens to train on"):
        reelm.train(replace(run, tokens=()), tmp_path)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_of_some_clips_only_a_beginning_is_read_and_of_some_only_the_first_levels_of_sound(run, share):
    told = replace(run, model=replace(run.model, words=(("red",),), usual=(0.5,)), brief=share, coarse=share)
    transform, rng = describer.ToDescribe(replace(told, seen_alone=0.0, heard_alone=0.0)), np.random.default_rng(0)
    read = [transform.random_map(sample(0), rng) for _ in range(60)]
    beginnings = {
        (int((clip["video"] >= 0).all((1, 2)).sum()), int((clip["sound"] >= 0).any(1).sum())) for clip in read
    }
    levels = {int((clip["sound"] >= 0).any(0).sum()) for clip in read}
    assert beginnings == ({(1, 1), (2, 5)} if share else {(2, 5)})  # an audio frame beside the first picture, then four
    assert levels == ({1, 2} if share else {2})
    for clip in read:  # what is read is what was there, from its beginning and its first level
        for name in ("video", "sound"):
            assert ((clip[name] == sample(0)[name]) | (clip[name] == -1)).all()
        assert (clip["sound"][0, 0] >= 0) and (np.diff((clip["sound"][0] >= 0).astype(int)) <= 0).all()
