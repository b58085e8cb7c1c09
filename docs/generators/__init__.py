"""Pages that are made from the code, so that they cannot say anything else.

`configuration` makes docs/configuration.md of the models, `quirks` a page for each way in which
chargers differ, `table` writes the rows.
"""
