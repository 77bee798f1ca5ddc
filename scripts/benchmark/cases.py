"""What is compared with what."""

import dataclasses

from .servers import Kamailio, Sigbox


@dataclasses.dataclass(frozen=True)
class Case:
    """A proxy in a mode. `peer` names the case that it is held against; `rates` are those at which the CPU per call is
    taken; `children` is for Kamailio."""

    name: str
    server: type
    mode: str
    fork: bool = False
    peer: str | None = None
    rates: tuple = (1000,)
    children: int | None = None

    def start(self, cores=None):
        """Its servers, running."""
        settings = {"children": self.children} if self.children else {}
        return self.server(self.mode, self.fork, cores, **settings)

    def with_children(self, count):
        """The same with so many workers, when it is Kamailio's."""
        return dataclasses.replace(self, children=count) if self.server is Kamailio else self


# Every case of sigbox follows the one of its peer, so that both meet the machine in the same mood.
BOTH = (1000, 2000)
CASES = [
    Case("kamailio direct", Kamailio, "direct", rates=BOTH),
    Case("sigbox direct", Sigbox, "direct", peer="kamailio direct", rates=BOTH),
    Case("kamailio decided, Node", Kamailio, "node", rates=BOTH),
    Case("sigbox decided, Rust", Sigbox, "rust", peer="kamailio decided, Node", rates=BOTH),
    Case("sigbox decided, Node", Sigbox, "node", peer="kamailio decided, Node", rates=BOTH),
    Case("kamailio no decider", Kamailio, "fallback"),
    Case("sigbox no decider", Sigbox, "fallback", peer="kamailio no decider"),
    Case("kamailio fork, Node", Kamailio, "node", fork=True),
    Case("sigbox fork, Rust", Sigbox, "rust", fork=True, peer="kamailio fork, Node"),
    Case("sigbox fork, Node", Sigbox, "node", fork=True, peer="kamailio fork, Node"),
]
BY_NAME = {case.name: case for case in CASES}
CEILINGS = CASES[:5]
SILENT = [
    Case("kamailio silent decider", Kamailio, "silent"),
    Case("sigbox silent decider", Sigbox, "silent", peer="kamailio silent decider"),
]
FINISHED = [BY_NAME["kamailio decided, Node"], BY_NAME["sigbox decided, Rust"]]
OVERLOADED = [*FINISHED, BY_NAME["sigbox decided, Node"]]
