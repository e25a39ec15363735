"""A writer at full speed: `python -m tests.live.flooding FOLDER SECONDS FIRST` finishes files as ffmpeg does, one after
the other, numbered from FIRST on, and says how many.
"""

import os
import sys
import time

from tests.live.pace import named


def main(folder: str, seconds: float, first: int) -> int:
    """How many it were."""
    hot = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    number = first
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        name = named(number)
        os.close(os.open(f"{name}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=hot))
        os.rename(f"{name}.tmp", name, src_dir_fd=hot, dst_dir_fd=hot)
        number += 1
    return number - first


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))}\n")
