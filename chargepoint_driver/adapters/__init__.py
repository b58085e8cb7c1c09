"""Where the driver meets its hosts: the only place that imports volttron and gevent."""
