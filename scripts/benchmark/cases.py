"""What is compared with what."""

import dataclasses

from .servers import Kamailio, Sigbox


@dataclasses.dataclass(frozen=True)
class Case:
    """A proxy in a mode. `peer` names the case that it is held against."""

    name: str
    server: type
    mode: str
    fork: bool = False
    peer: str | None = None

    def start(self):
        """Its servers, running."""
        return self.server(self.mode, self.fork)


# Every case of sigbox follows the one of its peer, so that both meet the machine in the same mood.
CASES = [
    Case("kamailio direct", Kamailio, "direct"),
    Case("sigbox direct", Sigbox, "direct", peer="kamailio direct"),
    Case("kamailio decided, Node", Kamailio, "node"),
    Case("sigbox decided, Rust", Sigbox, "rust", peer="kamailio decided, Node"),
    Case("sigbox decided, Node", Sigbox, "node", peer="kamailio decided, Node"),
    Case("kamailio no decider", Kamailio, "fallback"),
    Case("sigbox no decider", Sigbox, "fallback", peer="kamailio no decider"),
    Case("kamailio fork, Node", Kamailio, "node", fork=True),
    Case("sigbox fork, Rust", Sigbox, "rust", fork=True, peer="kamailio fork, Node"),
    Case("sigbox fork, Node", Sigbox, "node", fork=True, peer="kamailio fork, Node"),
]
CEILINGS = CASES[:5]
SILENT = [
    Case("kamailio silent decider", Kamailio, "silent"),
    Case("sigbox silent decider", Sigbox, "silent", peer="kamailio silent decider"),
]
