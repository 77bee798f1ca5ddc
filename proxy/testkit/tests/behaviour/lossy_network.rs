//! T7: datagrams are lost, doubled and reordered; a call completes or fails cleanly.

use sigbox_core::Settings;
use sigbox_testkit::{Network, Script, Sim, Verdict, plans};

use crate::world::*;

/// Alice as a real phone: she repeats what is not answered and acknowledges what is.
fn place_call(sim: &mut Sim) {
    let invite = invite();
    let mut cancelled = false;
    for step in 0..160 {
        let finals: Vec<_> = sim
            .seen(alice())
            .iter()
            .filter(|seen| seen.status() >= 200 && seen.text.contains("1 INVITE"))
            .map(|seen| seen.text.clone())
            .collect();
        match finals.last() {
            None if step % 4 == 0 && sim.seen(alice()).is_empty() => {
                sim.send(alice(), invite.text());
            }
            Some(answer) if answer.starts_with("SIP/2.0 2") => {
                sim.send(alice(), invite.in_dialog("ACK", answer, 1).text());
                if step % 4 == 0 {
                    sim.send(alice(), invite.in_dialog("BYE", answer, 2).text());
                }
            }
            Some(answer) => sim.send(alice(), invite.hop_by_hop("ACK", Some(answer)).text()),
            None => {}
        }
        if step == 60 && finals.is_empty() && !cancelled {
            cancelled = true;
            sim.send(alice(), invite.hop_by_hop("CANCEL", None).text());
        }
        sim.run_for(ms(500));
    }
}

#[test]
fn t7_no_seed_breaks_an_invariant_or_leaves_a_transaction() {
    for seed in 0..200 {
        let mut number = seed;
        let mut sim = Sim::new(Settings::default(), move |_, _| {
            number += 1;
            match number % 5 {
                0 => Verdict::Silent,
                1 => Verdict::After(ms(150), Ok(plans::parallel(&[TO_BOB, TO_CAROL]))),
                2 => Verdict::After(ms(250), Ok(plans::serial(&[TO_BOB]))),
                3 => Verdict::After(ms(1), Ok(plans::serial(&[TO_CAROL, TO_BOB]))),
                _ => Verdict::After(ms(1), Ok(plans::reject(404))),
            }
        });
        sim.network = Network {
            delay: ms(5),
            jitter: ms(700),
            loss: if seed % 2 == 0 { 10 } else { 30 },
            duplication: 10,
            seed,
        };
        let answers = if seed % 3 == 0 {
            Script::answers(800)
        } else {
            Script::refuses(486)
        };
        sim.callee(BOB, answers);
        sim.callee(
            CAROL,
            if seed % 4 == 0 {
                Script::rings()
            } else {
                Script::answers(400)
            },
        );
        place_call(&mut sim);
        sim.run_to_end();
    }
}
