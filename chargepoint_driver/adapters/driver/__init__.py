"""Parts of the driver interface: configs, polling, publishing, and what only the driver does."""
