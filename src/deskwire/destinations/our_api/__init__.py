"""OurAPI, kept in step."""
