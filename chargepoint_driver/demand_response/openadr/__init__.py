"""OpenADR virtual end node (VEN) for 2.0b and 3: a utility's events as limits of chargers.

`agent` runs it. `client_2b` and `client_3` speak to a VTN, `events` keeps what they received,
`signals` says what a signal means, and `reports` has what goes back.
"""
