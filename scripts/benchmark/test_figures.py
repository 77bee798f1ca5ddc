"""What is made of the figures: the search for the highest rate, and the page."""

import unittest

from .page import page
from .search import search


def quantiles(us):
    return {"p50_us": us, "p99_us": us * 2, "p999_us": us * 3}


def run(case, rate, cpu, us):
    calls = dict.fromkeys(("planned", "started", "failed", "unfinished", "lost_or_repeated", "reordered", "disturbed"), 0)
    latency = dict.fromkeys(("arrival", "to_180", "to_200", "setup", "bye"), quantiles(us))
    return {"case": case, "rate": rate, "calls": calls, "cpu_us_per_call": {"generator": 1.0, **cpu}, "latency_us": latency}


def figures(**parts):
    machine = {"at": "now", "cores": 2, "processor": "p", "memory": "m", "kernel": "k", "load_before": 0.0,
               "socket_buffer_limit": 1, "versions": {}}
    return {"version": 1, "command": "scripts/bench", "machine": machine, **parts}


class Search(unittest.TestCase):
    def found(self, ceiling, start=1000):
        asked = []

        def holds(rate):
            asked.append(rate)
            return rate <= ceiling

        return search(holds, start, 0.05), asked

    def test_it_comes_close_from_below(self):
        for ceiling in (1_000, 3_333, 3_999, 4_000, 9_500, 700):
            rate, asked = self.found(ceiling)
            self.assertLessEqual(rate, ceiling)
            self.assertGreater(rate, ceiling - max(0.06 * ceiling, 51))
            self.assertLess(len(asked), 12)

    def test_what_never_holds_is_zero_and_what_always_holds_has_an_end(self):
        self.assertEqual(self.found(0)[0], 0)
        self.assertEqual(self.found(10**9)[0], 32_000)


class Page(unittest.TestCase):
    def test_ratios_are_of_medians_and_goals_are_held_against_them(self):
        runs = []
        for peer, mine in ((100.0, 90.0), (200.0, 80.0), (900.0, 10.0)):
            runs.append(run("kamailio direct", 1000, {"proxy": peer}, 100.0))
            runs.append(run("sigbox direct", 1000, {"proxy": mine, "nats-server": 40.0}, 150.0))
        text = page(figures(per_call=runs))
        row = next(line for line in text.splitlines() if line.startswith("| sigbox direct | 1,000 | 80"))
        self.assertEqual(row, "| sigbox direct | 1,000 | 80 |  | 40 | 120 | 0.40 (goal 0.45: met) | 0.60 | 1 |")
        self.assertIn("- sigbox direct at 1,000/s: INVITE-180 p50 1.50, INVITE-180 p99 1.50", text)

    def test_a_missed_goal_is_said(self):
        ceilings = [{"case": "kamailio decided, Node", "highest_rate": 2_000, "steps": []},
                    {"case": "sigbox decided, Rust", "highest_rate": 3_000, "steps": []}]
        memory = {"suspended": [{"case": "sigbox silent decider", "bytes_each": 7_000.0}], "finished": [],
                  "bursts": [{"case": "sigbox decided, Rust", "burst": 10, "pause_s": 40,
                              "rounds": [{"before": 100, "peak": 300, "after": 104}]}]}
        text = page(figures(ceilings=ceilings, memory=memory))
        self.assertIn("1.50 (goal 2: **missed**)", text)
        self.assertIn("| 7,000 | (goal 6,000: **missed**) |", text)
        self.assertIn("+4.0 % after 40 s (goal 5: met)", text)

    def test_what_suspension_adds_is_the_difference_to_direct(self):
        runs = [run("sigbox direct", 1000, {"proxy": 1.0}, 200.0), run("sigbox decided, Rust", 1000, {"proxy": 1.0}, 900.0)]
        text = page(figures(per_call=runs))
        self.assertIn("| sigbox decided, Rust | 1,000 | +0.70 (goal 0.5: **missed**) | +1.40 (goal 3: met) |", text)


if __name__ == "__main__":
    unittest.main()
