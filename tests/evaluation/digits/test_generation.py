"""Evaluation gives a perfect generator full marks, a careless one what it earns, and counts codes where ink is."""

import json
from dataclasses import dataclass

import imageio.v3 as iio
import jax
import numpy as np
import pytest

from reelm.cli.table import table
from reelm.data.moving_digits import scenes as moving_digits
from reelm.errors import RequestError
from reelm.evaluation.digits.generation import GROUPS, generation, prompts
from reelm.evaluation.reconstruction import active_positions, bit_balance, of_data_set
from reelm.tokenizer.video.config import VideoTokenizerConfig
from reelm.tokenizer.video.tokenizer import VideoTokenizer, init_params

CLIPS = 20


@dataclass
class Drawn:
    video: np.ndarray


class Painter:
    """A generator that paints what it is told, from the data set itself; `spoil` makes it a worse one."""

    def __init__(self, spoil=lambda video: video, *, seed: int = 0):
        self.spoil = spoil
        self.calls: list[tuple[int, int]] = []
        self.known = {
            caption: (scene, moving_digits.digits_for(split))
            for group, (split, _) in GROUPS.items()
            for scene, caption in zip(*prompts(group, CLIPS, seed=seed), strict=True)
        }

    def generate(self, prompt, *, num_frames, seed, best_of):
        self.calls.append((len(prompt), seed))
        return [Drawn(self.spoil(moving_digits.render(*self.known[words], num_frames))) for words in prompt]


def test_a_perfect_generator_gets_what_the_judge_can_give():
    result = generation(Painter(), clips=CLIPS, batch=8)
    assert list(result) == ["trained", "held_out", "two"]
    for row in result.values():
        assert row["all_right"] == row["real"] >= 0.9
        assert row["interval"][0] <= row["all_right"] <= row["interval"][1]
        assert row["clips"] == CLIPS


def test_each_fault_costs_its_own_field():
    mirrored = generation(Painter(lambda video: video[::-1]), clips=CLIPS, groups=["trained"], num_frames=9)["trained"]
    assert mirrored["direction"] == mirrored["all_right"] == 0
    assert mirrored["colour"] == 1 and mirrored["digit"] >= 0.9
    turned = generation(Painter(lambda video: video[..., [1, 2, 0]]), clips=CLIPS, groups=["two"])["two"]
    assert turned["colour"] <= 0.2 and turned["all_right"] == 0
    assert turned["direction"] == 1


def test_blank_clips_earn_nothing():
    result = generation(Painter(np.zeros_like), clips=CLIPS)
    assert all(row[field] == 0 for row in result.values() for field in ("all_right", "digit", "colour", "direction"))


def test_batches_have_one_shape_and_seeds_of_their_own():
    painter, heard = Painter(seed=5), []
    generation(painter, clips=CLIPS, batch=8, seed=5, groups=["held_out"], progress=lambda *seen: heard.append(seen))
    assert painter.calls == [(8, 5), (8, 6), (8, 7)]
    assert heard == [(8, 20), (16, 20), (20, 20)]


def test_prompts_are_of_their_group_and_only_grow():
    for group, (split, count) in GROUPS.items():
        scenes, captions = prompts(group, 30, seed=3)
        assert prompts(group, 10, seed=3) == (scenes[:10], captions[:10])
        assert prompts(group, 10, seed=4)[1] != captions[:10]
        assert {len(scene.movers) for scene in scenes} == {count}
        assert all(mover.held_out == (split == "held_out") for scene in scenes for mover in scene.movers)


def test_sheets_are_written_for_each_group(tmp_path):
    generation(Painter(), clips=3, sheets=tmp_path / "sheets", groups=["trained"])
    assert iio.imread(tmp_path / "sheets" / "trained.png").shape == (2 + 3 * 130, 2 + 9 * 130, 3)


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"batch": 0}, {"num_frames": 1}, {"groups": ["three"]}])
def test_impossible_evaluations_are_refused_in_one_line(wrong):
    with pytest.raises(RequestError) as error:
        generation(Painter(), **wrong)
    assert "\n" not in str(error.value)


def test_active_positions_are_those_with_ink():
    video = np.zeros((1, 9, 16, 24, 3), np.uint8)
    video[0, 0, 0, 0, 1] = 1  # first frame, first position
    video[0, 4, 15, 23, 2] = 1  # the last frame of the second latent frame, last position
    video[0, 5, 8, 7, 0] = 1  # the first frame of the third
    active = active_positions(video, 4, 8)
    assert active.shape == (1, 3, 2, 3)
    assert np.argwhere(active[0]).tolist() == [[0, 0, 0], [1, 1, 2], [2, 1, 0]]


def test_bit_balance_of_known_codes():
    # Bit 0 alternates, bit 1 is set in one of four, bit 2 never.
    assert bit_balance(np.array([0, 1, 0, 3]), 3) == pytest.approx([0.0, (1 + 0.5 + 0) / 3])
    assert bit_balance(np.array([], np.int32), 3) == [0.0, 0.0]


@pytest.fixture(scope="module")
def rebuilt() -> dict:
    config = VideoTokenizerConfig(encoder_channels=(8,), decoder_channels=(8,), encoder_blocks=1, decoder_blocks=1)
    tokenizer = VideoTokenizer(config, init_params(config, jax.random.key(0)))
    return of_data_set(tokenizer, "moving_digits", clips=5, batch=2)


def test_an_untrained_tokenizer_is_judged_as_it_is(rebuilt):
    # It paints the background, so nothing can be read; the originals stay what they are.
    assert rebuilt["read"] == 0 and rebuilt["read_originals"] >= 0.8
    assert 5 < rebuilt["psnr"] < 20 and rebuilt["ssim"] < 0.99
    assert 0.05 < rebuilt["active"] < 0.6
    assert rebuilt["codes_used"] >= 1
    assert 0 <= rebuilt["bit_balance"][0] <= rebuilt["bit_balance"][1] <= 1


def test_results_are_json_and_tables(rebuilt):
    generated = generation(Painter(np.zeros_like), clips=3, num_frames=9)
    for result in (rebuilt, generated):
        assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert table(generated).splitlines()[0].split()[:3] == ["clips", "all_right", "interval"]
    assert table(generated).splitlines()[1].split()[0] == "trained"
    assert table(rebuilt).splitlines()[0].split() == ["clips", "5"]
