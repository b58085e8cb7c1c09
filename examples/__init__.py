"""What a user would write around the driver: an agent that sheds load, and a demo that runs it."""
