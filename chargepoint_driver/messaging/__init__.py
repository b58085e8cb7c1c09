"""Messages between processes: requests with one answer, and notices."""
