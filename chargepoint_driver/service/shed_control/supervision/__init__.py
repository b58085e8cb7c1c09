"""Supervision of limits in force.

- `supervisor` confirms and renews, with `obeying` for violated limits.
- `leases` and `owners` end limits that nobody wants any more.
"""
