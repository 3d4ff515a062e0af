"""Measured figures of deskwire and of its peers, one module each; run by `make bench`."""
