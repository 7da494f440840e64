//! Large folios: several pages in one piece of physical memory, which page tables map one
//! by one (admin-guide/mm/transhuge.rst). What the host's settings give is taken, and none
//! is changed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::page_size;

const SETTINGS: &str = "/sys/kernel/mm/transparent_hugepage";

/// The fewest pages of a folio of anonymous memory (mm/huge_mm.h, THP_ORDERS_ALL_ANON).
pub const SMALLEST_FOLIO: u64 = 4;

/// Whether faults in memory that asks for huge pages bring folios of so many pages: one of a
/// whole huge page, or of a size that is enabled while no larger one is but that. The settings
/// are read once for each size, as a shape has thousands of mappings.
pub fn gives_folios(pages: u64) -> bool {
    static KNOWN: Mutex<BTreeMap<u64, bool>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(pages).or_insert_with(|| {
        gives(pages, page_size() as u64, |name| {
            fs::read_to_string(format!("{SETTINGS}/{name}")).ok()
        })
    })
}

fn gives(pages: u64, page_size: u64, read: impl Fn(&str) -> Option<String>) -> bool {
    let chosen = |name: &str| {
        let text = read(name)?;
        let (_, rest) = text.split_once('[')?;
        rest.split_once(']').map(|(word, _)| word.to_owned())
    };
    let all = chosen("enabled").is_some_and(|word| word != "never");
    let enabled = |pages: u64| {
        let kib = pages * page_size / 1024;
        chosen(&format!("hugepages-{kib}kB/enabled")).map(|word| match word.as_str() {
            "never" => false,
            "inherit" => all,
            _ => true,
        })
    };
    let huge = page_size / size_of::<u64>() as u64;
    if pages == huge {
        // Before Linux 6.8 there was no setting for each size.
        return enabled(huge).unwrap_or(all);
    }
    if pages < SMALLEST_FOLIO || pages > huge {
        return false;
    }
    let mut larger = pages * 2;
    while larger < huge {
        if enabled(larger) == Some(true) {
            return false;
        }
        larger *= 2;
    }
    enabled(pages) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &[(&str, &str)], pages: u64) -> bool {
        gives(pages, 4096, |name| {
            let found = settings.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn what_the_settings_give_is_told() {
        const ASKED: &str = "always [madvise] never\n";
        const NEVER: &str = "always inherit madvise [never]\n";
        const INHERIT: &str = "always [inherit] madvise never\n";
        let plain = [("enabled", ASKED)];
        assert!(with(&plain, 512) && !with(&plain, 16) && !with(&plain, 1));
        let each = [
            ("enabled", ASKED),
            ("hugepages-2048kB/enabled", INHERIT),
            ("hugepages-64kB/enabled", INHERIT),
            ("hugepages-128kB/enabled", NEVER),
            ("hugepages-32kB/enabled", INHERIT),
        ];
        assert!(with(&each, 512) && with(&each, 16) && !with(&each, 32));
        assert!(!with(&each, 8), "a fault brings 64 KiB");
        let off = [("enabled", "always madvise [never]"), each[2]];
        assert!(!with(&off, 512) && !with(&off, 16));
        assert!(!with(&[], 512));
        assert!(!with(&each, 0) && !with(&each, 1 << 40));
    }
}
