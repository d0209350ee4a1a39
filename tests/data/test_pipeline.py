"""The data of a run: batch i is a function of i alone, and nothing is lost or repeated."""

import json
from typing import Any

import grain
import numpy as np
import pytest

from reelm.data import pipeline

SIZE, BATCH = 23, 4


class Numbered:
    """Examples that say their own index."""

    def __init__(self, first: int = 0) -> None:
        self.first = first

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> dict[str, np.integer]:
        return {"index": np.int64(self.first + index)}


class Draw(grain.transforms.RandomMap):
    """Adds a draw to an example."""

    def random_map(self, element, rng) -> Any:
        return {**element, "draw": rng.integers(1 << 30)}


def batches(first: int = 0, **kwargs) -> grain.MapDataset:
    return pipeline.batches(Numbered(first), **{"batch_size": BATCH, "seed": 5, **kwargs})


def indices(dataset: Any, start: int, stop: int) -> list[list[int]]:
    return [dataset[i]["index"].tolist() for i in range(start, stop)]


def test_every_epoch_holds_every_example_once_in_its_own_order():
    order = np.array(indices(batches(), 0, SIZE)).ravel()
    epochs = order.reshape(BATCH, SIZE)
    assert (np.sort(epochs, axis=1) == np.arange(SIZE)).all()
    assert len({tuple(epoch) for epoch in epochs}) == BATCH


def test_the_seed_fixes_the_order():
    assert indices(batches(), 0, 9) == indices(batches(), 0, 9)
    assert indices(batches(), 0, 9) != indices(batches(seed=6), 0, 9)


def test_a_batch_may_hold_one():
    assert np.sort(np.ravel(indices(batches(batch_size=1), 0, SIZE))).tolist() == list(range(SIZE))


def test_a_batch_may_be_larger_than_the_source():
    [batch] = indices(batches(batch_size=3 * SIZE), 0, 1)
    assert np.bincount(batch).tolist() == [3] * SIZE


@pytest.mark.parametrize("threads", [1, 4])
def test_the_iterator_gives_batch_i_at_step_i(threads):
    dataset = batches(transform=Draw())
    iterator = pipeline.iterate(dataset, start=7, threads=threads, prefetch=4)
    for i in range(7, 20):
        np.testing.assert_equal(next(iterator), dataset[i])


def test_the_position_counts_batches_handed_out_and_survives_json():
    dataset = batches(transform=Draw())
    iterator = pipeline.iterate(dataset, prefetch=3)
    for _ in range(11):
        next(iterator)
    position = json.loads(json.dumps(iterator.get_state()))
    ahead = [next(iterator) for _ in range(5)]
    resumed = pipeline.iterate(dataset, prefetch=2)
    next(resumed)
    resumed.set_state(position)
    np.testing.assert_equal([next(resumed) for _ in range(5)], ahead)
    np.testing.assert_equal(ahead[0], dataset[11])


def test_a_plain_transform_changes_each_example():
    dataset = batches(transform=lambda example: {"index": -example["index"]})
    assert (np.array(indices(dataset, 0, 5)) == -np.array(indices(batches(), 0, 5))).all()


def test_a_mix_takes_whole_batches_in_the_given_ratio():
    mixed = pipeline.mix([batches(), batches(first=1000)], [3, 1])
    second = [set(np.array(batch) >= 1000) for batch in indices(mixed, 0, 40)]
    assert all(len(kinds) == 1 for kinds in second)
    assert sum(kinds == {True} for kinds in second) == 10


def test_stages_follow_one_another_and_the_last_goes_on():
    first, last = batches(), batches(first=1000)
    staged = pipeline.stages([(3, first), (None, last)])
    assert indices(staged, 0, 3) == indices(first, 0, 3)
    assert indices(staged, 3, 50) == indices(last, 0, 47)
    iterator = pipeline.iterate(staged, start=2)
    assert [next(iterator)["index"].tolist() for _ in range(3)] == indices(staged, 2, 5)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_very_batches_of_one(processes):
    whole: Any = batches(transform=Draw())
    shares: list[Any] = [batches(transform=Draw(), process=p, processes=processes) for p in range(processes)]
    for i in range(20):
        joined = {name: np.concatenate([share[i][name] for share in shares]) for name in ("index", "draw")}
        np.testing.assert_equal(joined, whole[i])


def test_a_run_goes_on_with_another_number_of_processes():
    def position_after(steps: int, position: Any, processes: int, seen: list) -> Any:
        iterators = [pipeline.iterate(batches(process=p, processes=processes)) for p in range(processes)]
        for iterator in iterators:
            iterator.set_state(position)
        for _ in range(steps):
            seen += [sorted(index for iterator in iterators for index in next(iterator)["index"])]
        [state] = {json.dumps(iterator.get_state()) for iterator in iterators}
        return json.loads(state)

    seen: list[list[int]] = []
    position = pipeline.iterate(batches()).get_state()
    for processes in (1, 2, 4, 1):
        position = position_after(5, position, processes, seen)
    assert seen == [sorted(batch) for batch in indices(batches(), 0, 20)]


def test_impossible_pipelines_are_refused_with_their_numbers():
    with pytest.raises(ValueError, match="2 datasets"):
        pipeline.mix([batches(), batches()], [1])
    with pytest.raises(ValueError, match="batch of 4 cannot be shared by 3"):
        batches(process=0, processes=3)
    with pytest.raises(ValueError, match="stage 0 of 2"):
        pipeline.stages([(None, batches()), (3, batches())])
    with pytest.raises(ValueError, match="wants 9 batches of a dataset that holds 5"):
        pipeline.stages([(9, batches().slice(slice(0, 5)))])
    with pytest.raises(ValueError, match="prefetch must be at least 1"):
        pipeline.iterate(batches(), prefetch=0)
