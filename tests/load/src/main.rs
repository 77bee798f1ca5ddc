//! `sigbox-load`: calls for a SIP proxy on this machine.

use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sigbox_load::{
    AnswererSettings, Answering, CallerSettings, Calling, Listener, Load, Plan, Scenario, Stop,
    stop_on_signals,
};

/// Places and answers calls over UDP on 127.0.0.0/8, to measure a SIP proxy.
///
/// Calls arrive at a fixed rate whatever happens to them, and latencies count from the time at which a request was due.
/// Exits 1 when a call failed or was left open.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Places calls
    Uac {
        #[command(flatten)]
        calls: Calls,
        /// Where requests go: the proxy
        #[arg(long, value_name = "ADDRESS:PORT")]
        target: SocketAddrV4,
        #[command(flatten)]
        both: Both,
    },
    /// Answers calls until SIGINT or SIGTERM
    Uas {
        #[command(flatten)]
        answer: Answer,
        #[command(flatten)]
        both: Both,
    },
    /// Does both, on one thread
    Pair {
        #[command(flatten)]
        calls: Calls,
        /// Where requests go; without it, to the first listener, with nothing between
        #[arg(long, value_name = "ADDRESS:PORT")]
        target: Option<SocketAddrV4>,
        #[command(flatten)]
        answer: Answer,
        #[command(flatten)]
        both: Both,
    },
}

#[derive(Debug, Args)]
struct Both {
    /// RFC 3261 T1, the first retransmission interval, in milliseconds
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=5_000))]
    t1_ms: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Both {
    fn t1(&self) -> Duration {
        Duration::from_millis(self.t1_ms)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Method {
    Invite,
    Register,
    Options,
    /// A response that nobody waits for
    Response,
}

#[derive(Debug, Args)]
struct Calls {
    #[command(flatten)]
    call: Call,
    /// Further callers at the same time, each with options as above, in one word: "--rate 100 --hold-ms 5000"
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, value_parser = Beside::read)]
    beside: Vec<Beside>,
}

impl Calls {
    fn bind(self, target: SocketAddrV4, both: &Both) -> Result<Vec<Calling>> {
        let beside = self.beside.into_iter().map(|beside| beside.call);
        std::iter::once(self.call)
            .chain(beside)
            .zip(0..)
            .map(|(call, index)| call.bind(index, target, both))
            .collect()
    }
}

#[derive(Clone, Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Beside {
    #[command(flatten)]
    call: Call,
}

impl Beside {
    fn read(options: &str) -> Result<Self, String> {
        Self::try_parse_from(options.split_ascii_whitespace()).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Debug, Args)]
struct Call {
    /// What a call is
    #[arg(long, value_enum, default_value = "invite")]
    scenario: Method,
    /// Calls per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// How long calls arrive
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Request-URI; a run of # becomes digits of the call's number [default: sip:+4930#######@TARGET]
    #[arg(long)]
    uri: Option<String>,
    /// When the first call arrives, in seconds from the start
    #[arg(long, default_value_t = 0.0)]
    after_s: f64,
    /// Sockets that calls take in turns
    #[arg(long, default_value_t = 2)]
    sockets: usize,
    /// Arrivals are rounded up to a multiple of this many microseconds
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    grid_us: u64,
    /// How long a call stays up, in milliseconds
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=600_000))]
    hold_ms: u64,
    /// Hang up this many milliseconds after the INVITE when nobody has answered
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=600_000))]
    cancel_after_ms: Option<u64>,
    /// The called side rings only, until it gets a CANCEL
    #[arg(long)]
    rings: bool,
    /// The final response that completes a call [default: any 2xx, and BYE after it]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=699))]
    expect: Option<u16>,
    /// How long calls may go on after the last one arrived
    #[arg(long, default_value_t = 35.0)]
    wait_s: f64,
}

impl Call {
    fn bind(self, index: u8, target: SocketAddrV4, both: &Both) -> Result<Calling> {
        let uri = self
            .uri
            .unwrap_or_else(|| format!("sip:+4930#######@{target}"));
        ensure!(
            uri.starts_with("sip:")
                && uri
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'>'),
            "--uri {uri:?} is not a SIP URI"
        );
        ensure!((0.0..=600.0).contains(&self.wait_s), "--wait-s is 0 to 600");
        ensure!(
            (0.0..=600.0).contains(&self.after_s),
            "--after-s is 0 to 600"
        );
        let settings = CallerSettings {
            index,
            scenario: match self.scenario {
                Method::Invite => Scenario::Invite,
                Method::Register => Scenario::Register,
                Method::Options => Scenario::Options,
                Method::Response => Scenario::Response,
            },
            target,
            uri,
            plan: Plan::new(self.rate, self.seconds)?,
            after: Duration::from_secs_f64(self.after_s),
            grid: Duration::from_micros(self.grid_us),
            t1: both.t1(),
            hold: Duration::from_millis(self.hold_ms),
            cancel_after: self.cancel_after_ms.map(Duration::from_millis),
            rings: self.rings,
            expect: self.expect,
            wait: Duration::from_secs_f64(self.wait_s),
        };
        Calling::bind(settings, self.sockets)
    }
}

#[derive(Debug, Args)]
struct Answer {
    /// A socket and what it does: answer, ring (until CANCEL), refuse:STATUS or silent
    #[arg(
        long = "listen",
        value_name = "ADDRESS:PORT[=BEHAVIOUR]",
        default_value = "127.0.0.1:0"
    )]
    listeners: Vec<Listener>,
    /// Drop the first copy of this share of INVITE, ACK and BYE
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    drop_percent: u32,
}

impl Answer {
    fn bind(self, both: &Both) -> Result<Answering> {
        let settings = AnswererSettings {
            t1: both.t1(),
            drop_percent: self.drop_percent,
        };
        let answering = Answering::bind(settings, &self.listeners)?;
        for listener in answering.listeners() {
            eprintln!("listening {}", listener.address);
        }
        Ok(answering)
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let stop = Stop::default();
    stop_on_signals(&stop).context("signals")?;
    let (callers, answering, json) = match cli.command {
        Command::Uac {
            calls,
            target,
            both,
        } => (calls.bind(target, &both)?, None, both.json),
        Command::Uas { answer, both } => (Vec::new(), Some(answer.bind(&both)?), both.json),
        Command::Pair {
            calls,
            target,
            answer,
            both,
        } => {
            let answering = answer.bind(&both)?;
            let first = answering
                .listeners()
                .first()
                .map(|listener| listener.address);
            let target = target.or(first).context("a target")?;
            (calls.bind(target, &both)?, Some(answering), both.json)
        }
    };
    let report = Load::new(callers, answering)?.run(&stop)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
