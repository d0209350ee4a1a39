"""`reelm data`: list data sets, build one from a folder or by its name, and encode one into a token set."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from reelm.cli.printable import print_path, printable
from reelm.cli.progress import progress
from reelm.errors import RequestError
from reelm.storage.atomic import check_folder
from reelm.storage.home import datasets_folder

if TYPE_CHECKING:
    from reelm.data.films.build import Built
    from reelm.data.films.cutting import CuttingConfig

_SHOWN = 20  # files left out that are named on the terminal; all are in build.json


@dataclass(frozen=True, kw_only=True)
class DataBuild:
    """Cut a folder of videos, animations and pictures into clips and write a TFDS data set.

    A folder of recordings of a game (.npz with frames and keys) makes a set to play.

    Captions are optional: clip.txt, or clip.json with a "caption", next to each file, or a manifest. Unreadable files
    are skipped and listed in build.json. The same command continues a stopped build. The name of a data set, such as
    animated_emoji, builds that set.

    Example: reelm data build films/ --name beach --resolution 64
    """

    what: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FOLDER|NAME")]
    """Folder of videos, with its subfolders, or a remote one such as gs://bucket/films; or the name of a data set."""
    name: str | None = None
    """Name of the set: lower-case letters, digits and underscores. Default: the name of the folder."""
    data_dir: Path | None = None
    """Folder to write the set into. Default: $REELM_HOME/datasets, where $REELM_HOME is ~/.cache/reelm."""
    manifest: Path | None = None
    """CSV with a header, or JSONL, of file_name and caption or text. Default: metadata.csv or metadata.jsonl in
    FOLDER."""
    resolution: int = 128
    """Side of a square clip in pixels. Wide and tall clips have about as many pixels."""
    lengths: tuple[int, ...] = (1, 17, 33)
    """Lengths of clips in frames, each 1 + 4k. 1 is for still pictures."""
    fps: float = 8.0
    """Frame rate of the clips."""
    sample_rate: int = 16_000
    """Sample rate of the sound in Hz."""
    shot_threshold: float = 10.0
    """Difference between two frames, in percent, that marks the end of a shot."""
    test_share: float = 0.05
    """Share of the files that goes to the test split."""
    processes: int | None = None
    """Files read at the same time. Default: one for each processor."""
    stall_seconds: float = 60.0
    """Seconds without progress after which a file is skipped."""
    size: str | None = None
    """For a named data set: configuration of its builder, such as small or 128px_12fps. Default: the first one."""
    packages: Path | None = None
    """For a named data set: folder with the packages it is made from. Default: $REELM_HOME/NAME."""
    episodes: int | None = None
    """For a data set that is played, such as crafter: episodes to play. Default: 128."""
    clips: int | None = None
    """For a data set that is drawn, such as toys: clips to draw. Default: 1000."""

    def run(self) -> None:
        from reelm.data import catalog
        from reelm.data.recordings.build import holds_recordings
        from reelm.storage.remote import is_remote

        data_dir = self.data_dir or datasets_folder()
        if not is_remote(self.what) and not Path(self.what).is_dir():
            if self.what not in catalog.own_names():
                own = ", ".join(catalog.own_names())
                raise RequestError(f"there is no folder {self.what}; name one that holds videos, or a set: {own}")
            with progress("shards") as counted:
                some = {"episodes": self.episodes, "clips": self.clips}
                print_path(catalog.build(self.what, data_dir, self.size, self.packages, counted, **some))
        elif (self.episodes, self.clips) != (None, None):
            raise RequestError("--episodes and --clips are for data sets by name, not for a folder; leave them out")
        elif not is_remote(self.what) and holds_recordings(Path(self.what)):
            self._recordings(Path(self.what), data_dir)
        else:
            self._films(data_dir)

    def _films(self, data_dir: Path) -> None:
        if self.processes is not None and self.processes < 1:
            raise RequestError(f"processes is {self.processes}; it must be at least 1")
        if self.stall_seconds <= 0:
            raise RequestError(f"stall_seconds is {self.stall_seconds}; it must be above 0")
        from reelm.data import catalog
        from reelm.data.films.build import build
        from reelm.data.films.worker import local
        from reelm.storage.remote import fetched, is_remote, mirrored

        config, films = self._cutting(), fetched(self.what)
        name = self.name or films.resolve().name
        with progress("files") as counted, mirrored(data_dir / name) as folder:
            built = build(
                films,
                name,
                folder.parent,
                config,
                manifest=self.manifest,
                pool=local(self.processes, self.stall_seconds),
                copied=is_remote(self.what) or is_remote(data_dir),
                progress=counted,
            )
        _print_left_out(built)
        print(printable(catalog.describe(str(built.folder))), file=sys.stderr)
        print_path(f"{self.data_dir}/{name}" if is_remote(data_dir) else built.folder)

    def _cutting(self) -> "CuttingConfig":
        from reelm.data.films.buckets import Buckets
        from reelm.data.films.cutting import CuttingConfig

        try:
            return CuttingConfig(
                buckets=Buckets(resolution=self.resolution, lengths=self.lengths),
                fps=self.fps,
                sample_rate=self.sample_rate,
                shot_threshold=self.shot_threshold,
                test_share=self.test_share,
            )
        except ValueError as error:
            raise RequestError(str(error)) from error

    def _recordings(self, folder: Path, data_dir: Path) -> None:
        from reelm.data import catalog
        from reelm.data.recordings.build import import_folder

        with progress("shards") as counted:
            built = import_folder(folder, self.name or folder.resolve().name, data_dir, counted)
        print(printable(catalog.describe(str(built))), file=sys.stderr)
        print_path(built)


def _print_left_out(built: "Built") -> None:
    """Print which files of a set were left out, and how many have captions."""
    from reelm.data.films.build import BUILD_FILE

    for number, (file, reason) in enumerate(built.left_out.items()):
        if number == _SHOWN:
            more = f"left out: {len(built.left_out) - _SHOWN} more, see {built.folder / BUILD_FILE}"
            print(printable(more), file=sys.stderr)
            break
        # Most reasons name the file already.
        named = reason if reason.startswith(repr(file)) else f"{file!r}: {reason}"
        print(f"left out: {printable(named)}", file=sys.stderr)
    if built.captioned:
        words, files = built.captioned
        print(f"captions: {words} of {files}", file=sys.stderr)


_DRAWN = 60_000  # clips to tokenize of a set without end


@dataclass(frozen=True, kw_only=True)
class DataList:
    """List the data sets that are drawn on demand and those that were built."""

    data_dir: Path | None = None
    """Folder in which sets were built. Default: $REELM_HOME/datasets."""

    def run(self) -> None:
        from reelm.data import catalog

        for name in catalog.names(self.data_dir):
            try:
                about = catalog.describe(name, self.data_dir)
            except RequestError as error:  # one damaged set does not hide the others
                about = str(error)
            print(printable(f"{name}: {about}"))


@dataclass(frozen=True, kw_only=True)
class DataTokenize:
    """Encode a data set into a token set, for `reelm train lm`.

    Example: reelm data tokenize beach --video-tokenizer natural -o runs/tokens
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Data set to encode, or the folder of one that was built."""
    video_tokenizer: str = "demo"
    """Video tokenizer: a workdir of `reelm train video-tokenizer`, a model folder, or a shipped model."""
    audio_tokenizer: str | None = None
    """Audio tokenizer, named in the same ways. Default: sound is left out."""
    sound_levels: int | None = None
    """Levels of sound to keep, from the first on: a lower bit rate. Default: all of the audio tokenizer's."""
    best: bool = False
    """Take the best checkpoint of a training of a tokenizer. Default: the newest."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/tokens")
    """Folder of the token set. The same command continues an unfinished one."""
    split: str = "train"
    """Split of the data set."""
    num_clips: int | None = None
    """Clips to encode. Default: all of a built set, 60,000 of a set that is drawn on demand."""
    num_frames: int | None = None
    """Frames of a clip. Default: the length of the clip, 33 for a set that is drawn on demand."""
    controls: tuple[str, ...] = ()
    """Controls to compute of each clip: edges, silhouette, motion, and depth if the set has it. Tracks and camera moves
    of a set are always kept."""
    process: int | None = None
    """Number of this process, from 0, such as $JOB_COMPLETION_INDEX. Default: as `srun` numbers it, otherwise 0."""
    processes: int | None = None
    """Processes that share the work. Each runs the same command with the same folder, on all devices that it sees.
    Default: as many as `srun` started, otherwise 1."""

    def run(self) -> None:
        from reelm.data.catalog import is_drawn
        from reelm.data.tokens.tokenize import tokenize
        from reelm.slurm import number_of_process
        from reelm.storage.remote import is_remote, mirrored
        from reelm.train.parts import open_audio_tokenizer, open_video_tokenizer
        from reelm.train.records import has_best

        if (self.process is None) != (self.processes is None):
            raise RequestError("give --process and --processes together, or neither")
        if self.process is None or self.processes is None:
            process, processes = number_of_process()
        else:
            process, processes = self.process, self.processes
        if processes > 1 and is_remote(self.output):
            raise RequestError(
                f"{self.output} can be written by only one process; name a folder that all {processes} see, or "
                "tokenize in one"
            )
        if not is_remote(self.output):
            check_folder(self.output)
        video, audio = open_video_tokenizer(self.video_tokenizer, best=self.best), None
        if self.audio_tokenizer is not None:
            audio = open_audio_tokenizer(self.audio_tokenizer, best=self.best and has_best(Path(self.audio_tokenizer)))
        with progress("shards") as counted, mirrored(self.output) as output:
            index = tokenize(
                self.name,
                video,
                output,
                audio_tokenizer=audio,
                sound_levels=self.sound_levels,
                split=self.split,
                num_clips=_DRAWN if self.num_clips is None and is_drawn(self.name) else self.num_clips,
                num_frames=self.num_frames,
                controls=self.controls,
                process=process,
                processes=processes,
                progress=counted,
            )
        if not index.complete:
            waiting = f"{self.output} is not complete yet: other processes have shards to write"
            print(printable(waiting), file=sys.stderr)
        print_path(self.output)


@dataclass(frozen=True, kw_only=True)
class Data:
    """List, build and encode data sets.

    Example: reelm data build films/ --name beach
    """

    what: (
        Annotated[DataList, tyro.conf.subcommand("list")]
        | Annotated[DataBuild, tyro.conf.subcommand("build")]
        | Annotated[DataTokenize, tyro.conf.subcommand("tokenize")]
    )

    def run(self) -> None:
        self.what.run()
