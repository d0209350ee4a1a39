"""The batches of a training run: token sets mixed by weight, batches of one shape, stage after stage.

In: token sets, stages of buckets, a transform. Out: a Grain dataset whose element i is batch i, which depends only on
the seed and i. Knows nothing of models and of what a transform makes of a sample.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import grain

from reelm.data import pipeline
from reelm.errors import RequestError

from .config import Bucket, Stage
from .read import TokenSource
from .sample import TokenSample


def mixture(
    stages: Sequence[Stage],
    sources: Sequence[TokenSource],
    transform: Callable[[TokenSource, Bucket], grain.transforms.RandomMap],
    *,
    seed: int,
    process: int = 0,
    processes: int = 1,
) -> grain.MapDataset:
    """Return the batches of a run, each from one set and of one shape; see `pipeline.batches` for what is random.

    Args:
        stages: in order; a bucket takes the clips that are as long or longer.
        sources: the token sets.
        transform: makes an example of a sample, for a set and a bucket.
        process, processes: of which each batch is the share; see `pipeline.batches`.

    Raises:
        RequestError: a bucket longer than all clips, or another number of weights than of sets.
    """
    shapes = [list(_shapes(source)) for source in sources]

    def batches(number: int, bucket: Bucket, weights: Sequence[float] | None) -> grain.MapDataset:
        parts, shares = [], []
        if not any(bucket.needs <= source[0].keys() for source in sources):
            raise RequestError(
                "the run trains on stories, and the tokens have none: tokenize a set with references and next shots, "
                "such as moving_digits_stories, in clips of more than one frame"
            )
        for which, (source, each) in enumerate(zip(sources, shapes, strict=True)):
            if not bucket.needs <= source[0].keys():
                continue
            long = [shape for shape in each if shape.frames >= bucket.least]
            there = sum(shape.samples for shape in long)
            for shape in long:
                part = pipeline.batches(
                    _Range(source, shape.first, shape.samples),
                    batch_size=bucket.batch_size,
                    # Each has its own seed, so none repeats another's order.
                    seed=seed + number + 100_000 * len(parts),
                    transform=transform(source, bucket),
                    process=process,
                    processes=processes,
                )
                parts.append(part)
                shares.append(shape.samples if weights is None else weights[which] * shape.samples / there)
        if not parts:
            longest = max(shape.frames for each in shapes for shape in each)
            raise RequestError(
                f"a bucket needs clips of {bucket.least} latent frames; the longest in the tokens have {longest}"
            )
        return _mixed(parts, shares)

    ordered = []
    for n, stage in enumerate(stages):
        _check_weights(f"token_weights of stage {n}", stage.token_weights, len(sources))
        buckets = [batches(1000 * n + i, bucket, stage.token_weights) for i, bucket in enumerate(stage.buckets)]
        ordered.append((stage.steps, _mixed(buckets, stage.weights)))
    return pipeline.stages(ordered)


def _check_weights(name: str, weights: Sequence[float] | None, sets: int) -> None:
    if weights is not None and (len(weights) != sets or min(weights) < 0 or not any(weights)):
        raise RequestError(f"{name} are {list(weights)}; it takes one of 0 or more for each of {sets} token sets")


class _Shape(NamedTuple):
    """A run of samples: where it begins, how many there are, their latent frames."""

    first: int
    samples: int
    frames: int


def _shapes(source: TokenSource) -> Iterator[_Shape]:
    first = 0
    for run in source.index.runs:
        if run.samples:
            yield _Shape(first, run.samples, source[first]["video"].shape[0])
        first += run.samples


@dataclass(frozen=True, eq=False)
class _Range:
    """Consecutive samples of a source, as a source of their own."""

    source: TokenSource
    first: int
    samples: int

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> TokenSample:
        return self.source[self.first + index]


def _mixed(datasets: Sequence[grain.MapDataset], weights: Sequence[float]) -> grain.MapDataset:
    if len(datasets) == len(weights):
        kept = [(dataset, weight) for dataset, weight in zip(datasets, weights, strict=True) if weight]
        datasets, weights = [dataset for dataset, _ in kept], [weight for _, weight in kept]
    return datasets[0] if len(datasets) == len(weights) == 1 else pipeline.mix(datasets, weights)
