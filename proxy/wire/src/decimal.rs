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
            for (position, octet) in ip.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push(b'.');
                }
                write_decimal(octet.into(), out);
            }
        }
        IpAddr::V6(ip) => {
            // Writing into a Vec has no way to fail.
            let _ = write!(out, "{ip}");
        }
    }
}
