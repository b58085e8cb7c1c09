"""OpenADR virtual end node (VEN) for 2.0b and 3: a utility's events as limits of chargers.

`agent` runs it. `client_2b` and `client_3` speak to a VTN in the messages of `messages_2b` and
`messages_3`, over `transport`. `events` keeps what they received, and `signals` has the meaning of
each signal.
"""
