"""`reelm convert`: turn a published tokenizer of another project into a model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reelm.cli.checks import check_input
from reelm.cli.printable import print_path
from reelm.storage.atomic import check_folder


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn the weights of a tokenizer that others trained into a model folder.

    It reads VidTok with FSQ, causal, version 1.0 (github.com/microsoft/VidTok, MIT). No code in the file is run.

    Example: reelm convert vidtok_fsq_causal_488_262144.ckpt -o vidtok

    A file of the Hugging Face hub is fetched by its path there. Known files are pinned to one revision and one sha256.

    Example: reelm convert microsoft/VidTok/checkpoints/vidtok_fsq_causal_488_262144.ckpt -o vidtok
    """

    checkpoint: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """File of weights: a checkpoint of torch, or safetensors. Or its path on the hub: OWNER/NAME/PATH[@REVISION]."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Model folder to write."""
    config: Path | None = None
    """YAML file that was published with the weights. Default: what the file's name and its tensors say."""

    def run(self) -> None:
        from reelm.train.conversion import hub_file

        remote = not self.checkpoint.exists() and hub_file.is_place(str(self.checkpoint))
        if not remote:
            check_input(self.checkpoint)
        if self.config is not None:
            check_input(self.config)
        check_folder(self.output)

        from reelm.train.conversion.convert import convert

        checkpoint = hub_file.fetch(str(self.checkpoint)) if remote else self.checkpoint
        convert(checkpoint, self.output, settings=self.config)
        print_path(self.output)
