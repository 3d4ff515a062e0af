"""The transcript of a chat that is over, as a file among its customer's."""
