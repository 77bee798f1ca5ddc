"""sigbox beside Kamailio: what a call costs, how long it takes, how many fit. Run by scripts/bench."""
