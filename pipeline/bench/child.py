"""A program of its own: runs the command in its arguments and prints what it took, as JSON.

The peak memory that the system reports of a child includes what its parent held when it was
started, so the benchmark, which holds PyTorch, must not be that parent. This one is small.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    """Run the command, wait for it, print seconds, peak memory, exit code and last words."""
    start = time.perf_counter()
    done = subprocess.run(
        sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_bytes": peak,
                "returncode": done.returncode,
                "output": done.stdout,
            }
        )
    )


if __name__ == "__main__":
    main()
