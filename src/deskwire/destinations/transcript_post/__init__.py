"""The transcript of a chat that is over, as one HTTP POST."""
