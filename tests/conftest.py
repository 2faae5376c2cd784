"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# A slow or busy machine must not fail a test; what is slow belongs in `benchmarks/`.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session")
def suite():
    """The suite's own specs."""
    from repro.spec.load import load_suite

    return load_suite()
