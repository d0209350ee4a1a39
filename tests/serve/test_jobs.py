"""Jobs: one end each, and those that a server did not finish are made anew by the next."""

import threading
from collections.abc import Callable

import pytest

from reelm.errors import RequestError
from reelm.serve.job import Job
from reelm.serve.jobs import Jobs, QueueFull

pytestmark = pytest.mark.slow


def test_only_one_of_a_cancel_a_deletion_and_an_end_succeeds(tmp_path):
    jobs = Jobs(tmp_path, 100)
    for number in range(40):
        job = Job(model="tiny", prompt="red", seed=number, settings={})
        jobs.add(job)
        assert jobs.claim(1) is not None
        won: list[str] = []
        rivals = {
            "end": lambda id=job.id: jobs.complete(id),
            "cancel": lambda id=job.id: jobs.fail(id, "cancelled", ""),
            "deletion": lambda id=job.id: jobs.delete(id) and False,
        }

        def run(name: str, act: Callable[[], bool], won: list[str] = won) -> None:
            won.extend([name] if act() else [])

        threads = [threading.Thread(target=run, args=pair) for pair in rivals.items()]
        for thread in (threads[number % 3], threads[(number + 1) % 3], threads[(number + 2) % 3]):
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) <= 1 and jobs.get(job.id) is None
    assert jobs.counts() == {}
    jobs.close()


def test_jobs_that_wait_have_places(tmp_path):
    jobs = Jobs(tmp_path, 9)
    made = [Job(model="tiny", prompt="red", seed=seed, settings={}) for seed in range(4)]
    for job in made:
        jobs.add(job)
    assert (claimed := jobs.claim(1)) is not None
    assert jobs.fail(made[2].id, "cancelled", "")
    assert jobs.places() == {made[1].id: 1, made[3].id: 2}
    assert [jobs.place(each) for each in (claimed, made[3])] == [None, 2]
    jobs.close()


def test_an_owner_lists_its_own_jobs(tmp_path):
    jobs = Jobs(tmp_path, 9)
    made = [Job(model="tiny", prompt="red", seed=0, settings={}, owner=owner) for owner in ("ada", "grace", "ada")]
    for job in made:
        jobs.add(job)
    for owner, own in (("ada", made[::2]), ("grace", made[1:2]), ("nobody", []), (None, made)):
        assert [job.id for job in jobs.page(owner, None, 9, "asc")] == [job.id for job in own]
        assert [job.id for job in jobs.page(owner, None, 9, "desc", ["queued"])] == [job.id for job in own[::-1]]
        assert not jobs.page(owner, None, 9, "asc", ["completed"])
    assert [job.id for job in jobs.page("ada", made[0].id, 9, "asc")] == [made[2].id]
    jobs.close()


def test_jobs_that_ran_when_the_server_ended_begin_again(tmp_path):
    jobs = Jobs(tmp_path, 2)
    first, second = (Job(model="tiny", prompt="red", seed=seed, settings={"top_k": 3}) for seed in range(2))
    jobs.add(first)
    jobs.add(second)
    with pytest.raises(QueueFull):
        jobs.add(Job(model="tiny", prompt="red", seed=2, settings={}))
    assert (claimed := jobs.claim(1)) is not None and claimed.id == first.id and claimed.settings == {"top_k": 3}
    assert jobs.fail(second.id, "cancelled", "") and not jobs.fail(second.id, "cancelled", "")
    with pytest.raises(RequestError, match="another server works"):
        Jobs(tmp_path, 2)
    jobs.close()
    (tmp_path / "jobs" / "video_0123456789abcdef01234567").mkdir(parents=True)
    again = Jobs(tmp_path, 2)
    assert not (tmp_path / "jobs" / "video_0123456789abcdef01234567").exists()
    assert (claimed := again.claim(1)) is not None and claimed.id == first.id and again.claim(1) is None
    assert again.complete(first.id) and not again.fail(first.id, "cancelled", "") and not again.complete(first.id)
    assert again.delete(first.id) and again.get(first.id) is None and not again.note(first.id, 5)
    again.close()


def test_keys_take_turns_and_none_has_more_than_its_share_in_progress(tmp_path):
    jobs = Jobs(tmp_path, 64)
    for owner in ("ada", "ada", "ada", "grace", "grace"):
        jobs.add(Job(model="tiny", prompt="red", seed=0, settings={}, owner=owner))
    begun = [jobs.claim(2) for _ in range(5)]
    assert [each and each.owner for each in begun] == ["ada", "grace", "ada", "grace", None]
    assert begun[0] is not None and jobs.complete(begun[0].id)
    after = jobs.claim(2)
    assert after is not None and after.owner == "ada" and jobs.claim(2) is None
    jobs.close()


def test_jobs_of_nobody_begin_in_their_order(tmp_path):
    jobs = Jobs(tmp_path, 64)
    asked = [Job(model="tiny", prompt="red", seed=0, settings={}) for _ in range(4)]
    for job in asked:
        jobs.add(job)
    assert [each and each.id for each in [jobs.claim(1) for _ in range(5)]] == [*(job.id for job in asked), None]
    jobs.close()
