"""A server that listens in a thread of the test, and what tests ask it."""

import http.client
import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from reelm.serve.routes.app import Server
from reelm.serve.run import Leaving, config_of


@dataclass
class Service:
    """A server that listens, and the model behind it."""

    port: int
    app: Starlette
    model: Any
    home: Path

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        status, _, content = self.ask(method, path, body, **headers)
        return status, json.loads(content)

    def made(self, job: dict[str, Any], **headers: str) -> dict[str, Any]:
        for _ in range(1200):
            _, now = self.json("GET", f"/v1/videos/{job['id']}", **headers)
            if now.get("status") not in ("queued", "in_progress"):
                return now
            time.sleep(0.05)
        raise AssertionError(f"{job} does not end")


def serving(model: Any, home: Path, **options: Any) -> Generator[Service]:
    """Yield a server of a model that is warm; it ends afterwards."""
    server = Server(models={"tiny": model}, home=home, rows=2, hosts=frozenset({"127.0.0.1"}), **options)
    app = server.app()
    running = Leaving(config_of(app))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    service = Service(running.servers[0].sockets[0].getsockname()[1], app, model, home)
    while service.ask("GET", "/readyz")[0] != 200:
        assert service.ask("GET", "/healthz")[0] == 200
        time.sleep(0.05)
    yield service
    running.should_exit = True
    thread.join(60)
    assert not thread.is_alive()
