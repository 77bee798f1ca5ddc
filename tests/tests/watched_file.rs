//! `runtime.watch`: the configuration file is read again when it changes.

use anyhow::Result;
use e2e::{Phone, Setup, Sigbox};

fn setup() -> Setup {
    Setup::new("nats://127.0.0.1:1")
        .set("decision", "ask", "[]")
        .set("runtime", "watch", "true")
}

fn reloads(sigbox: &Sigbox, result: &str, count: u32) -> Result<()> {
    sigbox.wait_for_count("sigbox_reloads_total", &[("result", result)], count)
}

#[test]
fn a_changed_file_is_read_and_a_broken_one_changes_nothing() -> Result<()> {
    let alice = Phone::new("alice")?;
    let with = |status| setup().fall_back_to_status(status).to_toml();
    let mut sigbox = setup().fall_back_to_status(480).start()?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;

    // Written over.
    sigbox.rewrite(&with(404))?;
    reloads(&sigbox, "applied", 1)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;

    // Another file in its place.
    sigbox.replace(&with(486))?;
    reloads(&sigbox, "applied", 2)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(486)?;

    sigbox.replace("[[fallback]]\naction = \"jump\"")?;
    reloads(&sigbox, "refused", 1)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(486)?;

    // What is read for another reason is not read twice, and a file of the same text is none.
    sigbox.replace(&with(403))?;
    reloads(&sigbox, "applied", 3)?;
    sigbox.replace(&with(403))?;
    sigbox.replace(&with(404))?;
    reloads(&sigbox, "applied", 4)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;
    assert!(sigbox.terminate()?.success());
    Ok(())
}
