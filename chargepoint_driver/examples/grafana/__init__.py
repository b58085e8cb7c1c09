"""A Grafana dashboard of what SQL historians store."""
