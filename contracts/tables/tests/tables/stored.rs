use std::io::Read as _;

use sigbox_tables::Kind;
use sigbox_tables::file::{self, FileError};

use super::{lines, prefixes};

#[test]
fn what_is_stored_comes_back_and_has_its_digest_for_a_name() {
    let table = prefixes("prefix,rate\n1,a\n49,b\n4930,b\n");
    let mut stored = Vec::new();
    let (digest, bytes) = file::write(&table, &mut stored).unwrap();
    assert_eq!((digest, bytes), file::digest(&table));
    let mut text = String::new();
    flate2::read::GzDecoder::new(stored.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text.len() as u64, bytes);
    assert_eq!(text.lines().collect::<Vec<_>>(), lines(&table));
    let loaded = file::load(Kind::Prefixes, digest, stored.as_slice()).unwrap();
    assert_eq!(lines(&loaded), lines(&table));
}

#[test]
fn a_damaged_file_is_noticed() {
    let table = prefixes("prefix,rate\n1,a\n49,b\n");
    let mut stored = Vec::new();
    let (digest, _) = file::write(&table, &mut stored).unwrap();
    let cut = &stored[..stored.len() - 12];
    assert!(matches!(
        file::load(Kind::Prefixes, digest, cut),
        Err(FileError::Io(_))
    ));
    let mut other = Vec::new();
    file::write(&prefixes("prefix,rate\n1,a\n"), &mut other).unwrap();
    let swapped = file::load(Kind::Prefixes, digest, other.as_slice());
    assert!(matches!(swapped, Err(FileError::Digest { .. })));
}
