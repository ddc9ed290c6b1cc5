"""`python -m timix_assets.commands.ui_daemon WORKSPACE`: Dagster's daemon, which ends with the UI that started it."""

import os
import signal
import sys
from functools import partial

from timix_assets.commands import parent
from timix_assets.dagster_internals import run_daemon

if __name__ == "__main__":
    parent.on_parent_exit(partial(os.kill, os.getpid(), signal.SIGTERM))
    run_daemon(sys.argv[1])
