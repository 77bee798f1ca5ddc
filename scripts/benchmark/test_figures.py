"""What is made of the figures: the search for the highest rate, the goals and the page."""

import unittest

from .page import page
from .search import STEP, search


def quantiles(us):
    return {"p50_us": us, "p99_us": us * 2, "p999_us": us * 3}


def calls(**counts):
    keys = ("planned", "started", "completed", "refused", "failed", "unfinished", "lost_or_repeated", "reordered", "disturbed")
    return {**dict.fromkeys(keys, 0), **counts}


def run(case, rate, cpu, us, **counts):
    latency = dict.fromkeys(("arrival", "to_180", "to_200", "setup", "bye"), quantiles(us))
    return {"case": case, "rate": rate, "calls": calls(**counts), "cpu_us_per_call": {"generator": 60.0, **cpu},
            "latency_us": latency}


def flood(kind, factor, **more):
    return {"case": "sigbox decided, Rust", "kind": kind, "factor": factor, "capacity": 2_000, "offered": 1_000, "flood": 2_000 * factor,
            "goodput": 0.85, "byes_answered": 0.995, "cancels_effective": None, "calls": calls(started=100, refused=60, failed=5),
            "to_200_us": quantiles(7_000.0), "lost_by_the_generator": 0,
            "servers_cores": 0.98, **more}


def figures(**parts):
    machine = {"at": "now", "cores": 2, "processor": "p", "memory": "m", "kernel": "k", "load_before": 0.0,
               "socket_buffer_limit": 1, "versions": {}}
    settings = {"kamailio_children": 1, "kamailio_children_tried": {1: {"kamailio direct": 400.0}, 2: {"kamailio direct": 500.0}},
                "sigbox_shards": 1}
    return {"version": 2, "command": "scripts/bench", "machine": machine, "settings": settings, **parts}


class Search(unittest.TestCase):
    def found(self, ceiling, start=1000, stride=8):
        asked = []

        def holds(rate):
            asked.append(rate)
            return rate <= ceiling

        return search(holds, start, stride), asked

    def test_it_comes_close_from_below(self):
        for ceiling in (1_000, 3_333, 3_999, 4_000, 9_500, 700, 110):
            for start, stride in ((1_000, 8), (1_000, 1), (20_000, 8)):
                rate, asked = self.found(ceiling, start, stride)
                self.assertLessEqual(rate, ceiling)
                self.assertGreater(rate * STEP, ceiling - 1)
                self.assertLess(len(asked), 18)
                self.assertEqual(len(asked), len(set(asked)))

    def test_a_search_from_where_another_ended_takes_few_steps(self):
        for ceiling, steps in ((1_010, 2), (1_060, 4), (1_200, 6), (990, 2), (900, 5)):
            self.assertLessEqual(len(self.found(ceiling, 1_000, 1)[1]), steps)

    def test_what_never_holds_is_zero_and_what_always_holds_has_an_end(self):
        self.assertEqual(self.found(0)[0], 0)
        self.assertGreater(self.found(10**9)[0], 10_000)


class Page(unittest.TestCase):
    def test_ratios_are_of_medians_and_goals_are_held_against_them(self):
        runs = []
        for peer, mine in ((100.0, 90.0), (200.0, 80.0), (900.0, 10.0)):
            runs.append(run("kamailio direct", 1000, {"proxy": peer}, 100.0))
            runs.append(run("sigbox direct", 1000, {"proxy": mine, "nats-server": 40.0}, 150.0))
        text = page(figures(per_call=runs))
        row = next(line for line in text.splitlines() if line.startswith("| sigbox direct | 1,000 | 80"))
        self.assertEqual(row, "| sigbox direct | 1,000 | 80 |  | 40 | 120 | 0.40 | 0.60 | 60 (0.75) |")
        self.assertIn("| sigbox direct at 1,000 calls/s: CPU of the proxy at most 0.45 of Kamailio's | 0.40 | yes |", text)
        self.assertIn("cheapest case, sigbox direct | 0.75 (60 of 80 µs) | yes |", text)
        self.assertIn("- sigbox direct at 1,000/s: INVITE-180 p50 1.50, INVITE-180 p99 1.50", text)
        self.assertIn("`children=1`", text)
        self.assertIn("1: 400 µs (direct); 2: 500 µs (direct)", text)

    def test_a_missed_goal_is_said(self):
        step = {"rate": 3_000, "clean": True, "generator_us_per_call": 100.0}
        ceilings = [{"case": "kamailio decided, Node", "highest_rate": 2_000, "steps": [], "children": 2},
                    {"case": "sigbox decided, Rust", "highest_rate": 3_000, "steps": [step], "children": None}]
        memory = {"suspended": [{"case": "sigbox silent decider", "bytes_each": 7_000.0}],
                  "finished": [{"case": "sigbox decided, Rust", "bytes_each": 700.0}],
                  "bursts": [{"case": "sigbox decided, Rust", "burst": 10, "pause_s": 40,
                              "rounds": [{"before": 100, "peak": 300, "after": 104}, {"before": 100, "peak": 300, "after": 94}]}]}
        text = page(figures(ceilings=ceilings, memory=memory))
        self.assertIn("| 1.50 (3,000 to 2,000) | **no** |", text)
        self.assertIn("| sigbox decided, Rust | 3,000 | 3,000 | 1.50 | 0.30 |", text)
        self.assertIn("| kamailio decided, Node, children=2 | 2,000 | 2,000 |  |  |", text)
        self.assertIn("| at most 6,000 bytes per suspended transaction | 7,000 | **no** |", text)
        self.assertIn("| at most 700 bytes per finished call while its timers linger | 700 | yes |", text)
        self.assertIn("burst 1 of 10 calls | +4.0 % | yes |", text)
        self.assertIn("burst 2 of 10 calls | -6.0 % | **no** |", text)
        self.assertIn("peak 300, +4.0 % after 40 s", text)

    def test_what_suspension_adds_is_the_difference_to_direct(self):
        runs = [run("sigbox direct", 1000, {"proxy": 1.0}, 200.0), run("sigbox decided, Rust", 1000, {"proxy": 1.0}, 900.0)]
        text = page(figures(per_call=runs))
        self.assertIn("at 1,000 calls/s, p50 | +0.70 ms | **no** |", text)
        self.assertIn("at 1,000 calls/s, p99 | +1.40 ms | yes |", text)
        self.assertIn("| sigbox decided, Rust | 1,000 | +0.70 | +1.40 |", text)

    def test_the_order_counts_for_sigbox_only(self):
        runs = [run("kamailio direct", 1000, {"proxy": 1.0}, 1.0, started=10, reordered=3),
                run("sigbox direct", 1000, {"proxy": 1.0}, 1.0, started=20)]
        self.assertIn("| 180 after 200: none | 0 of 20 calls | yes |", page(figures(per_call=runs)))
        runs.append(run("sigbox direct", 2000, {"proxy": 1.0}, 1.0, started=20, reordered=1))
        self.assertIn("| 180 after 200: none | 1 of 40 calls | **no** |", page(figures(per_call=runs)))

    def test_overload_is_held_against_goals_that_grow_with_the_flood(self):
        floods = [flood("invite", 2), flood("invite", 10, flood=15_000, lost_by_the_generator=7), flood("options", 5, goodput=0.7),
                  flood("response", 5, byes_answered=0.5, cancels_effective=1.0)]
        text = page(figures(overload={"cores": None, "capacity": [], "floods": floods}))
        self.assertIn("| sigbox decided, Rust, 2 times the capacity in INVITE: goodput at least 90% of capacity | 85% | **no** |", text)
        self.assertIn("| sigbox decided, Rust, 10 times the capacity (reached: 7.5 times) in INVITE: goodput at least 80% of capacity | 85%, or more: the generator lost "
                      "datagrams | yes |", text)
        self.assertIn("| sigbox decided, Rust, 5 times the capacity in OPTIONS: goodput at least 80% of half", text)
        self.assertIn("| BYE under every flood: at least 99 % succeed | 50.0% in the worst | **no** |", text)
        self.assertIn("| CANCEL under every flood: at least 99 % succeed | 100.0% in the worst | yes |", text)
        self.assertIn("| sigbox decided, Rust | 2,000 | 4,000 INVITE/s | 85.0% | 60.0% | 5.0% | 99.5% |  | 7.0 | 0.98 | 0 |", text)
        self.assertIn("| 10,000 OPTIONS/s and 1,000 calls/s | 70.0% |", text)

    def test_a_part_that_was_not_run_has_no_rows(self):
        text = page(figures())
        self.assertNotIn("What sigbox is to reach", text)
        self.assertNotIn("Overload", text)


if __name__ == "__main__":
    unittest.main()
