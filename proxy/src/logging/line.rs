//! One event, one line.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Passes each event on as one line, with control characters escaped: a header value with a line
/// break cannot forge a second line, and one with a terminal escape cannot move a cursor.
#[derive(Debug)]
pub(super) struct Lines<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.0.make_writer())
    }
}

/// The writer of one event, which the subscriber hands over in one piece.
#[derive(Debug)]
pub(super) struct Line<W>(W);

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let body = event.strip_suffix(b"\n").unwrap_or(event);
        if !body.iter().any(u8::is_ascii_control) {
            return self.0.write_all(event).map(|()| event.len());
        }
        let mut escaped = Vec::with_capacity(event.len() + 16);
        for byte in body {
            match byte {
                b'\n' => escaped.extend_from_slice(b"\\n"),
                b'\r' => escaped.extend_from_slice(b"\\r"),
                b'\t' => escaped.extend_from_slice(b"\\t"),
                byte if byte.is_ascii_control() => write!(escaped, "\\x{byte:02x}")?,
                byte => escaped.push(*byte),
            }
        }
        escaped.push(b'\n');
        self.0.write_all(&escaped).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `log` logs, as text or as JSON.
    fn logged(json: bool, log: impl FnOnce()) -> String {
        let written = Written::default();
        let sink = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(Lines(move || sink.clone()));
        if json {
            let subscriber = subscriber.json().flatten_event(true).finish();
            tracing::subscriber::with_default(subscriber, log);
        } else {
            tracing::subscriber::with_default(subscriber.finish(), log);
        }
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    /// O9
    #[test]
    fn text_from_the_network_cannot_forge_a_line() {
        let value = "x\r\n2026-01-01 ERROR forged \u{1b}[2J\u{0}";
        let text = logged(false, || tracing::info!(header = %value, "seen {value}"));
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
        assert!(text.contains("x\\r\\n2026-01-01"), "{text:?}");
    }

    #[test]
    fn json_events_have_their_fields_at_the_top() {
        let line = logged(true, || {
            tracing::info!(transport = "udp", address = "127.0.0.1:5060", "listening");
        });
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["message"], "listening");
        assert_eq!(event["address"], "127.0.0.1:5060");
    }
}
