"""Hypothesis profiles: quick by default, long under `make soak`."""

import os

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is slow now and then, and that is no failure.
settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile(
    "soak",
    deadline=None,
    max_examples=10_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("soak" if os.environ.get("DESKWIRE_SOAK") == "1" else "default")
