"""Stand-ins for the outside services, with their quirks and faults on demand."""
