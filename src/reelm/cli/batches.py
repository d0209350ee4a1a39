"""Group clips into calls of `generate`.

In: jobs in order, each with a prompt and a seed. Out: batches, each of them the arguments of one call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, Protocol, TypeVar

_AT_ONCE = 8


class Job(Protocol):
    """One clip to be made."""

    @property
    def prompt(self) -> str: ...

    @property
    def seed(self) -> int: ...


_Job = TypeVar("_Job", bound=Job)


@dataclass(frozen=True)
class Batch(Generic[_Job]):
    """Jobs that one call makes: consecutive seeds of prompts, or prompts with one seed.

    Attributes:
        jobs: in the order of the clips that `generate` returns.
    """

    jobs: Sequence[_Job]

    @property
    def prompts(self) -> list[str]:
        """The prompts of the call."""
        return [job.prompt for job in self.jobs][:: self.num_samples]

    @property
    def seed(self) -> int:
        """The seed of the call."""
        return self.jobs[0].seed

    @property
    def num_samples(self) -> int:
        """The number of seeds of each prompt."""
        return len({job.seed for job in self.jobs})


def batches(jobs: Sequence[_Job]) -> Iterator[Batch[_Job]]:
    """Yield the batches of some jobs, at most 8 jobs in each."""
    several = len({job.seed for job in jobs}) > 1

    def alike(numbered: tuple[int, _Job]) -> object:
        number, job = numbered
        return (job.prompt, job.seed - number) if several else job.seed

    for _, run in groupby(enumerate(jobs), alike):
        together = [job for _, job in run]
        for i in range(0, len(together), _AT_ONCE):
            yield Batch(together[i : i + _AT_ONCE])
