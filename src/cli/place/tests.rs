use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::sys::process;

fn root() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn place(path: &Path) -> Place {
    Place::open(path, FOR_ALL).unwrap()
}

fn refusal(path: &Path) -> String {
    Place::open(path, FOR_ALL).unwrap_err().to_string()
}

fn put(path: &Path, bytes: &[u8]) {
    place(path).fill(bytes).unwrap();
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_is_replaced_and_nothing_stays_beside_it() {
    let root = root();
    let path = root.path().join("shape.json");
    let new = Place::open(&path, FOR_OWNER).unwrap();
    assert_eq!(names(root.path()), 0, "looking creates nothing");
    new.fill(b"one").unwrap();
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o642)).unwrap();
    let link = root.path().join("link");
    symlink("shape.json", &link).unwrap();
    let before = path.metadata().unwrap();
    put(&link, b"other");
    let after = path.metadata().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"other");
    assert_ne!(before.ino(), after.ino(), "it was written in place");
    assert_eq!(mode(&path), 0o642);
    assert_eq!((before.uid(), before.gid()), (after.uid(), after.gid()));
    assert!(link.is_symlink());
    assert_eq!(names(root.path()), 2);
}

#[test]
fn a_file_of_two_names_stays_one() {
    let root = root();
    let [one, other] = ["one", "other"].map(|name| root.path().join(name));
    fs::write(&one, "what was there, and longer").unwrap();
    fs::hard_link(&one, &other).unwrap();
    put(&one, b"new");
    assert_eq!(fs::read(&other).unwrap(), b"new");
    assert_eq!(names(root.path()), 2);
}

#[test]
fn a_name_that_can_only_be_a_folder_s_is_refused() {
    let root = root();
    let path = root.path().join("new.json/");
    assert!(
        refusal(&path).contains("no such folder"),
        "{}",
        path.display()
    );
    assert_eq!(names(root.path()), 0);
}

#[test]
fn the_owner_stays_where_root_writes() {
    let root = root();
    let path = root.path().join("theirs");
    fs::write(&path, "").unwrap();
    if !process::is_root() || std::os::unix::fs::chown(&path, Some(12), Some(34)).is_err() {
        println!("skipped: only root gives files away");
        return;
    }
    put(&path, b"x");
    let after = path.metadata().unwrap();
    assert_eq!((after.uid(), after.gid()), (12, 34));
}

#[test]
fn a_new_file_has_the_usual_mode() {
    let root = root();
    let [usual, ours] = ["usual", "ours"].map(|name| root.path().join(name));
    fs::write(&usual, "").unwrap();
    put(&ours, b"");
    assert_eq!(mode(&ours), mode(&usual));
}

#[test]
fn a_link_to_nothing_is_filled_at_its_end_or_stays_as_it_is() {
    let root = root();
    let [link, other] = ["link", "other"].map(|name| root.path().join(name));
    fs::create_dir(root.path().join("below")).unwrap();
    symlink("other", &link).unwrap();
    symlink("below/file", &other).unwrap();
    let place = place(&link);
    assert_eq!(names(&root.path().join("below")), 0);
    place.fill(b"x").unwrap();
    assert!(link.is_symlink() && other.is_symlink());
    assert_eq!(fs::read(root.path().join("below/file")).unwrap(), b"x");

    let lost = root.path().join("lost");
    symlink("nowhere/file", &lost).unwrap();
    assert!(refusal(&lost).contains("No such file"));
    let ring = root.path().join("ring");
    symlink("ring", &ring).unwrap();
    assert!(Place::open(&ring, FOR_ALL).is_err());
    assert!(lost.is_symlink() && ring.is_symlink());
}

#[test]
fn what_cannot_be_written_to_is_refused_early() {
    let root = root();
    assert!(refusal(root.path()).contains("Is a directory"));
    assert!(refusal(&root.path().join("no/file")).contains("No such file"));
    let file = root.path().join("file");
    put(&file, b"precious");
    assert!(refusal(&file.join("below")).contains("Not a directory"));
    assert!(refusal(Path::new("")).contains("No such file"));
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    match process::is_root() {
        true => println!("skipped: root may write to everything"),
        false => assert!(refusal(&file).contains("Permission denied")),
    }
    place(Path::new("in-this-folder"));
    assert!(!Path::new("in-this-folder").exists());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn what_came_to_the_place_meanwhile_outlives_a_failure() {
    let root = root();
    let path = root.path().join("later");
    let place = place(&path);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("theirs"), "").unwrap();
    place.fill(b"ours").unwrap_err();
    assert!(path.join("theirs").exists());
    assert_eq!(names(root.path()), 1, "nothing of ours stays");
}

#[test]
fn where_nothing_can_be_created_a_file_is_written_over() {
    let root = root();
    let path = root.path().join("file");
    put(&path, b"a longer text");
    let read_only = Permissions::from_mode(0o555);
    fs::set_permissions(root.path(), read_only).unwrap();
    let new = Place::open(&root.path().join("new"), FOR_ALL);
    put(&path, b"short");
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    match process::is_root() {
        true => println!("skipped: root may create everywhere"),
        false => assert_eq!(new.unwrap_err().kind(), io::ErrorKind::PermissionDenied),
    }
    assert_eq!(fs::read(&path).unwrap(), b"short");
    overwrite(&path, b"shrt").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"shrt");
    assert!(is_barred(&io::Error::from_raw_os_error(libc::EBUSY)));
    assert!(!is_barred(&io::Error::from_raw_os_error(libc::ENOSPC)));
}

#[test]
fn a_fifo_needs_a_reader_and_is_then_filled() {
    let root = root();
    let path = root.path().join("fifo");
    mkfifo(&path);
    assert!(refusal(&path).contains("start its reader first"));
    let reading = {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let place = (0..1_000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        Place::open(&path, FOR_ALL).ok()
    });
    let place = place.expect("the reader has come");
    assert!(place.identity().is_none() && !place.is_replaced());
    // More than the pipe holds: it waits.
    let bytes = vec![b'x'; 1 << 20];
    place.fill(&bytes).unwrap();
    assert!(reading.join().unwrap() == bytes);
    assert!(path.metadata().unwrap().file_type().is_fifo());
}

#[test]
fn a_device_is_written_to_and_says_that_it_is_full() {
    put(Path::new("/dev/null"), b"x");
    let full = place(Path::new("/dev/full")).fill(b"x").unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
}

#[test]
fn a_descriptor_is_written_to_where_it_stands() {
    let root = root();
    let path = root.path().join("out");
    let mut out = File::create(&path).unwrap();
    out.write_all(b"before ").unwrap();
    let link = root.path().join("link");
    symlink(format!("/proc/self/fd/{}", out.as_raw_fd()), &link).unwrap();
    for name in ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"] {
        let path = Path::new(name).join(out.as_raw_fd().to_string());
        assert!(matches!(follow(&path).unwrap(), Target::Own(_)), "{name}");
    }
    let place = place(&link);
    assert_eq!(place.identity(), identity(&out).unwrap().as_ref());
    place.fill(b"between ").unwrap();
    out.write_all(b"after").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"before between after");
    let reader = File::open(&path).unwrap();
    let number = reader.as_raw_fd().to_string();
    refusal(&Path::new("/dev/fd").join(number));
}

#[test]
fn a_descriptor_of_another_process_is_appended_to() {
    let root = root();
    let path = root.path().join("out");
    fs::write(&path, "theirs ").unwrap();
    let out = OpenOptions::new().write(true).open(&path).unwrap();
    let mut sleep = Command::new("sleep");
    let mut child = sleep.arg("100").stdout(out).spawn().unwrap();
    let descriptor = PathBuf::from(format!("/proc/{}/fd/1", child.id()));
    let opened = Place::open(&descriptor, FOR_ALL).map(|place| place.fill(b"ours"));
    child.kill().unwrap();
    child.wait().unwrap();
    opened.unwrap().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"theirs ours");
}

#[test]
fn a_file_is_known_by_all_its_names() {
    let root = root();
    let at = |name: &str| root.path().join(name);
    put(&at("file"), b"");
    fs::hard_link(at("file"), at("hard")).unwrap();
    symlink("file", at("soft")).unwrap();
    symlink("new", at("to-new")).unwrap();
    symlink(".", at("here")).unwrap();
    let same = |a: &str, b: &str| place(&at(a)).identity() == place(&at(b)).identity();
    assert!(same("file", "hard") && same("file", "soft"));
    assert!(same("new", "to-new") && same("here/new", "./new"));
    assert!(!same("new", "other") && !same("file", "new"));
    assert!(place(Path::new("/dev/null")).identity().is_none());
}

#[test]
fn nothing_ends_a_process_between_the_file_beside_and_the_name() {
    let held_back = || {
        let status = fs::read_to_string("/proc/thread-self/status")?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        Ok(u64::from_str_radix(mask.unwrap().trim(), 16).unwrap())
    };
    let before = held_back().unwrap();
    let during = undisturbed(held_back).unwrap();
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        assert_eq!(during >> (signal - 1) & 1, 1, "{signal}");
    }
    assert_eq!(held_back().unwrap(), before);
    let failed = undisturbed(|| Err::<(), _>(io::Error::from_raw_os_error(libc::ENOSPC)));
    assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(held_back().unwrap(), before);
}
