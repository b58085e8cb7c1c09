"""The table of idTags that the control API added or changed."""

from __future__ import annotations

from chargepoint_driver.backends.ocpp.model.authorization import IdTag, key_of
from chargepoint_driver.backends.ocpp.storage.database import Database
from chargepoint_driver.backends.ocpp.storage.json_rows import damaged_row
from chargepoint_driver.text import get_logger

__all__ = ["IdTagTable"]

_log = get_logger(__name__)


class IdTagTable(Database):
    """See the module."""

    def saved_tags(self) -> list[IdTag]:
        """Return the idTags that were kept."""
        rows = self._db.execute("SELECT id_tag, status, expires, max_concurrent FROM id_tags")
        found = []
        for row in rows:
            if not (isinstance(row[0], str) and isinstance(row[1], str)):
                error = TypeError("an idTag and its status are texts")
                text = damaged_row(f"id_tags, {row[0]!r}", error)
                _log.error("database: %s: %s", self._path, text)
                continue
            found.append(IdTag(*row))
        return found

    def keep_tag(self, tag: IdTag) -> None:
        """Add an idTag, or change it."""
        self._write(
            "INSERT OR REPLACE INTO id_tags VALUES (?, ?, ?, ?, ?)",
            (key_of(tag.id_tag), tag.id_tag, tag.status, tag.expires_s, tag.max_concurrent),
        )

    def forget_tag(self, id_tag: str) -> None:
        """Remove an idTag."""
        self._write("DELETE FROM id_tags WHERE key = ?", (key_of(id_tag),))

    def running_with(self, id_tag: str, but: int | None = None) -> int:
        """Return how many transactions run with an idTag, at all charge points together, one
        (our id) apart."""
        wanted = key_of(id_tag)
        # By index in both halves: thousands may run when everybody arrives.
        rows = self._db.execute(
            "SELECT id, id_tag FROM transactions INDEXED BY transactions_tag"
            " WHERE state = 'active' AND trim(id_tag) = ? COLLATE NOCASE"
            " UNION SELECT id, id_tag FROM transactions INDEXED BY transactions_odd_tag"
            " WHERE state = 'active' AND id_tag GLOB '*[^ -~]*'",
            (wanted,),
        )
        return sum(1 for own_id, tag in rows if own_id != but and key_of(tag) == wanted)
