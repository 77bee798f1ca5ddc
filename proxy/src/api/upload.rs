//! A request body as something a thread can read: unpacked, counted, never in memory as a whole.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use sigbox_tables::Format;
use tokio::sync::mpsc;

use super::Problem;

/// How long a sender may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// The logarithm of the largest window of a zstd frame, which is memory that an upload takes before any of its rows is
/// looked at: 32 MiB. The usual levels want 8 (RFC 8878 §3.1.1.1.2).
const MOST_WINDOW_LOG: u32 = 25;

/// Pieces that wait for the reader.
const PIECES: usize = 16;

/// How the rows of an upload are written and packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) format: Format,
    packing: Packing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Encoding {
    /// How many rows the upload may have, as far as its length says that: few have fewer bytes than these.
    pub(super) fn rows(self, headers: &HeaderMap) -> usize {
        const BYTES_A_ROW: usize = 16;
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        match (self.packing, length) {
            (Packing::Plain, Some(length)) => length / BYTES_A_ROW,
            _ => usize::MAX,
        }
    }

    /// What Content-Type and Content-Encoding say.
    ///
    /// # Errors
    /// 415 when it is something else.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name: header::HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::trim)
        };
        let unsupported = |detail: String| {
            let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Problem::new(
                status,
                "unsupported-media-type",
                "This cannot be read",
                detail,
            )
        };
        let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let Some(format) = Format::of_media_type(media_type) else {
            return Err(unsupported(format!(
                "Content-Type {media_type:?}: one of text/csv, application/x-ndjson, application/json"
            )));
        };
        let packing = match text(header::CONTENT_ENCODING)
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("" | "identity") => Packing::Plain,
            Some("gzip" | "x-gzip") => Packing::Gzip,
            Some("zstd") => Packing::Zstd,
            Some(other) => {
                return Err(unsupported(format!(
                    "Content-Encoding {other:?}: one of gzip, zstd, identity"
                )));
            }
        };
        Ok(Self { format, packing })
    }

    /// Unpacks `input`, of which and out of which come at most `max` bytes.
    pub(super) fn unpack(self, input: impl Read + 'static, max: u64) -> io::Result<Box<dyn Read>> {
        let input = Capped { input, left: max };
        let unpacked: Box<dyn Read> = match self.packing {
            Packing::Plain => return Ok(Box::new(input)),
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Packing::Zstd => {
                // Any number of frames, each with its checksum held against what came out of it.
                let mut decoder = zstd::stream::read::Decoder::new(input)?;
                decoder.window_log_max(MOST_WINDOW_LOG)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(Capped {
            input: unpacked,
            left: max,
        }))
    }
}

/// A body that arrives, for a thread that may block.
pub(super) fn reader(body: Body) -> impl Read + Send + 'static {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    tokio::spawn(async move {
        let mut pieces = body.into_data_stream();
        loop {
            let piece = match tokio::time::timeout(SILENCE, pieces.next()).await {
                Ok(None) => return,
                Ok(Some(piece)) => piece.map_err(io::Error::other),
                Err(_) => {
                    let silence = format!("nothing came for {} seconds", SILENCE.as_secs());
                    Err(io::Error::new(io::ErrorKind::TimedOut, silence))
                }
            };
            let failed = piece.is_err();
            // The reader may have had enough.
            if sender.send(piece).await.is_err() || failed {
                return;
            }
        }
    });
    Pieces {
        receiver,
        piece: Bytes::new(),
    }
}

struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let most = buffer.len().min(self.piece.len());
        self.piece
            .copy_to_slice(buffer.get_mut(..most).unwrap_or_default());
        Ok(most)
    }
}

/// Reads so much and no more.
struct Capped<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                let text = "more than `tables.max_upload_bytes`";
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
        }
        Ok(read)
    }
}
