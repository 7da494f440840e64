//! Each thing is said once and other pages link to it: so every link must lead
//! somewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// The pages of a directory.
fn pages(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(directory).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"))
}

/// The anchor that a heading gets: lower case, without punctuation, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    let letters = heading.trim_start_matches('#').trim().chars().filter(kept);
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Whether a link from a page leads to a file, and to a heading in it.
fn leads_somewhere(page: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let led_to = if file.is_empty() {
        page.to_owned()
    } else {
        page.with_file_name("").join(file)
    };
    fs::read_to_string(led_to).is_ok_and(|text| {
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        heading.is_empty() || headings.any(|line| anchor(line) == heading)
    })
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for page in pages(root).chain(pages(&root.join("docs"))) {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            assert!(leads_somewhere(&page, target), "{page:?} links to {target}");
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links seen");
}
