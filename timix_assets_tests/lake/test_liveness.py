"""A process is alive while it holds its lock file. Orphaned runs are in runs/test_orphaned.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from timix_assets.lake.liveness import dead_processes, is_dead, remove_lock

CLAIM_DURING_CHECK = """
import sys
from pathlib import Path
from threading import Event, Thread
from timix_assets.lake.liveness import dead_processes, is_dead, claim_process_lock

folders = [Path(sys.argv[1], str(number)) for number in range(300)]
for folder in folders:
    folder.mkdir()
looked_at, done = folders[:1], Event()

def look():
    while not done.is_set():
        dead_processes(looked_at[0])

lookers = [Thread(target=look) for _ in range(3)]
for looker in lookers:
    looker.start()
try:
    for looked_at[0] in folders:
        name = claim_process_lock(looked_at[0])
        assert not is_dead(looked_at[0], name)
finally:
    done.set()
"""


@pytest.mark.long
def test_claim_waits_while_another_process_checks_the_lock(tmp_path: Path) -> None:
    script = [sys.executable, "-c", CLAIM_DURING_CHECK, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LIVES = """
import sys
from pathlib import Path
from timix_assets.lake.liveness import claim_process_lock
print(claim_process_lock(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_process_is_dead_only_after_it_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LIVES, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert (is_dead(tmp_path, name), dead_processes(tmp_path)) == (False, [])
        process.kill()
    assert (is_dead(tmp_path, name), dead_processes(tmp_path)) == (True, [name])
    remove_lock(tmp_path, name)
    assert dead_processes(tmp_path) == []
    assert not is_dead(tmp_path, name)
