"""Accounts and their rights."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Account:
    """An API account; `refused` are the operations that its plan leaves out."""

    username: str
    password: str
    refused: set[str] = field(default_factory=set)


class Accounts:
    """All accounts by user name."""

    def __init__(self) -> None:
        """Start with none."""
        self._accounts: dict[str, Account] = {}

    def add(self, username: str, password: str, refused: Iterable[str] = ()) -> Account:
        """Add an account or replace the one of that name."""
        account = Account(username, password, set(refused))
        self._accounts[username] = account
        return account

    def __getitem__(self, username: str) -> Account:
        """The account of that name; KeyError when there is none."""
        return self._accounts[username]

    def authenticate(self, username: str, password: str) -> Account | None:
        """The account when name and password are right, else None."""
        account = self._accounts.get(username)
        if account is None:
            return None
        right = hmac.compare_digest(account.password.encode(), password.encode())
        return account if right else None
