"""The research export: tables of sessions, meter values and limits with units and meanings."""
