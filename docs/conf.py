"""The documentation site: `make docs` builds it into `site/`. A broken link or an undocumented public name fails.

The sources are the Markdown pages of the repository as they are, README first. docs/reference.md takes the docstrings.
"""

import inspect
from importlib import import_module

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import reelm

project = "reelm"
author = copyright = "The reelm authors"
release = reelm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**.md"]
exclude_patterns = [".*", "runs", "site", "build", "src", "tests"]
root_doc = "README"
html_theme = "furo"
html_title = "reelm"
html_copy_source = False
myst_heading_anchors = 3
default_role = "code"  # docstrings quote code as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
# A docstring of a field such as "Channels of sound: 1 or 2." is taken for a type, and its words for links.
suppress_warnings = ["ref.python"]

_PAGES = """

```{toctree}
:hidden:
:caption: Use

docs/quickstart
docs/python
docs/jax
docs/commands
docs/serving
docs/reference
```

```{toctree}
:hidden:
:caption: Train

docs/training
docs/evaluating
docs/formats
docs/devices
docs/cluster
```

```{toctree}
:hidden:
:caption: Models

docs/models/demo
docs/models/emoji
docs/models/crafter
docs/models/natural
docs/results
docs/benchmarks
```

```{toctree}
:hidden:
:caption: Project

docs/architecture
CONTRIBUTING
SECURITY
CHANGELOG
docs/zh/README
docs/zh/quickstart
```
"""


def _add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == root_doc:
        source[0] += _PAGES


def _check_reference(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public name that the reference lacks; autodoc leaves out what has no docstring."""
    objects = env.domains.python_domain.objects.items()
    described = {name: entry.objtype for name, entry in objects if not entry.aliased}
    public = {f"reelm.{name}" for name in reelm.__all__ if not name.startswith("__")}
    for name, kind in described.items():
        if kind in ("class", "exception"):
            module, _, own = name.rpartition(".")
            for member, value in vars(getattr(import_module(module), own)).items():
                if inspect.isfunction(value) or isinstance(value, (staticmethod, classmethod, property)):
                    public |= set() if member.startswith("_") else {f"{name}.{member}"}
    for name in sorted(public - described.keys()):
        logging.getLogger(__name__).warning("%s is public, and has no docstring or no place in docs/reference.md", name)


def setup(app: Sphinx) -> None:
    app.connect("source-read", _add_contents)
    app.connect("env-updated", _check_reference)
