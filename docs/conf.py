"""Sphinx settings of the documentation site. `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sphinx import addnodes

from chargepoint_driver import __version__

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

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
    app.connect("doctree-read", _folders)


def _folders(app: Sphinx, doctree: nodes.document) -> None:
    """Links to folders of the repository, which the site does not have, become their words."""
    page = Path(app.env.doc2path(app.env.docname))
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "myst" and (page.parent / link["reftarget"]).is_dir():
            link.replace_self(link.children)
