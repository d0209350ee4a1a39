"""Work of several owners is done in turn: one who asks for much waits for himself."""

import threading

from reelm.serve.turns import Turns


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
