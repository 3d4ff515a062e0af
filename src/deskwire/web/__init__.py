"""What the hub answers over HTTP."""
