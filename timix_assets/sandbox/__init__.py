"""A simulated services firm behind the API that Timix documents, for the demo, for tests and for trying things out.

`Firm.generate` makes the data, `Sandbox` serves it, `Fault` switches on what can go wrong.
"""

from .faults import Fault
from .firm import Firm
from .server import Sandbox, serve

__all__ = ["Fault", "Firm", "Sandbox", "serve"]
