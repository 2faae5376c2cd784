"""torchrun, started by a worker: `python -m repro.run.distributed.launcher WORKER-PID TORCHRUN-ARGUMENTS...`.

torchrun itself would outlive a worker that is killed, and its processes would hold their GPUs and go on training.
SIGUSR2, which a cluster sends to all processes of a job before its time is up, is for the worker alone.
"""

from __future__ import annotations

import os
import signal
import sys

from repro.run.distributed.parent import end_with

LAUNCHER = "REPRO_LAUNCHER"
"""Environment variable that tells the processes of a worker group the number of their parent."""


def main(worker: int, arguments: list[str]) -> None:
    """Run torchrun with `arguments` until its processes have ended, or `worker` has."""
    end_with(worker)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # inherited by torchrun's processes
    os.environ[LAUNCHER] = str(os.getpid())
    from torch.distributed.run import main as torchrun

    torchrun(arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
