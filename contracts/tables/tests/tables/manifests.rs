use sigbox_tables::{Kind, Manifest, ManifestError, Version, file};

use super::prefixes;

fn version(rows: u64) -> Version {
    let (sha256, bytes) = file::digest(&prefixes(&format!("prefix\n{rows}\n")));
    Version {
        number: 0,
        sha256,
        rows,
        bytes,
        at_ms: 0,
        by: None,
        comment: None,
    }
}

#[test]
fn versions_count_up_and_the_active_one_is_never_forgotten() {
    let mut manifest = Manifest::new();
    for rows in 1..=5 {
        assert_eq!(
            manifest.add("rates", Kind::Prefixes, version(rows), 3),
            Ok(rows)
        );
        if rows == 1 {
            assert_eq!(manifest.activate("rates", 1), Ok(true));
            manifest.revision += 1;
        }
    }
    let kept: Vec<_> = manifest.tables["rates"]
        .versions
        .iter()
        .map(|version| version.number)
        .collect();
    assert_eq!(kept, [1, 4, 5]);
    assert_eq!(manifest.tables["rates"].activated_in, 1);
    assert_eq!(manifest.activate("rates", 1), Ok(false), "it does already");
    let forgotten = manifest.activate("rates", 2);
    assert!(matches!(forgotten, Err(ManifestError::NoVersion { .. })));
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}

#[test]
fn a_table_keeps_its_kind() {
    let mut manifest = Manifest::new();
    manifest
        .add("rates", Kind::Prefixes, version(1), 3)
        .unwrap();
    let other = manifest.add("rates", Kind::Numbers, version(1), 3);
    assert!(matches!(other, Err(ManifestError::OtherKind { .. })));
}
