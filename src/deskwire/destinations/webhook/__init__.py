"""Signed messages of what happens to a conversation, as Standard Webhooks."""
