"""Recordings: stretches of worlds that somebody played, kept as clips that are made already.

In: a clip, as the player saw it. Out: a completed job with its file, in the table and the folder of all jobs.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reelm.errors import RequestError, reason
from reelm.media.clip import Clip
from reelm.media.pixels import scale_within

from .job import Job
from .job_runner import CLIP
from .jobs import Jobs

SIDE = 576  # pixels: a small clip is stored in blocks, so that players of films keep its pixels hard


class Recordings:
    """Writes recordings, in a thread of its own.

    Args:
        jobs: their table.
        most_bytes: of the clips that a key may keep.
    """

    def __init__(self, jobs: Jobs, most_bytes: int):
        self._jobs, self._most, self._thread = jobs, most_bytes, ThreadPoolExecutor(1, "recordings")

    def keep(
        self, clip: Clip, model: str, owner: str, keys: Sequence[Sequence[str]], told: Callable[[dict[str, Any]], None]
    ) -> None:
        """Store a recording.

        Args:
            clip: what was seen.
            model: the name of the world.
            owner: of the job; "" on a server without keys.
            keys: of all steps from the beginning of the world to the end of the clip.
            told: called with `{"recorded": job}`, or with an error, from the thread of this class.
        """
        self._thread.submit(self._keep, clip, model, owner, keys, told)

    def close(self) -> None:
        """Wait until all are stored."""
        self._thread.shutdown()

    def _keep(
        self, clip: Clip, model: str, owner: str, keys: Sequence[Sequence[str]], told: Callable[[dict[str, Any]], None]
    ) -> None:
        frames, height, width, _ = clip.video.shape
        now = time.time()
        job = Job(
            owner=owner,
            model=model,
            prompt=clip.info["prompt"],
            seed=clip.info["seed"],
            settings={"keys": [list(each) for each in keys]},
            status="completed",
            progress=100,
            created_at=now,
            completed_at=now,
            fps=clip.fps,
            seconds=f"{frames / clip.fps:g}",
            size=f"{width}x{height}",
        )
        try:
            if owner and self._jobs.stored_bytes(owner) >= self._most:
                raise RequestError(f"this key keeps {self._most / 2**30:.3g} GiB of clips; delete some")
            folder = self._jobs.folder(job.id)
            folder.mkdir(mode=0o700, parents=True)
            clip.save(folder / CLIP, scale=scale_within(SIDE, height, width))
            self._jobs.add(job)
        except Exception as error:
            self._jobs.remove_files(job.id)
            told({"error": {"code": "not_recorded", "message": f"the recording was not stored: {reason(error)}"}})
            return
        told({"recorded": job.as_json()})
