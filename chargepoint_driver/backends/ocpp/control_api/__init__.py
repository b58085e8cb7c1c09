"""The control API of the central system: JSON over HTTP.

`http_api` is the server, `http_routes` has the operations of one charger, `http_central` those of
the central system.
"""
