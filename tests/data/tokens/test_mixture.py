"""What a run sees: several token sets in the given shares, batches of one shape, the same on every start."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

from reelm.data.tokens.config import Bucket, Stage
from reelm.data.tokens.index import TokenRun
from reelm.data.tokens.mixture import mixture
from reelm.data.tokens.read import TokenSource, open_tokens
from reelm.data.tokens.sample import TokenSample
from reelm.data.tokens.write import write_tokens
from reelm.errors import RequestError


class Mark(grain.transforms.RandomMap):
    """A sample as its codes' first number, which says where it comes from, and a cut to the bucket's length."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def random_map(self, element: Any, rng: np.random.Generator) -> Any:
        return {"codes": element["video"][: self.frames], "draw": rng.integers(1 << 30)}


def tokens(directory: Path, mark: int, *runs: tuple[int, int, int, int]) -> TokenSource:
    """A set whose codes are all `mark` + the sample's number; runs are (samples, t, h, w)."""
    shapes = [(t, h, w) for samples, t, h, w in runs for _ in range(samples)]

    def samples_of(start: int, stop: int) -> Iterator[TokenSample]:
        none: dict[str, Any] = {"still_frames": np.zeros(0, np.int32), "sound": np.zeros((0, 0), np.int32)}
        codes = (np.full(shapes[i], mark + i, np.int32) for i in range(start, stop))
        return (TokenSample(video=ids, captions=("",), stills=ids[:0], **none) for ids in codes)

    of_pixels = [TokenRun(n, 1 + 4 * (t - 1), 8 * h, 8 * w) for n, t, h, w in runs]
    write_tokens(directory, samples_of, runs=of_pixels, tokenizer_hash="abc", fps=8.0, time_stride=4, shard_size=5)
    return open_tokens(directory)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[TokenSource]:
    """Images and short clips of two shapes; and long clips of one."""
    folder = tmp_path_factory.mktemp("tokens")
    return [
        tokens(folder / "a", 0, (6, 1, 2, 2), (9, 3, 2, 2), (3, 3, 1, 4)),
        tokens(folder / "b", 1000, (12, 5, 2, 2)),
    ]


def batches(sets: Sequence[TokenSource], *stages: Stage, **options: Any) -> Any:
    return mixture(stages, sets, lambda source, bucket: Mark(bucket.frames), **{"seed": 3, **options})


def test_a_batch_holds_one_set_and_one_shape(sets):
    mixed = batches(sets, Stage(buckets=(Bucket(frames=3, batch_size=4),)))
    seen = set()
    for i in range(24):
        codes = mixed[i]["codes"]
        assert len({mark >= 1000 for mark in codes[:, 0, 0, 0].tolist()}) == 1
        seen.add(codes.shape)
    assert seen == {(4, 3, 2, 2), (4, 3, 1, 4)}


def test_sets_and_shapes_come_in_the_ratio_of_their_samples_or_of_their_weights(sets):
    def shares(weights: tuple[float, ...] | None) -> list[float]:
        mixed = batches(sets, Stage(buckets=(Bucket(frames=3, batch_size=2),), token_weights=weights))
        firsts = [mixed[i]["codes"] for i in range(48)]
        kinds = ["b" if codes.max() >= 1000 else f"a{codes.shape[2]}" for codes in firsts]
        return [kinds.count(kind) / 48 for kind in ("a2", "a1", "b")]

    np.testing.assert_allclose(shares(None), [9 / 24, 3 / 24, 12 / 24], atol=0.03)
    np.testing.assert_allclose(shares((3.0, 1.0)), [0.75 * 9 / 12, 0.75 * 3 / 12, 0.25], atol=0.03)
    np.testing.assert_allclose(shares((0.0, 1.0)), [0, 0, 1])


def test_a_set_without_clips_of_a_length_leaves_the_others_their_ratio(sets):
    mixed = batches(sets, Stage(buckets=(Bucket(frames=4, batch_size=2),), token_weights=(0.9, 0.1)))
    assert all((mixed[i]["codes"] >= 1000).all() for i in range(20))


def test_every_sample_of_a_shape_comes_once_before_any_comes_again(sets):
    mixed = batches(sets[1:], Stage(buckets=(Bucket(frames=5, batch_size=4),)))
    marks = np.array([mixed[i]["codes"][:, 0, 0, 0] for i in range(6)]).reshape(2, 12)
    assert (np.sort(marks, axis=1) == np.arange(1000, 1012)).all() and (marks[0] != marks[1]).any()


def test_stages_change_the_lengths_and_the_shares(sets):
    images = Stage(steps=10, buckets=(Bucket(frames=1, batch_size=4),))
    both = Stage(buckets=(Bucket(frames=1, batch_size=4), Bucket(frames=5, batch_size=2)), weights=(0.25, 0.75))
    mixed = batches(sets, images, both)
    assert {mixed[i]["codes"].shape[1] for i in range(10)} == {1}
    later = [mixed[i]["codes"].shape[1] for i in range(10, 50)]
    assert later.count(5) == 30 and later.count(1) == 10


def test_the_same_seed_gives_the_same_batches_to_any_number_of_processes(sets):
    stage = Stage(buckets=(Bucket(frames=1, batch_size=4), Bucket(frames=3, batch_size=2)), weights=(0.5, 0.5))
    whole, other = batches(sets, stage), batches(sets, stage, seed=4)
    shares = [batches(sets, stage, process=p, processes=2) for p in range(2)]
    for i in range(10):
        joined = {name: np.concatenate([share[i][name] for share in shares]) for name in ("codes", "draw")}
        np.testing.assert_equal(joined, whole[i])
    assert any(not np.array_equal(whole[i]["draw"], other[i]["draw"]) for i in range(4))


def test_impossible_mixtures_are_refused(sets):
    with pytest.raises(RequestError, match="6 latent frames; the longest in the tokens have 5"):
        batches(sets, Stage(buckets=(Bucket(frames=6, batch_size=2),)))
    for weights in ((1.0,), (0.0, 0.0), (-1.0, 2.0)):
        with pytest.raises(RequestError, match="token_weights of stage 0"):
            batches(sets, Stage(token_weights=weights))
