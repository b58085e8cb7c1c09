"""Accounts that nodes of a fleet share: each is held by one node at a time.

It needs the extra `fleet`.
"""
