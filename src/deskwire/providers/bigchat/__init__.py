"""BigChat, polled."""
