"""Generators of the pages that are made from the code.

`configuration` makes docs/reference/configuration.md from the config models, `quirks` makes
docs/reference/quirks.md, `export` makes docs/reference/export.md, `metrics` makes
docs/reference/metrics.md, `table` formats the rows.
"""
