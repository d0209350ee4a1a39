"""Work of several owners is done in turn: one who asks for much waits for himself."""

import threading

from reelm.serve.turns import Company, Turns


def test_an_owner_with_much_work_does_not_delay_another():
    turns, held, done = Turns("test", 1), threading.Event(), list[str]()
    finished = threading.Semaphore(0)

    def work(name: str):
        def run() -> None:
            held.wait(10)
            done.append(name)
            finished.release()

        return run

    for name in ("first", "a0", "a1", "a2", "b0", "b1"):
        turns.add(name.rstrip("012"), work(name))
    held.set()
    for _ in range(6):
        assert finished.acquire(timeout=10)
    assert done == ["first", "a0", "b0", "a1", "b1", "a2"]
    turns.close()


def test_one_piece_of_an_owner_is_done_at_a_time_and_of_nobody_many():
    turns, lock, together = Turns("test", 2), threading.Lock(), {"a": 0, "": 0}
    under_way, finished, both = {"a": 0, "": 0}, threading.Semaphore(0), threading.Barrier(2)

    def work(owner: str):
        def run() -> None:
            with lock:
                under_way[owner] += 1
                together[owner] = max(together[owner], under_way[owner])
            if not owner:
                both.wait(10)  # passes only if two are under way
            with lock:
                under_way[owner] -= 1
            finished.release()

        return run

    for owner in ("a", "a", "a", "", ""):
        turns.add(owner, work(owner))
    for _ in range(5):
        assert finished.acquire(timeout=10)
    assert together == {"a": 1, "": 2}
    turns.close()


def test_work_that_fails_does_not_end_the_turns():
    turns, finished = Turns("test", 1), threading.Event()

    def fail() -> None:
        raise ValueError

    turns.add("a", fail)
    turns.add("a", finished.set)
    assert finished.wait(10)
    turns.close()


def test_turns_in_company_share_the_time_of_their_owners():
    company = Company()
    three, finished = [Turns(f"test{i}", 1, company=company) for i in range(3)], threading.Semaphore(0)
    began, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        began.release()
        go_on.wait(10)
        finished.release()

    def finish(pieces: int) -> None:
        go_on.set()
        assert all(finished.acquire(timeout=10) for _ in range(pieces))
        go_on.clear()

    for turns in three:
        turns.add("a", work)
    assert all(began.acquire(timeout=10) for _ in three)  # alone, it has all threads
    finish(3)
    three[0].add("b", work)
    assert began.acquire(timeout=10)
    for turns in three[1:]:
        turns.add("a", work)
    assert began.acquire(timeout=10)
    assert not began.acquire(timeout=0.2)  # of the owner that has a piece under way, while another one works, too
    finish(3)
    for turns in three:
        turns.close()
