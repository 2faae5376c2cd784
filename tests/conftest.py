"""What all tests share."""

import gc
import multiprocessing
import os

import pytest
from hypothesis import HealthCheck, settings

from repro.run.scale import gpu_count

if not gpu_count():  # read when Triton is imported: its kernels are then interpreted, on tensors of the CPU
    os.environ.setdefault("TRITON_INTERPRET", "1")

# A slow or busy machine must not fail a test; what is slow belongs in `benchmarks/`.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session")
def suite():
    """The suite's own specs."""
    from repro.spec.load import load_suite

    return load_suite()


multiprocessing.get_context("forkserver").set_forkserver_preload(
    ["repro.cli", "repro.commands.run", "repro.commands.check", "repro.report.formats.write", "repro.run.execute",
     "repro.run.executors.worker", "torch._dynamo", "scipy.special", "jinja2"]
)  # fmt: skip
"""What commands and workers of tests find imported where they are forked from that server."""


@pytest.fixture(scope="session", autouse=True)
def forked_workers():
    """Workers are forked from a server that has imported torch: a start takes a tenth of a second, not four."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("repro.run.executors.local.START_METHOD", "forkserver")
        yield


@pytest.fixture(scope="module", autouse=True)
def small_collections():
    """What was made before a module is of no interest to the collector, else each `gc.collect()` takes seconds."""
    gc.freeze()
