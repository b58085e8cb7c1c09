"""Who may do what: keys, roles, sessions of a browser, and the audit log of their commands."""
