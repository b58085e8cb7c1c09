"""The demo: a real VOLTTRON platform, simulated stations and one demand-response event.

`run` holds the story and nothing else; `platform` and `processes` start and end what it needs;
`report` decides whether the event did what it promised. Only `link` imports VOLTTRON, and it
runs as a child process, so the demo itself is an ordinary Python program without gevent.
"""
