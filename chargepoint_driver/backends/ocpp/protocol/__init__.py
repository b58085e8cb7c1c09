"""OCPP messages: handlers, requests and transactions, with one folder per version."""
