"""This process: its sockets within limits, its descriptors, and the signals that end it."""
