"""The driver in its hosts: the only package that imports volttron and gevent."""
