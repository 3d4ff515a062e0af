"""`python -m deskwire.cli`."""

from deskwire.cli import main

main()
