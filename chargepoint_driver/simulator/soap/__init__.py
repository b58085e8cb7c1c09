"""The SOAP face of the world: ChargePoint Web Services 5.0 and 5.1.

`envelope` reads requests and wraps replies, `query` reads a request's fields, `reply`
writes values, `operations` has a module per subject, `dispatch` joins them, `distort`
spoils replies on demand. HTTP is not known here.
"""
