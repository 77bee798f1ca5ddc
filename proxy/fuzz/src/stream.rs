//! Messages in a byte stream, however it was split on its way.

use sigbox_wire::{Frame, Framer, Index, Limits, Malformed, Message, Reason};

/// The first byte says how the rest, a stream, is split:
///
/// - the frames and the fault that ends them are the same as when it comes whole, and the same as
///   when it comes byte by byte;
/// - the frames cover the stream without a gap, up to what is not whole yet or at fault;
/// - each message is read by the parser as that message, or refused for something else than where
///   it ends.
pub fn stream(bytes: &[u8]) {
    let [chunk, stream @ ..] = bytes else { return };
    let limits = Limits {
        // Small enough for inputs to exceed it.
        message: 1_000,
        header: 300,
        ..Limits::default()
    };
    let whole = frames(stream, stream.len(), &limits);
    for size in [1, usize::from(*chunk).max(1)] {
        assert_eq!(frames(stream, size, &limits), whole, "in pieces of {size}");
    }
    let mut at = 0;
    for frame in &whole.0 {
        match *frame {
            Frame::Message(len) => {
                is_that_message(&stream[at..at + len], &limits);
                at += len;
            }
            Frame::Ping(len) | Frame::Crlf(len) => {
                assert_eq!(&stream[at..at + len], b"\r\n");
                at += len;
            }
            Frame::Stray(len) => {
                assert_eq!(len, 1);
                assert!(matches!(stream[at], b'\r' | b'\n'));
                at += len;
            }
            Frame::Incomplete => panic!("a frame that is none"),
        }
    }
    if whole.1.is_none() {
        assert!(
            stream.len() - at < limits.message,
            "more than the limit is kept"
        );
    }
}

fn frames(stream: &[u8], size: usize, limits: &Limits) -> (Vec<Frame>, Option<Malformed>) {
    let mut framer = Framer::new(limits);
    let (mut frames, mut taken) = (Vec::new(), 0);
    let mut there = 0;
    while there < stream.len() {
        there = (there + size).min(stream.len());
        loop {
            let taken_by = match framer.next_frame(&stream[taken..there]) {
                Ok(Frame::Incomplete) => break,
                Ok(frame) => {
                    frames.push(frame);
                    match frame {
                        Frame::Message(len)
                        | Frame::Ping(len)
                        | Frame::Crlf(len)
                        | Frame::Stray(len) => len,
                        Frame::Incomplete => 0,
                    }
                }
                Err(fault) => return (frames, Some(fault)),
            };
            assert!(taken_by > 0 && taken_by <= there - taken);
            taken += taken_by;
        }
    }
    (frames, None)
}

fn is_that_message(bytes: &[u8], limits: &Limits) {
    let mut index = Index::default();
    match index.parse(bytes, limits) {
        Ok(()) => assert_eq!(Message::new(bytes, &index).raw(), bytes),
        Err(fault) => assert!(
            matches!(
                fault.reason,
                Reason::StartLine
                    | Reason::Version
                    | Reason::Status
                    | Reason::Duplicate
                    | Reason::TooManyHeaders
                    | Reason::TooManyVias
            ),
            "{fault}: {}",
            bytes.escape_ascii()
        ),
    }
}
