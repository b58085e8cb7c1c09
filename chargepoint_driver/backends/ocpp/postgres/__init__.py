"""PostgreSQL storage of the records that several central systems (nodes) share."""
