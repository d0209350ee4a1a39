"""Turn a random-access source of examples into an endless stream of batches that can be resumed.

In: any object with `len` and `[i]`. Out: a Grain `MapDataset` whose element i *is* batch i, or a process's share of it,
so that the position of a run in its data is one number; and an iterator over it that can save and restore that number.
Knows nothing of what an example holds, nor of models.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grain

from reelm.cores import cores


def batches(
    source: Any,
    *,
    batch_size: int,
    seed: int,
    transform: Callable[[Any], Any] | grain.transforms.RandomMap | None = None,
    process: int = 0,
    processes: int = 1,
) -> grain.MapDataset:
    """Return an endless dataset of stacked examples, in another order in every epoch.

    Args:
        source: examples by index: `len(source)`, `source[i]` -> dict of arrays.
        batch_size: examples a batch; a batch may hold the end of one epoch and the start of the next.
        seed: fixes the order, and the draws of a random `transform`.
        transform: applied to each example before it is stacked; a `grain.transforms.RandomMap` also gets a numpy
            generator that depends only on the seed and the position.
        process, processes: number of this process, and of all. Element i is then this process's share of batch i. The
            batch is the same for any number of processes, so a run can be resumed with another number.
    """
    if batch_size % processes or not 0 <= process < processes:
        raise ValueError(
            f"a batch of {batch_size} cannot be shared by {processes} processes, of which this is {process}"
        )
    dataset = grain.MapDataset.source(source).seed(seed).shuffle().repeat()
    if isinstance(transform, grain.transforms.RandomMap):
        dataset = dataset.random_map(transform)
    elif transform is not None:
        dataset = dataset.map(transform)
    # An endless dataset has no remainder, but without this the length of batches of one overflows in Grain.
    shares = dataset.batch(batch_size // processes, drop_remainder=True)
    return shares if processes == 1 else shares.slice(slice(process, None, processes))


def mix(datasets: Sequence[grain.MapDataset], weights: Sequence[float]) -> grain.MapDataset:
    """Return a dataset that takes whole batches from each of `datasets` in the ratio of `weights`, evenly spread."""
    if len(datasets) != len(weights) or min(weights, default=0) <= 0:
        raise ValueError(f"mix needs one positive weight for each of {len(datasets)} datasets, not {list(weights)}")
    return grain.MapDataset.mix(datasets, weights=weights)


def join(parts: Mapping[str, grain.MapDataset]) -> grain.MapDataset:
    """Return a dataset whose element i holds element i of every part under the part's name."""
    (first, leading), *others = parts.items()
    return leading.map_with_index(lambda i, batch: {first: batch, **{name: part[i] for name, part in others}})


def stages(parts: Sequence[tuple[int | None, grain.MapDataset]]) -> grain.MapDataset:
    """Return the parts one after another: `(steps, dataset)` gives the first `steps` batches of `dataset`.

    The last part may have None for its steps: it lasts as long as its dataset.
    """
    cut = []
    for i, (steps, dataset) in enumerate(parts):
        if steps is None and i < len(parts) - 1:
            raise ValueError(f"stage {i} of {len(parts)} has no number of steps; only the last may go on for ever")
        if steps is not None and not 0 < steps <= len(dataset):
            raise ValueError(f"stage {i} wants {steps} batches of a dataset that holds {len(dataset)}")
        cut.append(dataset if steps is None else dataset.slice(slice(0, steps)))
    return grain.MapDataset.concatenate(cut) if len(cut) > 1 else cut[0]


def iterate(
    dataset: grain.MapDataset, start: int = 0, *, threads: int | None = None, prefetch: int = 2
) -> grain.DatasetIterator:
    """Return an iterator over `dataset` from element `start` on.

    Its `get_state()` is a small dict for JSON that counts the batches returned, not those read ahead; `set_state`
    continues from there.

    Args:
        threads: reader threads, each of which makes whole batches. Default: one for each core, at most 8.
        prefetch: batches made ahead. No more threads than this are started.
    """
    if prefetch < 1:
        raise ValueError(f"prefetch must be at least 1, not {prefetch}")
    threads = min(threads or min(8, cores()), prefetch)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    iterator = iter(dataset.to_iter_dataset(options))
    if start:
        iterator.set_state({"next_index": start})
    return iterator
