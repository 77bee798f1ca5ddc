//! Numbers and addresses as text. They stand in every message, where `std::fmt` is slow.

use std::io::Write;
use std::net::IpAddr;

/// Appends `number` in decimal digits.
pub fn write_decimal(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address as its `Display` writes it: without brackets.
pub(crate) fn write_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            let (mut text, mut len) = ([b'.'; 16], 0);
            for octet in ip.octets() {
                for (place, least) in [(100, 100), (10, 10), (1, 0)] {
                    if octet >= least {
                        text[len] = b'0' + octet / place % 10;
                        len += 1;
                    }
                }
                // The dot behind it is there already.
                len += 1;
            }
            out.extend_from_slice(&text[..len - 1]);
        }
        IpAddr::V6(ip) => {
            // Writing into a Vec has no way to fail.
            let _ = write!(out, "{ip}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::write_ip;

    proptest! {
        #[test]
        fn an_address_is_written_as_std_writes_it(ip in any::<IpAddr>()) {
            let mut out = Vec::new();
            write_ip(ip, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), ip.to_string());
        }
    }
}
