"""Start or resume a training from Python; `reelm train` calls the same function.

In: a config, a folder, and clips in memory if the config does not name its data. Out: the trained state, and in the
folder the files of a run.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelm.errors import RequestError
from reelm.storage.atomic import check_folder
from reelm.storage.remote import is_remote

from .stages import STAGES, Stage

if TYPE_CHECKING:
    import numpy as np

    from reelm.data.clips import ClipSource
    from reelm.train.run.config import Cluster
    from reelm.train.run.job import Callback, Job
    from reelm.train.step.state import TrainState


def train(
    run: Any,
    workdir: str | Path,
    *,
    data: "np.ndarray | ClipSource | None" = None,
    captions: "Sequence[str | Sequence[str]] | None" = None,
    held_out: "np.ndarray | ClipSource | None" = None,
    callbacks: "Sequence[Callback]" = (),
    cluster: "Cluster | None" = None,
) -> "TrainState":
    """Train a part of a model, or resume its training.

    The folder then opens like that of `reelm train`: for `export`, as the `video_tokenizer` of another run, and for
    `reelm.functional`.

    Args:
        run: what to train and how: `VideoTokenizerRun`, `AudioTokenizerRun`, `LMRun`, `DescriberRun` or
            `UpscalerRun`. Presets are in `reelm.configs`, as `reelm.configs.get("lm", "demo")`; change them by
            `dataclasses.replace`.
        workdir: folder for checkpoints, metrics and samples, made if missing. The same call continues a stopped run.
        data: clips uint8 [N, T, H, W, 3] at 8 frames a second, or a `ClipSource`, such as
            `reelm.data.arrays.ArrayClips` for another rate or sound. Clips for a language model are first tokenized by
            the tokenizers of the run. None: the data that the run names.
        captions: of an array of clips, one for each, or several phrasings of each.
        held_out: clips, like `data`, to draw samples from and to evaluate on.
        callbacks: each is called with a step and its metrics as often as the run logs them. The run saves and ends when
            one returns False.
        cluster: the processes of a run on several machines; None detects those of Slurm or a pod, else uses one.

    Returns:
        The last state. An export takes its `ema`.

    Raises:
        RequestError: the run is another kind of config, or its data, mesh or folder does not fit.
        KeyboardInterrupt, SystemExit: after saving.
    """
    stage = _stage_of(run)
    if data is None and (captions is not None or held_out is not None):
        raise RequestError("captions and held_out need data, which is missing")
    if data is not None and stage.name == "describer":
        raise RequestError("a describer learns from token sets; name them in its config, as tokens")
    if not is_remote(workdir):
        check_folder(Path(workdir))
    from reelm.train.run.config import Cluster
    from reelm.train.run.loop import run_job
    from reelm.train.run.processes import joined
    from reelm.train.run.workdir import opened

    with joined(cluster or Cluster()), opened(Path(workdir)) as folder:
        job = _job(stage, run, folder, data, captions, held_out)
        return run_job(job, folder, callbacks=callbacks)


def _job(stage: Stage, run: Any, folder: Path, data: Any, captions: Any, held_out: Any) -> "Job":
    if data is None:
        return stage.make_job(run, folder)
    from .given import Given, source_of, tokenized

    clips = source_of(data, captions)
    others = None if held_out is None else source_of(held_out)
    if stage.name == "lm":
        return stage.make_job(tokenized(run, clips, others, folder), folder)
    # Record this, so that nobody resumes it on the data set that the config happens to name.
    run = replace(run, data=replace(run.data, dataset=clips.description.get("dataset", "given")))
    return stage.make_job(run, folder, Given(clips, clips if others is None else others))


def _stage_of(run: Any) -> Stage:
    for stage in STAGES.values():
        if isinstance(run, stage.run_type):
            return stage
    known = ", ".join(stage.run_type.__name__ for stage in STAGES.values())
    raise RequestError(
        f"run is a {type(run).__name__}; it must be one of {known}, such as reelm.configs.get('lm', 'demo')"
    )
