//! Rules that hold at some hours only.

use std::sync::Arc;

use jiff::tz::TimeZone;
use sigbox_core::{Action, Condition, Input, Rule, Schedule, Settings};
use sigbox_testkit::{Request, Sim, plans};

use crate::world::*;

/// Everybody is refused: 403 while the office is open, 404 when it is not.
fn office() -> Sim {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let hours = "mon-fri 08:00-18:00".parse().unwrap();
    let open = Condition {
        schedules: vec![Arc::new(Schedule::weekly("office", zone, vec![hours]))],
        ..Condition::default()
    };
    let closed = Condition {
        not: vec![open.clone()],
        ..Condition::default()
    };
    let rule = |condition, status| Rule {
        name: "hours".into(),
        condition,
        action: Action::Decide(Arc::new(plans::reject(status))),
    };
    let mut settings = Settings::default();
    settings.rules.before = vec![rule(closed, 404), rule(open, 403)];
    silent(settings)
}

fn status(sim: &mut Sim, call: &str) -> u16 {
    let request = Request::new("OPTIONS", "sip:bob@example.com", alice(), call);
    sim.send(alice(), request.text());
    sim.run_for(ms(10));
    sim.seen(alice()).last().unwrap().status()
}

/// The simulation begins on Monday, 21 September 2026, at 14:13:20 UTC: 16:13:20 in Berlin.
#[test]
fn a_rule_holds_while_its_schedule_is_open() {
    let mut sim = office();
    assert_eq!(status(&mut sim, "1"), 403);
    sim.run_for(secs((60 + 46) * 60 + 39));
    assert_eq!(status(&mut sim, "2"), 403);
    sim.run_for(secs(1));
    assert_eq!(status(&mut sim, "3"), 404);
    sim.run_for(secs(14 * 3_600));
    assert_eq!(status(&mut sim, "4"), 403);
}

#[test]
fn the_clock_may_be_set() {
    let mut sim = office();
    // Sunday.
    let origin_ms = 1_790_000_000_000 - 86_400_000;
    sim.input(Input::WallClock { origin_ms });
    assert_eq!(status(&mut sim, "1"), 404);
}
