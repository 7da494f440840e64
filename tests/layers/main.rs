//! The walls of the house, as tests: who may import whom, where `unsafe` may
//! stand, who may print, and behind which door a dependency stays.
//!
//! The sources are read as text, so that the check needs no compiler and sees
//! code of every configuration. Comments and strings do not count.

mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// Every Rust file below a directory.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the sources can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn the_walls_stand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<Source> = rust_files(&root.join("src"))
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            Source::read(name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(sources.len() > 10, "only {} sources found", sources.len());
    let breaches = rules::breaches(&sources);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}
