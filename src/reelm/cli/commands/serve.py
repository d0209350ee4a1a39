"""`reelm serve`: serve the page and the API."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from reelm.cli.checks import check_input, check_model
from reelm.energy import WATTS_PER_CORE
from reelm.errors import RequestError
from reelm.extras import how_to_install
from reelm.serve.access import Limits
from reelm.storage.atomic import check_folder
from reelm.storage.home import home

_NEEDED = ("multipart", "prometheus_client", "starlette", "uvicorn", "websockets")


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Serve a page and an API that make clips, and print the address.

    Example: reelm serve --model demo emoji
    """

    model: tuple[str, ...] = ("demo",)
    """Models to serve: shipped ones, model folders or ids on the Hugging Face hub. The first is the default one."""
    host: str = "127.0.0.1"
    """Address to listen at. One that other machines can reach needs --keys."""
    port: int = 8000
    """Port to listen at. 0 takes a free one."""
    home: Path | None = None
    """Folder of jobs and clips. Default: `serve` in the folder of REELM_HOME."""
    keys: Path | None = None
    """File with a name and a key in each line. Without it everybody on this machine may use the server."""
    queue: int = 64
    """Jobs that may wait."""
    rows: int = 8
    """Clips that are made at once."""
    warm_up: Literal["usual", "all"] = "usual"
    """Programs to compile before the server is ready: those for a model's own settings, or those for others, too."""
    limits: Limits = Limits()
    origin: tuple[str, ...] = ()
    """Other sites whose pages may use the server, such as https://films.example. Default: none."""
    keep_days: float | None = None
    """Days after which clips, files and ratings are deleted. Default: they are kept."""
    log_prompts: bool = False
    """Write prompts into the log."""
    watts_per_core: float = WATTS_PER_CORE
    """Power of a busy core in watts, for estimates of energy on a machine without a readable counter."""
    price_per_kwh: float | None = None
    """Price of a kilowatt-hour, in any currency, to count what clips cost. Default: no cost is counted."""

    def run(self) -> None:
        self.start(partial(print, flush=True))

    def start(self, tell: Callable[[str], object]) -> None:
        """Serve until the process is told to end; `tell` is called with the address once clients can connect."""
        if missing := [name for name in _NEEDED if find_spec(name) is None]:
            raise RequestError(f"the server needs {missing[0]}: {how_to_install('serve')}")
        for name, least in (("queue", 1), ("rows", 1), ("port", 0)):
            if (value := getattr(self, name)) < least:
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it must be {least} or more")
        for name in ("watts_per_core", "price_per_kwh", "keep_days"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it must be above 0")
        for origin in self.origin:
            if not re.fullmatch(r"https?://[^/?#\s]+", origin):
                raise RequestError(f"--origin is {origin!r}; it must be like https://films.example, without a path")
        if self.rows > 64:
            raise RequestError(f"--rows is {self.rows}; at most 64 clips are made at once")
        for model in self.model:
            check_model(model)
        if self.keys is not None:
            check_input(self.keys)
        place = check_folder(self.home or home() / "serve")

        import reelm
        from reelm.serve.run import serve

        names = [Path(name).name for name in self.model]
        if twice := [name for name in names if names.count(name) > 1]:
            raise RequestError(f"--model names two models {twice[0]!r}; clients could not tell them apart")
        models = {name: reelm.load(model) for name, model in zip(names, self.model, strict=True)}
        serve(
            models,
            tell,
            host=self.host,
            port=self.port,
            home=place,
            keys=self.keys,
            queue=self.queue,
            rows=self.rows,
            warm_up=self.warm_up,
            limits=self.limits,
            origins=self.origin,
            log_prompts=self.log_prompts,
            watts_per_core=self.watts_per_core,
            price_per_kwh=self.price_per_kwh,
            keep_days=self.keep_days,
        )
