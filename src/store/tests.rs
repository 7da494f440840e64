use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;
use crate::model::{Availability, Findings, HostFact, SCHEMA_VERSION};

/// What stands for a card here: any sweep, as the store does not care.
fn is_sweep(document: &Document) -> bool {
    matches!(document.findings, Findings::Sweep { .. })
}

/// A store in a directory that does not exist yet.
fn store(home: &tempfile::TempDir) -> Store {
    Store::below(None, Some(home.path().into()), owner(home.path()), is_sweep).unwrap()
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).unwrap().uid()
}

fn stored(name: &str) -> Document {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    match report::parse(fs::File::open(path).unwrap()).unwrap() {
        Stored::Run(document) => *document,
        Stored::Comparison(_) => panic!("{name} is a comparison"),
    }
}

fn card() -> Document {
    stored("sweep-exit")
}

fn known(text: &str) -> Availability<String> {
    Availability::Measured(text.to_owned())
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_place_is_the_users_cache() {
    let below = |cache: Option<&str>, home: Option<&str>| {
        let store = Store::below(cache.map(Into::into), home.map(Into::into), 0, is_sweep);
        store.map(|store| store.directory)
    };
    assert_eq!(
        below(Some("/c"), Some("/h")).unwrap(),
        Path::new("/c/forktax")
    );
    for ignored in [None, Some(""), Some("c"), Some("./c")] {
        let place = below(ignored, Some("/h")).unwrap();
        assert_eq!(place, Path::new("/h/.cache/forktax"), "{ignored:?}");
    }
    for nowhere in [None, Some(""), Some("h")] {
        let refusal = below(None, nowhere).unwrap_err().to_string();
        assert!(refusal.contains("XDG_CACHE_HOME"), "{refusal}");
        assert!(refusal.contains("export the card"), "{refusal}");
    }
}

#[test]
fn what_is_kept_is_found_again_and_for_this_user_alone() {
    let home = home();
    let (store, card) = (store(&home), card());
    let path = store.save(&card).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path) & 0o177, 0);
    assert_eq!(mode(&store.directory) & 0o077, 0);
    let found = store.find(&card.host);
    let said = found.to_string();
    let expected = Found::Found {
        path: path.clone(),
        document: Box::new(card.clone()),
    };
    assert_eq!(found, expected);
    assert!(
        said.contains("is of this host, measured 2026-11-29"),
        "{said}"
    );
    let left = fs::read_dir(&store.directory).unwrap().count();
    assert_eq!(left, 1, "nothing else is left behind");
    let newer = Document {
        run: crate::model::Run {
            started_unix_s: card.run.started_unix_s + 60,
            ..card.run.clone()
        },
        ..card
    };
    assert_eq!(store.save(&newer).unwrap(), path);
    assert!(matches!(store.find(&newer.host), Found::Found { document, .. } if *document == newer));
}

#[test]
fn what_bears_on_nothing_does_not_hide_a_card() {
    let home = home();
    let (store, card) = (store(&home), card());
    store.save(&card).unwrap();
    let mut host = card.host.clone();
    host.privileged = !host.privileged;
    host.clock_cost_ns += 1.0;
    assert!(matches!(store.find(&host), Found::Found { .. }));
}

#[test]
fn a_card_of_another_kernel_is_stale_and_the_newest_is_named() {
    let home = home();
    let (store, mut card) = (store(&home), card());
    for (kernel, age) in [("6.1.0", 100), ("6.2.0", 300), ("6.3.0", 200)] {
        card.host.kernel = kernel.to_owned();
        card.run.started_unix_s = age;
        store.save(&card).unwrap();
    }
    let mut host = card.host;
    host.kernel = "6.18.0".to_owned();
    host.thp = known("always");
    let found = store.find(&host);
    let Found::Stale {
        why: Outdated::Host(changed),
        ..
    } = &found
    else {
        panic!("{found:?}");
    };
    let facts: Vec<HostFact> = changed.iter().map(|d| d.fact).collect();
    assert_eq!(facts, [HostFact::Kernel, HostFact::Thp]);
    let said = found.to_string();
    assert!(
        said.contains("is of Linux 6.2.0, this host runs 6.18.0; is of"),
        "{said}"
    );
    assert!(said.ends_with("measure again with forktax card"), "{said}");
}

#[test]
fn a_card_of_this_machine_goes_before_a_newer_one_of_another() {
    let home = home();
    let (store, card) = (store(&home), card());
    let mut own = card.clone();
    own.host.kernel = "6.1.0".to_owned();
    let mut other = card.clone();
    other.host.machine = known("ffffffffffffffff");
    other.run.started_unix_s += 1_000;
    let foreign = store.save(&other).unwrap();
    let found = store.find(&card.host);
    let said = found.to_string();
    assert!(matches!(found, Found::Foreign { path, .. } if path == foreign));
    assert!(
        said.contains("another machine (Linux 6.18.44 x86_64, Intel(R) Xeon(R) Processor, 2 CPUs)"),
        "{said}"
    );
    let stale = store.save(&own).unwrap();
    assert!(matches!(store.find(&card.host), Found::Stale { path, .. } if path == stale));
}

#[test]
fn a_card_that_was_copied_under_our_name_is_not_ours() {
    let home = home();
    let (store, card) = (store(&home), card());
    let mut other = card.clone();
    other.host.machine = known("ffffffffffffffff");
    let path = store.save(&other).unwrap();
    fs::rename(&path, store.place(&card.host)).unwrap();
    assert!(matches!(store.find(&card.host), Found::Foreign { host, .. } if *host == other.host));
    let mut edited = card.clone();
    edited.host.cores = 64;
    let path = store.save(&edited).unwrap();
    fs::rename(&path, store.place(&card.host)).unwrap();
    assert!(matches!(
        store.find(&card.host),
        Found::Stale { why: Outdated::Host(changed), .. } if changed[0].fact == HostFact::Cores
    ));
}

#[test]
fn an_empty_store_and_none_have_no_card() {
    let home = home();
    let store = store(&home);
    let said = store.find(&card().host).to_string();
    assert!(said.starts_with("no card is stored in "), "{said}");
    assert!(said.ends_with("measure one with forktax card"), "{said}");
    assert!(!store.directory.exists(), "looking creates nothing");
}

#[test]
fn what_is_no_card_is_told_and_never_followed() {
    let home = home();
    let (store, card) = (store(&home), card());
    let place = store.save(&card).unwrap();
    let elsewhere = home.path().join("elsewhere.json");
    fs::rename(&place, &elsewhere).unwrap();
    let said = || store.find(&card.host).to_string();

    symlink(&elsewhere, &place).unwrap();
    assert!(said().contains("it is a symbolic link"), "{}", said());
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    assert!(said().contains("it is no regular file"), "{}", said());
    fs::remove_dir(&place).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(&place).status();
    if fifo.is_ok_and(|status| status.success()) {
        assert!(said().contains("it is no regular file"), "{}", said());
        fs::remove_file(&place).unwrap();
    }
    fs::write(&place, "{ \"schema_version\": 1").unwrap();
    assert!(said().contains("broken JSON"), "{}", said());
    fs::write(
        &place,
        report::render(&stored("explain").into(), Format::Json, &Shown::default()).unwrap(),
    )
    .unwrap();
    assert!(said().contains("it holds no card"), "{}", said());
    fs::write(
        &place,
        format!("{{\"schema_version\": {}}}", SCHEMA_VERSION + 1),
    )
    .unwrap();
    assert!(said().contains("has schema version"), "{}", said());
    assert_eq!(
        store.save(&card).unwrap(),
        place,
        "what was there is replaced"
    );
    assert!(matches!(store.find(&card.host), Found::Found { .. }));
}

#[test]
fn broken_files_do_not_hide_a_card_in_another_state() {
    let home = home();
    let (store, card) = (store(&home), card());
    let mut older = card.clone();
    older.host.kernel = "6.1.0".to_owned();
    store.save(&older).unwrap();
    fs::write(store.directory.join("card-zz.json"), "[").unwrap();
    symlink("/dev/zero", store.directory.join("card-0.json")).unwrap();
    fs::write(store.directory.join("notes.txt"), "").unwrap();
    assert!(matches!(store.find(&card.host), Found::Stale { .. }));
}

#[test]
fn only_cards_are_kept_and_a_place_that_is_barred_is_named() {
    let home = home();
    let store = store(&home);
    let refusal = store.save(&stored("explain")).unwrap_err();
    assert!(matches!(refusal, StoreError::NoCard));
    fs::write(home.path().join(".cache"), "").unwrap();
    let refusal = store.save(&card()).unwrap_err().to_string();
    assert!(refusal.contains("cannot keep the card as"), "{refusal}");
    assert!(refusal.contains("set XDG_CACHE_HOME"), "{refusal}");
}

#[test]
fn many_may_keep_a_card_at_once() {
    let home = home();
    let (store, card) = (store(&home), card());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    store.save(&card).unwrap();
                    assert!(matches!(store.find(&card.host), Found::Found { .. }));
                }
            });
        }
    });
    assert_eq!(fs::read_dir(&store.directory).unwrap().count(), 1);
}

/// Why the one card of a store is not believed.
fn disbelief(store: &Store, host: &Host) -> String {
    match store.find(host) {
        Found::Unreadable { why, .. } => why,
        found => panic!("{found:?}"),
    }
}

#[test]
fn what_others_may_have_written_is_not_believed() {
    let home = home();
    let (mut store, card) = (store(&home), card());
    let path = store.save(&card).unwrap();
    let host = &card.host;
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for mode in [0o602, 0o620] {
        allow(&path, mode);
        assert_eq!(disbelief(&store, host), "others may write to it");
    }
    allow(&path, 0o600);
    // Where files are the user's own, it is of no matter who else may add some.
    allow(&store.directory, 0o777);
    assert!(matches!(store.find(host), Found::Found { .. }));
    let own = owner(&path);
    if own == 0 {
        // Root's files are believed, and root's directories that are root's alone.
        store.user = 12_345;
        assert_eq!(disbelief(&store, host), "others may write to its directory");
        allow(&store.directory, 0o755);
        assert!(matches!(store.find(host), Found::Found { .. }));
        chown(&path, Some(54_321), None).unwrap();
    } else {
        store.user = own + 1;
    }
    let stranger = owner(&path);
    assert_eq!(
        disbelief(&store, host),
        format!("it belongs to user {stranger}, who is neither this one nor root")
    );
    if own == 0 {
        chown(&path, Some(0), None).unwrap();
        chown(&store.directory, Some(54_321), None).unwrap();
    }
    let said = store.find(host).to_string();
    assert!(
        said.contains(&format!("belongs to user {stranger}")),
        "{said}"
    );
    let refused = store.save(&card).unwrap_err().to_string();
    assert!(
        refused.contains("its directory belongs to user"),
        "{refused}"
    );
}
