"""What the operating system knows of the processes that a test started."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_MEASURED = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
print("peak kB:", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def run_measured(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[subprocess.CompletedProcess[str], int]:
    """Runs a command. Returns how it ended, and the most memory it had resident, in bytes.

    A small process starts it: the kernel counts the memory of the process that starts a command as the command's own, and
    this one may have more than the command.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, int(done.stderr.rpartition("peak kB: ")[2]) * 1024


def tree(pid: int) -> set[int]:
    """The process and all that it started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, more = set[int](), {pid}
    while more:
        found |= more
        more = {child for child, parent in parents.items() if parent in more} - found
    return found


def listening(pids: set[int]) -> set[int]:
    """The TCP ports on which these processes listen."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[len("socket:[") : -1])
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
