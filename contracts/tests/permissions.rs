//! `nats/permissions.conf` lets everybody do their part and nothing else, on every nats-server that is installed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn configuration() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("nats/permissions.conf")
}

/// `$NATS_SERVER_BIN`, what `scripts/bootstrap` installs, and `PATH`.
fn binaries() -> Vec<PathBuf> {
    let local = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../.local/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found: Vec<PathBuf> = std::env::var_os("NATS_SERVER_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain([local.join("nats-server"), local.join("nats-server-2.9")])
        .chain(std::env::split_paths(&path).map(|folder| folder.join("nats-server")))
        .filter(|binary| binary.is_file())
        .collect();
    assert!(
        !found.is_empty(),
        "no nats-server is installed; run scripts/bootstrap test"
    );
    found
}

fn server(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("-c")
        .arg(configuration())
        .env("SIGBOX_PROXY_PASSWORD", "of-the-proxy")
        .env("SIGBOX_DECIDER_PASSWORD", "of-the-decider")
        .env("SIGBOX_OBSERVER_PASSWORD", "of-the-observer");
    command
}

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(binary: &Path) -> Self {
        let mut process = server(binary)
            .args(["-a", "127.0.0.1", "-p", "-1"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut lines = log.lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                line.split_once("Listening for client connections on 127.0.0.1:")?
                    .1
                    .parse()
                    .ok()
            })
            .unwrap();
        // The rest of the log is read, or the server would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    fn login(&self, user: &str, password: &str) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut client = Client {
            lines: BufReader::new(stream.try_clone().unwrap()),
            stream,
        };
        assert!(client.line().starts_with("INFO "));
        let hello = format!(
            r#"CONNECT {{"user":"{user}","pass":"{password}","verbose":false,"headers":true,"no_responders":true}}"#
        );
        assert_eq!(client.does(&hello), Vec::<String>::new());
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a command; what the server says until it has dealt with it.
    fn does(&mut self, command: &str) -> Vec<String> {
        self.stream
            .write_all(format!("{command}\r\nPING\r\n").as_bytes())
            .unwrap();
        let mut said = Vec::new();
        loop {
            match self.line().as_str() {
                "PONG" => return said,
                "PING" => self.stream.write_all(b"PONG\r\n").unwrap(),
                line => said.push(line.to_owned()),
            }
        }
    }

    fn may(&mut self, command: &str) {
        assert_eq!(self.does(command), Vec::<String>::new(), "{command}");
    }

    fn may_not(&mut self, command: &str) {
        let said = self.does(command);
        assert!(
            said.iter()
                .any(|line| line.starts_with("-ERR 'Permissions Violation")),
            "{command}: {said:?}"
        );
    }

    /// The next message: its subject and its payload.
    fn hears(&mut self) -> (String, String) {
        let head = loop {
            let line = self.line();
            if line == "PING" {
                self.stream.write_all(b"PONG\r\n").unwrap();
            } else {
                break line;
            }
        };
        let subject = head
            .strip_prefix("MSG ")
            .unwrap_or_else(|| panic!("{head}"))
            .split(' ')
            .next();
        (subject.unwrap().to_owned(), self.line())
    }
}

#[test]
fn nats_server_takes_the_file() {
    for binary in binaries() {
        let output = server(&binary).arg("-t").output().unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            binary.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn everybody_may_do_their_part_and_nothing_else() {
    for binary in binaries() {
        let server = Server::start(&binary);
        let mut proxy = server.login("proxy-edge-1", "of-the-proxy");
        let mut decider = server.login("decider", "of-the-decider");
        let mut observer = server.login("observer", "of-the-observer");

        proxy.may("SUB _INBOX_edge-1.beef.0.* 1");
        proxy.may_not("SUB _INBOX_edge-2.> 2");
        proxy.may_not("SUB sigbox.v1.query.> 3");
        proxy.may_not("PUB sigbox.v1.data.prefixes.more 1\r\n0");
        proxy.may("PUB sigbox.v1.node.edge-1 5\r\nhello");
        proxy.may("SUB sigbox.v1.node.edge-1 4");
        proxy.may_not("SUB sigbox.v1.node.* 5");
        proxy.may_not("PUB sigbox.v1.node.edge-2 1\r\n0");

        decider.may("SUB sigbox.v1.query.*.invite deciders 1");
        decider.may("SUB sigbox.v1.query.acme.message deciders 2");
        decider.may("SUB sigbox.v1.event.cancelled.* 3");
        decider.may("SUB sigbox.v1.event.cancelled.acme 4");
        decider.may("SUB sigbox.v1.data.* 11");
        decider.may_not("PUB sigbox.v1.node.edge-1 1\r\n0");
        decider.may_not("PUB sigbox.v1.data.rates 1\r\n0");
        decider.may("SUB $SRV.PING 5");
        decider.may("SUB $SRV.INFO.lcr.0199 6");
        decider.may_not("SUB sigbox.v1.query.*.invite 7");
        decider.may_not("SUB sigbox.v1.query.*.invite wiretap 8");
        decider.may_not("SUB sigbox.v1.event.transaction.* 9");
        decider.may_not("SUB _INBOX_edge-1.> 10");
        decider.may_not("PUB sigbox.v1.event.decision.default 1\r\n0");
        decider.may_not("PUB _INBOX_edge-1.beef.0.2a-1 1\r\n0");

        observer.may("SUB sigbox.v1.event.> 1");
        observer.may("SUB _INBOX.x.* 2");
        observer.may_not("SUB sigbox.v1.query.> 3");
        observer.may_not("SUB _INBOX_edge-1.> 4");
        observer.may_not("PUB sigbox.v1.query.default.invite 1\r\n0");

        // A call: asked, answered with an extension and a decision, announced, withdrawn.
        proxy.may("PUB sigbox.v1.query.default.invite _INBOX_edge-1.beef.0.2a-1 5\r\nquery");
        assert_eq!(
            decider.hears(),
            (
                "sigbox.v1.query.default.invite".to_owned(),
                "query".to_owned()
            )
        );
        decider.may("PUB _INBOX_edge-1.beef.0.2a-1 6\r\nextend");
        decider.may("PUB _INBOX_edge-1.beef.0.2a-1 5\r\nroute");
        decider.may_not("PUB _INBOX_edge-1.beef.0.2a-2 5\r\nroute");
        for payload in ["extend", "route"] {
            assert_eq!(
                proxy.hears(),
                ("_INBOX_edge-1.beef.0.2a-1".to_owned(), payload.to_owned())
            );
        }
        proxy.may("PUB sigbox.v1.event.decision.default 5\r\nevent");
        assert_eq!(observer.hears().0, "sigbox.v1.event.decision.default");
        proxy.may("PUB sigbox.v1.event.cancelled.default 5\r\nevent");
        assert_eq!(decider.hears().0, "sigbox.v1.event.cancelled.default");
        assert_eq!(observer.hears().0, "sigbox.v1.event.cancelled.default");

        proxy.may("PUB sigbox.v1.data.rates 4\r\ndata");
        assert_eq!(decider.hears().0, "sigbox.v1.data.rates");

        // Which deciders are there?
        observer.may("PUB $SRV.PING _INBOX.x.1 0\r\n");
        assert_eq!(decider.hears().0, "$SRV.PING");
        decider.may("PUB _INBOX.x.1 4\r\nhere");
        assert_eq!(
            observer.hears(),
            ("_INBOX.x.1".to_owned(), "here".to_owned())
        );
    }
}
