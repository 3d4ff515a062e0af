"""Intercom, as its conversations are handed in."""
