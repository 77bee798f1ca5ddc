use std::path::PathBuf;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use sigbox_contracts::subject::{Prefix, Slug, SubjectError};

use crate::Error;

/// What was said in code; everything else comes from the environment or has a default.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) servers: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) connection: Option<ConnectOptions>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) drain_time: Option<Duration>,
}

/// Settings that can work.
pub(crate) struct Settings {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) prefix: Prefix,
    /// `None` is every tenant.
    pub(crate) tenant: Option<Slug>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) connection: ConnectOptions,
    pub(crate) concurrency: usize,
    pub(crate) drain_time: Duration,
}

pub(crate) const DEFAULT_CONCURRENCY: usize = 256;
const DEFAULT_DRAIN_TIME: Duration = Duration::from_secs(10);
const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

impl Given {
    /// Fills in what is missing. `variable` looks up an environment variable; an empty one counts as not set.
    pub(crate) fn resolve(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let or_env = |given: Option<String>, name: &str, default: &str| {
            given
                .or_else(|| variable(name))
                .unwrap_or_else(|| default.to_owned())
        };
        let prefix = or_env(self.prefix, "SIGBOX_PREFIX", "sigbox");
        let tenant = or_env(self.tenant, "SIGBOX_TENANT", "*");
        let servers = or_env(self.servers, "NATS_URL", DEFAULT_SERVER);
        if self.concurrency == Some(0) {
            return Err(setting("concurrency", "0", "must be at least 1"));
        }
        Ok(Settings {
            servers: servers
                .split(',')
                .map(|address| {
                    let address = address.trim();
                    address.parse().map_err(|error| {
                        setting("servers (NATS_URL)", &without_password(address), error)
                    })
                })
                .collect::<Result<_, _>>()?,
            prefix: Prefix::new(prefix.as_str())
                .map_err(|error| setting("prefix (SIGBOX_PREFIX)", &prefix, error))?,
            tenant: match tenant.as_str() {
                "*" => None,
                name => Some(Slug::new(name).map_err(|error: SubjectError| {
                    setting(
                        "tenant (SIGBOX_TENANT)",
                        name,
                        format!("{error}, or * for all tenants"),
                    )
                })?),
            },
            credentials: self
                .credentials
                .or_else(|| variable("NATS_CREDS").map(PathBuf::from)),
            connection: self.connection.unwrap_or_default(),
            concurrency: self.concurrency.unwrap_or(DEFAULT_CONCURRENCY),
            drain_time: self.drain_time.unwrap_or(DEFAULT_DRAIN_TIME),
        })
    }
}

fn setting(name: &'static str, value: &str, why: impl ToString) -> Error {
    Error::Setting {
        name,
        value: value.to_owned(),
        why: why.to_string(),
    }
}

/// Addresses may carry `user:password@`, and errors end up in logs.
fn without_password(address: &str) -> String {
    match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            format!("{}…{}", &address[..scheme + 3], &address[at..])
        }
        (None, Some(at)) => format!("…{}", &address[at..]),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unset(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn everything_has_a_default() {
        let settings = Given::default().resolve(unset).unwrap();
        assert_eq!(settings.servers[0].port(), 4222);
        assert_eq!(settings.prefix, Prefix::default());
        assert_eq!(settings.tenant, None);
        assert_eq!(settings.concurrency, 256);
    }

    #[test]
    fn code_wins_over_the_environment_and_the_environment_over_the_default() {
        let environment = |name: &str| {
            Some(
                match name {
                    "NATS_URL" => "nats://a:1, nats://b:2",
                    "SIGBOX_PREFIX" => "acme.voice",
                    "SIGBOX_TENANT" => "gold",
                    "NATS_CREDS" => "/etc/sigbox/decider.creds",
                    _ => "",
                }
                .to_owned(),
            )
        };
        let given = Given {
            prefix: Some("other".to_owned()),
            ..Given::default()
        };
        let settings = given.resolve(environment).unwrap();
        assert_eq!(
            settings
                .servers
                .iter()
                .map(ServerAddr::port)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(settings.prefix.as_str(), "other");
        assert_eq!(settings.tenant.unwrap().as_str(), "gold");
        assert_eq!(
            settings.credentials.unwrap(),
            PathBuf::from("/etc/sigbox/decider.creds")
        );
    }

    #[test]
    fn what_cannot_work_is_named() {
        let refused = |given: Given| given.resolve(unset).err().unwrap().to_string();
        assert_eq!(
            refused(Given {
                tenant: Some("Gold".to_owned()),
                ..Given::default()
            }),
            "tenant (SIGBOX_TENANT) \"Gold\": contains 'G'; only a-z, 0-9, _ and - may be used, or * for all tenants"
        );
        assert!(
            refused(Given {
                prefix: Some("a.*".to_owned()),
                ..Given::default()
            })
            .starts_with("prefix")
        );
        assert!(
            refused(Given {
                concurrency: Some(0),
                ..Given::default()
            })
            .starts_with("concurrency")
        );
        let address = Some("nats://user:secret@[::1".to_owned());
        let message = refused(Given {
            servers: address,
            ..Given::default()
        });
        assert!(message.starts_with("servers (NATS_URL)"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}
