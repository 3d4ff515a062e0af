"""Spreadsheets, imported."""
