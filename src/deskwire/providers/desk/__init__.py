"""The desk: chats that are written straight into the hub."""
