"""A process's sign of life among others that look whether it is gone. The rest is in automation/test_orphans.py."""

import subprocess
import sys
from pathlib import Path

import pytest

BORN_WHILE_OTHERS_LOOK = """
import sys
from pathlib import Path
from threading import Event, Thread
from timix_assets.lake.processes import gone, is_gone, sign_of_life

folders = [Path(sys.argv[1], str(number)) for number in range(300)]
for folder in folders:
    folder.mkdir()
looked_at, done = folders[:1], Event()

def look():
    while not done.is_set():
        gone(looked_at[0])

lookers = [Thread(target=look) for _ in range(3)]
for looker in lookers:
    looker.start()
try:
    for looked_at[0] in folders:
        name = sign_of_life(looked_at[0])
        assert not is_gone(looked_at[0], name)
finally:
    done.set()
"""


@pytest.mark.long
def test_who_looks_at_a_new_sign_of_life_for_an_instant_does_not_end_its_process(tmp_path: Path) -> None:
    script = [sys.executable, "-c", BORN_WHILE_OTHERS_LOOK, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
