"""`reelm train`: train a configuration, with any of its fields changed, and save checkpoints in a folder."""

from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from reelm.train.stages import STAGES, StageName

_DRY_RUN = "Run two steps, report speed and memory, and save the first batch as a picture in the workdir."


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a part of a model. `reelm train STAGE CONFIG --help` lists the fields of a configuration; each can be set.

    The same command with the same workdir continues a stopped training.

    Example: reelm train lm demo --workdir runs/lm --loop.steps 1000
    """

    stage: tyro.conf.Positional[StageName]
    """Part of the model to train."""
    config: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="CONFIG")]
    """Name of a configuration, such as demo, or a Python file of your own, such as ./mine.py. `reelm info` lists the
    names. A file defines the configuration under the name of the stage: video_tokenizer, audio_tokenizer, lm,
    describer or upscaler."""
    workdir: Path
    """Folder for checkpoints, metrics and sample clips. It is created if missing."""

    def run(self) -> None:
        from reelm import configs
        from reelm.train.run.config import Cluster
        from reelm.train.start import train

        train(configs.get(self.stage, self.config), self.workdir, cluster=Cluster())


def is_configured(arguments: list[str]) -> bool:
    """Return whether what follows `train` begins with STAGE CONFIG, so that the fields can be offered."""
    return len(arguments) >= 2 and arguments[0] in STAGES and not arguments[1].startswith("-")


def train_arguments(stage: str, name: str) -> Any:
    """Return the type that tyro fills from the rest of the line: `--workdir` and the fields of the configuration."""
    from reelm import configs
    from reelm.train.run.config import Cluster

    settings = configs.get(stage, name)

    def run(self) -> None:
        from reelm.train.start import train

        loop = replace(self.settings.loop, dry_run=self.dry_run or self.settings.loop.dry_run)
        train(replace(self.settings, loop=loop), self.workdir, cluster=self.cluster)

    described = make_dataclass(
        "Train",
        [
            ("workdir", Annotated[Path, tyro.conf.arg(help="Folder for checkpoints, metrics and sample clips.")]),
            (
                "dry_run",
                tyro.conf.FlagCreatePairsOff[Annotated[bool, tyro.conf.arg(help=_DRY_RUN)]],
                field(default=False),
            ),
            ("cluster", Annotated[Cluster, tyro.conf.arg(name="")], field(default=Cluster())),
            ("settings", Annotated[type(settings), tyro.conf.arg(name="")], field(default=settings)),
        ],
        namespace={"run": run, "__doc__": f"Train the {stage} with the configuration {name}."},
        frozen=True,
    )
    return tyro.conf.AvoidSubcommands[described]
