//! `compose.yaml` without an engine: it fits the Compose Specification, and every container's command runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::artifact::workspace_binary;
use e2e::{NatsServer, Phone, Process, Sigbox, repository};
use serde_json::Value;
use tempfile::TempDir;

fn compose() -> Result<Value> {
    let text = fs::read_to_string(repository().join("compose.yaml"))?;
    serde_saphyr::from_str(&text).context("compose.yaml")
}

#[test]
fn compose_yaml_fits_the_compose_specification() -> Result<()> {
    let schema = fs::read_to_string(repository().join("tests/compose/compose-spec.json"))?;
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    let document = compose()?;
    let errors: Vec<String> = schema
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");

    let mut broken = document;
    broken["services"]["nats"]["comand"] = "x".into();
    assert!(
        !schema.is_valid(&broken),
        "the schema lets a misspelt key pass"
    );
    Ok(())
}

#[test]
fn images_are_built_in_stages_and_run_without_root() -> Result<()> {
    for (name, service) in built_services(&compose()?)? {
        let path = service["build"]["dockerfile"].as_str();
        let command = image_command(&name, path.context("build.dockerfile")?)?;
        assert_eq!(
            command,
            words(&service["command"])?,
            "{name}: the image alone runs what compose runs"
        );
    }
    Ok(())
}

#[test]
fn images_of_samples_that_compose_does_not_run_are_like_those_that_it_does() -> Result<()> {
    for name in ["carrier-rust", "carrier-node", "portability-sql"] {
        let command = image_command(name, &format!("deciders/{name}/Dockerfile"))?;
        let program = match command.first().map(String::as_str) {
            Some("node") => command.get(1).map(String::as_str),
            program => program,
        };
        let program = program.with_context(|| format!("{name} runs {command:?}"))?;
        match program.strip_prefix("/app/") {
            Some(script) => assert!(repository().join(script).is_file(), "{name}: {script}"),
            None => assert_eq!(program, name),
        }
    }
    Ok(())
}

/// What an image runs, after a look at how it is made: in two stages, without root, from files that exist.
fn image_command(name: &str, path: &str) -> Result<Vec<String>> {
    let dockerfile = dockerfile(path)?;
    let stages = dockerfile
        .lines()
        .filter(|line| line.starts_with("FROM "))
        .count();
    assert_eq!(stages, 2, "{name}");
    let user = dockerfile
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("USER "));
    assert!(
        user.is_some_and(|user| user != "root" && user != "0"),
        "{name} runs as {user:?}"
    );
    for source in dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
    {
        let mut words = source
            .split(' ')
            .filter(|word| !word.starts_with("--"))
            .collect::<Vec<_>>();
        words.pop();
        let is_from_a_stage = source.starts_with("--from=");
        for word in words {
            ensure!(
                is_from_a_stage || repository().join(word).exists(),
                "{name} copies {word}, which does not exist"
            );
        }
    }
    let command = dockerfile
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("CMD "))
        .context("CMD")?;
    Ok(serde_json::from_str(command)?)
}

#[test]
fn every_command_of_compose_runs_and_stops() -> Result<()> {
    let services = compose()?["services"].clone();
    let place = Place {
        files: TempDir::new()?,
        nats: NatsServer::start()?,
    };

    let mut deciders = Vec::new();
    for name in ["lcr-rust", "lcr-node"] {
        let decider = place.run(name, &services[name])?;
        e2e::samples::wait_until_ready(&decider)?;
        deciders.push((name, decider));
    }
    let sigbox = place.run("sigbox", &services["sigbox"])?;
    let sip = sigbox.wait_for_line("its SIP address", |line| {
        e2e::sigbox::listening(line, "udp")
    })?;
    let admin = sigbox.wait_for_line("its admin address", |line| {
        e2e::sigbox::listening(line, "http")
    })?;

    // The proxy is healthy, and a call to a blocked prefix is refused by whichever decider gets it.
    let ready = e2e::http::Request::new(admin, "GET", "/readyz").send()?;
    assert_eq!(ready.status, 200);
    e2e::poll::until("a connection to NATS", || {
        let metrics = e2e::Metrics::scrape(admin)?;
        let all = metrics.sum("sigbox_shards", &[]);
        Ok((metrics.sum("sigbox_nats_connected", &[]) == all).then_some(()))
    })?;
    let alice = Phone::new("alice")?;
    let call = alice.call(sip, "sip:4990012345@sigbox.example")?;
    call.expect(403)?;

    // What `docker compose stop` does.
    for (name, process) in deciders.iter_mut().chain([&mut ("sigbox", sigbox)]) {
        let status = process.terminate()?;
        assert!(
            status.success(),
            "{name} ended with {status}:\n{}",
            process.lines().join("\n")
        );
    }
    Ok(())
}

/// Where containers are played: files that are mounted, and the server that is called `nats`.
struct Place {
    files: TempDir,
    nats: NatsServer,
}

impl Place {
    /// Runs a service's command on this machine: mounted paths lead to copies of the files, in which fixed ports are
    /// free ones and the host `nats` is the test's server.
    fn run(&self, name: &str, service: &Value) -> Result<Process> {
        let mounts = self.mounts(service)?;
        let words = words(&service["command"])?;
        let (program, arguments) = words.split_first().context("a command")?;
        let mut command = Command::new(on_this_machine(program)?);
        command.args(arguments.iter().map(|word| mounted(word, &mounts)));
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().with_context(|| format!("{key} is text"))?;
            command.env(key, self.local(&mounted(value, &mounts)));
        }
        Process::spawn(name, &mut command)
    }

    fn mounts(&self, service: &Value) -> Result<BTreeMap<String, PathBuf>> {
        let mut mounts = BTreeMap::from([("/app/".to_owned(), repository().to_path_buf())]);
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().context("a volume in the short form")?;
            let (source, target) = volume.split_once(':').context("source:target")?;
            let target = target.strip_suffix(":ro").context("mounted read-only")?;
            let source = repository().join(source);
            let copy = self
                .files
                .path()
                .join(Path::new(target).file_name().context("a file name")?);
            fs::write(
                &copy,
                self.local(
                    &fs::read_to_string(&source).with_context(|| source.display().to_string())?,
                ),
            )?;
            mounts.insert(target.to_owned(), copy);
        }
        Ok(mounts)
    }

    fn local(&self, text: &str) -> String {
        text.replace("nats://nats:4222", &self.nats.url())
            .replace("udp:0.0.0.0:5060", "udp:127.0.0.1:0")
            .replace("127.0.0.1:9090", "127.0.0.1:0")
    }
}

fn mounted(word: &str, mounts: &BTreeMap<String, PathBuf>) -> String {
    for (target, path) in mounts {
        if let Some(rest) = word.strip_prefix(target.as_str()) {
            return path
                .join(rest)
                .to_string_lossy()
                .trim_end_matches('/')
                .to_owned();
        }
    }
    word.to_owned()
}

fn on_this_machine(program: &str) -> Result<PathBuf> {
    match program {
        "sigbox" => Sigbox::binary(),
        "node" => Ok(e2e::artifact::node()),
        other => workspace_binary(other),
    }
}

fn built_services(compose: &Value) -> Result<Vec<(String, Value)>> {
    let services = compose["services"].as_object().context("services")?;
    let built: Vec<_> = services
        .iter()
        .filter(|(_, service)| service["build"].is_object())
        .map(|(name, service)| (name.clone(), service.clone()))
        .collect();
    ensure!(built.len() == 3, "sigbox and two deciders: {built:?}");
    Ok(built)
}

fn dockerfile(path: &str) -> Result<String> {
    let text = fs::read_to_string(repository().join(path)).with_context(|| path.to_owned())?;
    Ok(text.replace("\\\n", " "))
}

fn words(command: &Value) -> Result<Vec<String>> {
    serde_json::from_value(command.clone()).context("a command as a list of words")
}
