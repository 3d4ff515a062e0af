"""Every support conversation, from any desk, in one model; any other system kept in step."""

__version__ = "0.1.0"
