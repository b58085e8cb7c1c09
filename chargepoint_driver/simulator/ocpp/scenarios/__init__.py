"""Charge points in motion: actions of people, visits, scenarios, recorded days."""
