"""The page of one clip, to share: it plays the clip, and its Open Graph tags make a card where its link is posted."""

import re
from html import escape
from urllib.parse import urljoin

from starlette.requests import Request
from starlette.responses import HTMLResponse

from reelm.media.pixels import scale_within
from reelm.serve.job import Job
from reelm.serve.recordings import SIDE

LARGEST = 16  # times by which a file may be larger than its clip, each way

_PAGE = """<!doctype html>
<html lang="{language}" prefix="og: https://ogp.me/ns#">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <meta property="og:type" content="video.other">
  <meta property="og:title" content="{title}">
  <meta property="og:description" content="{about}">
  <meta property="og:url" content="{url}">
  <meta property="og:image" content="{poster}">
  <meta property="og:image:width" content="{width}">
  <meta property="og:image:height" content="{height}">
  <meta property="og:video" content="{film}">
  <meta property="og:video:type" content="video/mp4">
  <meta property="og:video:width" content="{width}">
  <meta property="og:video:height" content="{height}">
  <meta name="twitter:card" content="summary_large_image">
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="../../../page.css">
  <link rel="stylesheet" href="../../../stage.css">
</head>
<body>
  <main id="card">
    <h1>{title}</h1>
    <video src="{film}" poster="{poster}" controls loop muted autoplay playsinline aria-label="{title}"></video>
    <p class="quiet">{about} · <a href="../../../">reelm</a></p>
  </main>
</body>
</html>
"""


def share(job: Job, request: Request) -> HTMLResponse:
    """Return the page of a completed job. Its addresses are those by which the client reached the server."""
    width, height = map(int, job.size.split("x"))
    scale = min(LARGEST, scale_within(SIDE, height, width))
    title, url = job.words, _address(request)
    told = {
        "language": "en" if title.isascii() else "zh-CN",
        "title": title,
        "about": f"{job.model} · seed {job.seed} · {float(job.seconds):.1f} s",
        "url": url,
        "poster": urljoin(url, f"content?format=png&scale={scale}"),
        "film": urljoin(url, f"content?format=mp4&scale={scale}"),
        "width": width * scale,
        "height": height * scale,
    }
    return HTMLResponse(_PAGE.format_map({name: escape(str(value)) for name, value in told.items()}))


def _address(request: Request) -> str:
    """Return the address of a request as its client knows it: a proxy may have taken a prefix from its path."""
    prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
    prefix = prefix if re.fullmatch(r"(/[\w.~-]+)*", prefix, re.ASCII) else ""
    return str(request.url.replace(path=prefix + request.url.path))
