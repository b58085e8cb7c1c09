"""Sphinx: how the pages of this folder become a site. `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chargepoint_driver import __version__
from docs.generators import quirks

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "ChargePoint driver for VOLTTRON"
release = version = __version__
project_copyright = "the contributors, Apache License 2.0"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["generators"]

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_copy_source = False
# Works without internet: no fonts, scripts or badges from elsewhere.
html_theme_options = {"navigation_with_keys": True}


def setup(app: Sphinx) -> None:
    """Write the pages that are not kept in the repository before Sphinx looks for sources."""
    app.connect("config-inited", lambda app, _config: quirks.write(Path(app.srcdir)))
    app.connect("missing-reference", _folder)


def _folder(
    app: Sphinx, _env: BuildEnvironment, node: nodes.Element, words: nodes.Element
) -> nodes.Element | None:
    """A link to a folder of the repository, which a site has not: its words. Else None."""
    return words if (Path(app.srcdir) / node.get("reftarget", "")).is_dir() else None
