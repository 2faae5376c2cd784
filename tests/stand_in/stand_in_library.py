"""A CUDA runtime without a GPU, built on demand: torch's CUDA build runs its whole host side on it.

Device memory is the host's and kernels do nothing, so numbers mean nothing; but allocations, streams, recordings,
autocast, autograd, optimisers, DistributedDataParallel and torch.compile do what they do on a GPU, and the log says
what a device would have been asked (`stand_in_log`). It takes the place of NVIDIA's libraries by LD_PRELOAD, so what
runs on it is a process of its own.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = sorted([*HERE.glob("*.cpp"), *HERE.glob("*.h")])
LIBRARY = "libcuda.so.1"
FOREIGN = ("CUDA_VISIBLE_DEVICES", "TRITON_INTERPRET")
"""Variables that what runs on the stand-in must not have."""


def play(script, *words, timeout=300, **settings):
    """The JSON that a script of this folder prints, run on the stand-in; skips where it can't be built."""
    run = subprocess.run(
        (sys.executable, HERE / script, *words),
        env=environment(**settings), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def environment(**settings):
    """Variables of a process that runs on the stand-in; `settings`: STAND_IN_BYTES and others of runtime.cpp."""
    folder = str(_built())
    own = {
        "LD_PRELOAD": f"{folder}/{LIBRARY}",
        "LD_LIBRARY_PATH": folder,
        "TRITON_LIBCUDA_PATH": folder,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | own | {name: str(value) for name, value in settings.items()}


def _built():
    """The folder with the library, compiled once for these sources and headers."""
    includes = _includes()
    words = ("g++", "-O1", "-fPIC", "-shared", "-std=c++17", f"-Wl,-soname,{LIBRARY}")
    digest = hashlib.sha256(repr((words, includes)).encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"repro-stand-in-{os.getuid()}" / digest.hexdigest()[:16]
    if not (folder / LIBRARY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            made = Path(aside) / LIBRARY
            cpp = [source for source in SOURCES if source.suffix == ".cpp"]
            subprocess.run((*words, *(f"-I{path}" for path in includes), "-o", made, *cpp), check=True)
            made.replace(folder / LIBRARY)
        (folder / "libcuda.so").unlink(missing_ok=True)  # the name by which Triton links
        (folder / "libcuda.so").symlink_to(LIBRARY)
    return folder


def _includes():
    """Folders of CUDA's headers in torch's own requirements; skips where there are none, or no compiler."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("the stand-in for a GPU is for Linux on x86-64")
    if shutil.which("g++") is None:
        pytest.skip("the stand-in for a GPU needs g++")
    import torch

    if torch.version.cuda is None:
        pytest.skip("the stand-in for a GPU needs a torch that was built with CUDA")
    packages = Path(torch.__file__).parents[1]
    found = [packages / "nvidia/cu13/include", packages / "nvidia/cudnn/include"]
    found.append(packages / "triton/backends/nvidia/include")
    if missing := [str(path) for path in found if not path.is_dir()]:
        pytest.skip(f"the stand-in for a GPU needs CUDA's headers, and there is no {missing[0]}")
    return [str(path) for path in found]
