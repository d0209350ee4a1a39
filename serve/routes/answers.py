"""Error answers: `{"error": {"code", "message"}}` with the status that fits."""

import errno
import sqlite3
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reelm.errors import RequestError

# HTTP statuses of failed jobs by their error codes, for clients that wait for the clip.
STATUSES = {"invalid_request": 400, "cancelled": 409, "disk_full": 507}

_CODES = {
    404: "not_found",
    405: "not_allowed",
    408: "too_slow",
    409: "not_ready",
    413: "too_large",
    415: "not_understood",
    416: "wrong_range",
    429: "too_many",
    503: "closed",
}


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error answer."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


async def _at_fault(request: Request, error: Exception) -> Response:
    return refusal(400, "invalid_request", str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, _CODES.get(error.status_code, "error"), error.detail, error.headers)


async def _disk(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    return refusal(507, "disk_full", "the server has no space left; try again later")


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it: the client went away while it was sending


async def _failed(request: Request, error: Exception) -> Response:
    return refusal(500, "server_error", "the server failed; its log says how")


HANDLERS = {
    RequestError: _at_fault,
    HTTPException: _http,
    sqlite3.OperationalError: _disk,
    OSError: _disk,
    ClientDisconnect: _gone,
    Exception: _failed,
}
