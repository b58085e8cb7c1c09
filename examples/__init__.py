"""The demo: simulated stations, a VOLTTRON platform and an agent that sheds load."""
