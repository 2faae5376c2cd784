"""Freed memory is kept within, and given back afterwards."""

import subprocess
import sys

import pytest

from repro.evaluate.memory import freed_memory_kept

COUNT = """
import resource, torch
from repro.evaluate.memory import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

torch.ones(2**24)
outside = faults()
with freed_memory_kept():
    faults()
    inside, high = faults(), held()
print(outside, inside, high - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc only")
def test_large_tensors_are_mapped_once_and_given_back():
    outside, inside, given_back = map(int, subprocess.check_output([sys.executable, "-c", COUNT]).split())
    assert inside * 4 < outside  # a small block that lands on the heap's top can cost one of eight tensors its place
    assert given_back > 50


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    ran = False
    with freed_memory_kept():
        ran = True
    assert ran


def test_an_error_passes():
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
