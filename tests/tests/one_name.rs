//! Two nodes of one name on one NATS.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::{NatsServer, Setup, Sigbox};

fn setup(nats: &NatsServer) -> Setup {
    Setup::new(&nats.url())
        .set("", "node", "\"edge-1\"")
        .fall_back_to_status(404)
}

fn wait_for_namesakes(sigbox: &Sigbox, count: u32) -> Result<()> {
    sigbox.wait_for_count("sigbox_namesakes", &[], count)
}

/// The numbers of both processes, as the log of one of them has them.
fn numbers(sigbox: &Sigbox) -> Result<(String, String)> {
    sigbox.wait_for_log("that another node has its name", |record| {
        let message = record["message"].as_str()?;
        let number = |name: &str| record[name].as_str().map(str::to_owned);
        (message.contains("has this name, too") && record["level"] == "ERROR")
            .then(|| Some((number("instance")?, number("other")?)))?
    })
}

fn nodes(sigbox: &Sigbox) -> Result<String> {
    let output = Command::new(Sigbox::binary()?)
        .args(["nodes", "--admin", &sigbox.admin().to_string()])
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn two_nodes_of_one_name_notice_each_other_until_one_stops() -> Result<()> {
    let nats = NatsServer::start()?;
    let first = setup(&nats).start_connected()?;
    let other = setup(&nats)
        .set("", "node", "\"edge-2\"")
        .start_connected()?;
    ensure!(!nodes(&first)?.contains("warning"));
    let mut second = setup(&nats).start_connected()?;
    wait_for_namesakes(&first, 1)?;
    wait_for_namesakes(&second, 1)?;
    let (here, there) = numbers(&first)?;
    ensure!(numbers(&second)? == (there, here.clone()));
    for node in [&first, &second] {
        let (status, body) = node.get("/readyz")?;
        ensure!(status == 200, "{body}");
        ensure!(
            body.contains("another node on NATS has the name of this one"),
            "{body}"
        );
        let document = node.http("GET", "/api/v1/nodes").send()?.expect(200)?;
        ensure!(document["namesakes"] == 1, "{document}");
        let printed = nodes(node)?;
        ensure!(
            printed.contains("warning: 2 nodes on this NATS are called edge-1"),
            "{printed}"
        );
    }
    ensure!(second.terminate()?.success());
    wait_for_namesakes(&first, 0)?;
    ensure!(first.get("/readyz")?.1.contains("\"reasons\":[]"));
    // One of another name is none of this.
    let log = other.log().join("\n");
    ensure!(!log.contains("has this name, too"), "{log}");
    Ok(())
}

/// D3: the one that could not be reached says again that it is there.
#[test]
fn d3_nodes_of_one_name_notice_each_other_when_nats_comes_back() -> Result<()> {
    let mut nats = NatsServer::start()?;
    nats.stop()?;
    let (first, second) = (setup(&nats).start()?, setup(&nats).start()?);
    nats.restart()?;
    wait_for_namesakes(&first, 1)?;
    wait_for_namesakes(&second, 1)
}
