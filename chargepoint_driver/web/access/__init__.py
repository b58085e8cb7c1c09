"""Access to the page: keys, roles, sessions of a browser, and the audit log of their commands."""
