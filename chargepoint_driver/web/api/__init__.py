"""The JSON API as it is described: routes, the schemas of their bodies, and the OpenAPI document.

Nothing here answers a request: see `handlers`.
"""
