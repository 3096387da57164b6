"""Hands in a clip: found, checked, joined over time, counted."""
