//! What surrounds a live process: what is foretold of its spawns is what becomes of them.
//! What must be root's, or needs a tool to be set up, is skipped aloud.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use forktax::model::{
    Caveat, Document, Findings, ProcessRole, ProcessShape, RemedyBaseline, RemedyKind,
    ShapeReservation, SpawnLimit, SpawnLimitKind, SpawnMethod,
};
use forktax::sys::process::is_root;

use super::{FORKTAX, forktax};

/// No wrapper, which would fork.
const PYTHON: &str = "/usr/bin/python3";

/// Holds what the script before it made, says what becomes of a fork and of a
/// posix_spawn, and waits.
const TRIES: &str = r#"
import errno, os, sys
def tried(spawn):
    try:
        child = spawn()
    except OSError as error:
        return errno.errorcode[error.errno]
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "succeeds"
spawned = lambda: os.posix_spawn("/bin/true", ["true"], {})
print(tried(os.fork), tried(spawned), flush=True)
sys.stdin.read()
"#;

/// A Python program that tells what becomes of its spawns, until it is dropped.
struct Spawner {
    process: Child,
    /// What its fork and its posix_spawn came to.
    said: [String; 2],
}

impl Spawner {
    /// With this done before, and this before the interpreter's command. None without a
    /// Python that can be set up so.
    fn start(around: &[&str], before: &str) -> Option<Self> {
        let script = format!("{before}\n{TRIES}");
        let words = [around, &[PYTHON, "-c", &script]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            println!("skipped: cannot run {around:?}");
            return None;
        };
        let mut line = String::new();
        let out = process.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match <[String; 2]>::try_from(words) {
            Ok(said) => Some(Self { process, said }),
            Err(_) => {
                println!("skipped: {around:?} with Python does not work here");
                let _ = process.wait();
                None
            }
        }
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }

    fn shape(&self) -> ProcessShape {
        let words = format!("shape --pid {} --format json", self.pid());
        let output = forktax(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn limit(&self, kind: SpawnLimitKind) -> Option<SpawnLimit> {
        let around = self.shape().process.surroundings.unwrap();
        around.limits.into_iter().find(|limit| limit.kind == kind)
    }

    /// What this command finds.
    fn measured(&self, command: &str) -> Document {
        measured(&format!("{command} --pid {}", self.pid()))
    }

    /// What is said in short by this command.
    fn in_short(&self, command: &str) -> String {
        let words = format!("{command} --pid {} --section in-short", self.pid());
        let output = forktax(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {said}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn measured(words: &str) -> Document {
    let output = forktax(&format!("{words} --format json -q"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Drop for Spawner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A control group of version 1 of this controller, until it is dropped.
struct Group(PathBuf);

impl Group {
    fn new(controller: &str) -> Option<Self> {
        Self::named(controller, controller)
    }

    /// One whose name ends so.
    fn named(controller: &str, end: &str) -> Option<Self> {
        // Two tests may have one at a time.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("forktax-test-{}-{number}-{end}", std::process::id());
        let path = Path::new("/sys/fs/cgroup").join(controller).join(name);
        match fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                println!("skipped: no control group at {}: {error}", path.display());
                None
            }
        }
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap();
    }

    /// What puts a command into it.
    fn enter(&self) -> String {
        format!(
            "echo $$ >'{}/cgroup.procs' && exec \"$0\" \"$@\"",
            self.0.display()
        )
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Who was in it ends a moment after it was waited for.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[test]
fn a_process_whose_mapping_is_larger_than_memory_cannot_fork() {
    let mode = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    if mode.trim() != "0" {
        return println!("skipped: vm.overcommit_memory is {}", mode.trim());
    }
    // Each is granted by itself, and the kernel makes one mapping of both.
    const BOTH: &str = r#"
import mmap
lines = [line.split() for line in open("/proc/meminfo")]
memory = sum(int(line[1]) for line in lines if line[0] in ("MemTotal:", "SwapTotal:")) << 10
half = memory * 6 // 10 & -65536
kept = [mmap.mmap(-1, half, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(2)]
"#;
    let Some(spawner) = Spawner::start(&["env"], BOTH) else {
        return;
    };
    if spawner.said != ["ENOMEM", "succeeds"] {
        return println!("skipped: two mappings are not one here: {:?}", spawner.said);
    }
    let limit = spawner.limit(SpawnLimitKind::LargestMapping).unwrap();
    assert!(limit.asked > limit.limit, "{limit:?}");
    for command in ["shape", "explain --time 1s -q", "advise --time 2s -q"] {
        let said = spawner.in_short(command);
        assert!(
            said.contains("fork from this process was to fail with ENOMEM"),
            "{said}"
        );
        assert!(said.contains("vm.overcommit_memory = 0"), "{said}");
    }
    let explained = spawner.in_short("explain --time 1s -q");
    assert!(explained.contains("Were it not refused"), "{explained}");
}

#[test]
fn what_stands_in_for_meminfo_is_not_the_memory_of_the_kernel() {
    let Some(spawner) = Spawner::start(&["env"], "") else {
        return;
    };
    let Some(told) = spawner.limit(SpawnLimitKind::LargestMapping) else {
        return println!("skipped: vm.overcommit_memory is not 0");
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("meminfo");
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let lines = meminfo.lines().map(|line| match line.split_once(':') {
        Some(("MemTotal", _)) => "MemTotal:           1024 kB\n".to_owned(),
        _ => format!("{line}\n"),
    });
    fs::write(&file, lines.collect::<String>()).unwrap();
    let around = format!(
        "mount --bind {} /proc/meminfo && exec \"$0\" \"$@\"",
        file.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &around, FORKTAX]);
    command.args(["shape", "--format", "json", "--pid"]);
    let output = command.arg(spawner.pid().to_string()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return println!("skipped: no file can be mounted over /proc/meminfo");
    };
    let shape: ProcessShape = serde_json::from_slice(&output.stdout).unwrap();
    let limits = shape.process.surroundings.unwrap().limits;
    let mut limits = limits.iter();
    let found = limits.find(|limit| limit.kind == SpawnLimitKind::LargestMapping);
    assert_eq!(found.unwrap().limit, told.limit);
}

#[test]
fn the_shape_of_a_process_in_a_group_of_an_odd_name_can_be_read_again() {
    let Some(group) = Group::named("pids", "\u{1b}[2J \\n") else {
        return;
    };
    group.set("pids.max", "9");
    let Some(spawner) = Spawner::start(&["sh", "-c", &group.enter()], "") else {
        return;
    };
    let limit = spawner.limit(SpawnLimitKind::GroupTasks).unwrap();
    assert_eq!((limit.limit, limit.used), (9, 1));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shape.json").display().to_string();
    let words = format!("shape --pid {} --export {file}", spawner.pid());
    for words in [words, format!("shape --shape {file}")] {
        let output = forktax(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}: {said}");
    }
}

#[test]
fn a_process_that_is_granted_its_forks_is_not_said_to_fail() {
    let Some(spawner) = Spawner::start(&["env"], "") else {
        return;
    };
    assert_eq!(spawner.said, ["succeeds", "succeeds"]);
    let around = spawner.shape().process.surroundings.unwrap();
    for limit in &around.limits {
        assert!(limit.asked <= limit.left(), "{limit:?}");
    }
    let host = |kind, file: &str| {
        let found = around.limits.iter().find(|limit| limit.kind == kind);
        let found = found.unwrap();
        let told: u64 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
        assert!(
            found.used > 0 && told.abs_diff(found.limit) <= 300,
            "{told}: {found:?}"
        );
    };
    host(SpawnLimitKind::HostTasks, "/proc/sys/kernel/threads-max");
    let numbers = fs::read_link("/proc/self/ns/pid").unwrap();
    if numbers.as_os_str() == "pid:[4026531836]" {
        host(SpawnLimitKind::ProcessNumbers, "/proc/sys/kernel/pid_max");
    }
    let said = spawner.in_short("shape");
    assert!(!said.contains("fail"), "{said}");
}

#[test]
fn a_full_control_group_refuses_all_methods() {
    let Some(group) = Group::new("pids") else {
        return;
    };
    group.set("pids.max", "1");
    let enter = group.enter();
    let Some(spawner) = Spawner::start(&["sh", "-c", &enter], "") else {
        return;
    };
    assert_eq!(spawner.said, ["EAGAIN", "EAGAIN"]);
    let limit = spawner.limit(SpawnLimitKind::GroupTasks).unwrap();
    assert_eq!((limit.limit, limit.used), (1, 1));
    assert_eq!(
        limit.file,
        Some(group.0.join("pids.max").display().to_string())
    );
    for command in ["shape", "explain --time 1s -q"] {
        let said = spawner.in_short(command);
        assert!(
            said.contains("was to fail with EAGAIN, by whatever method"),
            "{said}"
        );
    }
    group.set("pids.max", "2");
    let said = spawner.in_short("shape");
    assert!(!said.contains("EAGAIN"), "{said}");
    // With as much room as forktax takes while it looks, and no more.
    group.set("pids.max", "4");
    let mut command = Command::new("sh");
    command.args(["-c", &enter, FORKTAX, "shape", "--format", "json", "--pid"]);
    let output = command.arg(spawner.pid().to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let shape: ProcessShape = serde_json::from_slice(&output.stdout).unwrap();
    let limits = shape.process.surroundings.unwrap().limits;
    let mut limits = limits.iter();
    let tasks = limits.find(|limit| limit.kind == SpawnLimitKind::GroupTasks);
    assert_eq!(tasks.map(|limit| limit.used), Some(1));
}

#[test]
fn a_user_with_as_many_tasks_as_allowed_cannot_spawn() {
    if !is_root() {
        return println!("skipped: only root starts another user's process");
    }
    let user = [
        "setpriv",
        "--reuid=54322",
        "--clear-groups",
        "prlimit",
        "--nproc=1",
    ];
    let Some(spawner) = Spawner::start(&user, "") else {
        return;
    };
    if spawner.said != ["EAGAIN", "EAGAIN"] {
        return println!(
            "skipped: RLIMIT_NPROC refuses nothing here: {:?}",
            spawner.said
        );
    }
    let limit = spawner.limit(SpawnLimitKind::UserTasks).unwrap();
    assert_eq!((limit.limit, limit.used), (1, 1));
    let said = spawner.in_short("shape");
    assert!(
        said.contains("RLIMIT_NPROC of its user allowed 1"),
        "{said}"
    );
}

/// A group that may use a tenth of a CPU.
fn tenth() -> Option<Group> {
    let group = Group::new("cpu")?;
    if !group.0.join("cpu.cfs_quota_us").exists() {
        println!("skipped: this kernel has no CPU quotas");
        return None;
    }
    group.set("cpu.cfs_period_us", "100000");
    group.set("cpu.cfs_quota_us", "10000");
    Some(group)
}

#[test]
fn a_cpu_quota_of_a_process_is_told_with_what_forks_take_once_it_is_spent() {
    // A tenth of a second of CPU time: ten periods.
    const BUSY: &str = "import time\nwhile time.process_time() < 0.1: pass";
    let Some(group) = tenth() else {
        return;
    };
    let enter = group.enter();
    let Some(spawner) = Spawner::start(&["sh", "-c", &enter], BUSY) else {
        return;
    };
    let quota = spawner
        .shape()
        .process
        .surroundings
        .unwrap()
        .cpu_quota
        .unwrap();
    assert_eq!((quota.quota_us, quota.period_us), (10_000, 100_000));
    assert!(quota.throttled_periods > 0, "{quota:?}");
    for command in ["explain --time 1s -q", "advise --time 2s -q"] {
        let said = spawner.in_short(command);
        assert!(said.contains("it had 10 % of a CPU"), "{said}");
        // A period gives ten milliseconds: several forks, or on a slow host less than one.
        let several = said.contains("while enough is left");
        assert!(
            several || said.contains("more than a period gives"),
            "{said}"
        );
    }
}

#[test]
fn a_sweep_in_a_group_with_a_quota_says_so() {
    let Some(group) = tenth() else {
        return;
    };
    let words = "sweep --mappings 0 --method fork --time 2s --format json -q";
    let mut command = Command::new("sh");
    command.args(["-c", &group.enter(), FORKTAX]);
    let output = command.args(words.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    let throttled = document.caveats.iter().find_map(|caveat| match caveat {
        Caveat::Throttled { cpus, share, file } => Some((*cpus, *share, file)),
        _ => None,
    });
    let (cpus, share, file) = throttled.unwrap();
    assert!((cpus - 0.1).abs() < 1e-9 && share > 0.05, "{cpus} {share}");
    assert!(file.starts_with(&*group.0.to_string_lossy()), "{file}");
    // A run beside it, in no such group, has nothing to say.
    let document = measured("sweep --mappings 0 --spawns 5");
    let quota = document.noise.unwrap().cpu_quota;
    let file = quota.and_then(|quota| quota.file).unwrap_or_default();
    assert!(!file.starts_with(&*group.0.to_string_lossy()), "{file}");
    let named = |caveat: &Caveat| caveat.to_string().contains(&*group.0.to_string_lossy());
    assert!(!document.caveats.iter().any(named));
}

#[test]
fn children_that_close_each_number_gain_by_close_range() {
    let Some(spawner) = Spawner::start(&["prlimit", "--nofile=20000"], "") else {
        return;
    };
    let around = spawner.shape().process.surroundings.unwrap();
    assert_eq!(around.open_files, Some(20_000));
    let document = spawner.measured("advise --time 12s");
    let Findings::Advice(advice) = &document.findings else {
        panic!("it is no advice");
    };
    let mut remedies = advice.remedies.iter();
    let found = remedies.find(|remedy| remedy.kind == RemedyKind::CloseRangeForEach);
    let found = found.unwrap();
    assert!(found.applied_to.contains("20,000"), "{found:?}");
    let outcome = found.outcome.measured().unwrap();
    assert_eq!(outcome.against, RemedyBaseline::ClosingEach);
    assert!(outcome.ratio.value < 0.9, "{outcome:?}");
}

/// Installs what is in `steps`, in as many filters as are in `count`.
const FILTERS: &str = r#"
import ctypes, os, struct, sys
code = b"".join(struct.pack("HBBI", *step) for step in steps)
kept = ctypes.create_string_buffer(code, len(code))
program = ctypes.c_char_p(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(kept)))
libc = ctypes.CDLL(None)
if libc.prctl(38, 1, 0, 0, 0) or any(libc.prctl(22, 2, program, 0, 0) for _ in range(count)):
    sys.exit(1)
"#;
/// Eight long ones.
const EIGHT: &str = r#"
steps = [(0x20, 0, 0, 16)] + [(0x15, 0, 0, step) for step in range(2998)] + [(0x06, 0, 0, 0x7FFF0000)]
count = 8
"#;
/// One for which there is no close_range.
const NO_CLOSE_RANGE: &str = r#"
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, 436), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7FFF0000)]
count = 1
"#;

/// forktax below these filters.
fn filtered(steps: &str, words: &str) -> std::process::Output {
    let exec = "os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new(PYTHON);
    command.args(["-c", &format!("{steps}{FILTERS}{exec}"), FORKTAX]);
    command.args(words.split(' ')).output().unwrap()
}

#[test]
fn filters_beside_those_of_forktax_are_told_to_be_too_many() {
    let before = Spawner::start(&["env"], &format!("{EIGHT}{FILTERS}"));
    let Some(spawner) = before else {
        return;
    };
    let around = spawner.shape().process.surroundings.unwrap();
    if around.seccomp_filters.is_none() {
        return println!("skipped: before Linux 5.9 nobody counts filters");
    }
    let words = format!(
        "explain --time 1s -q --section caveats --pid {}",
        spawner.pid()
    );
    let output = filtered(EIGHT, &words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("those that forktax has itself"), "{text}");
}

#[test]
fn an_advice_where_there_is_no_close_range_says_so() {
    let words = "advise --mappings 10 --fds 50 --time 2s -q --format json";
    let output = filtered(NO_CLOSE_RANGE, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    let Findings::Advice(advice) = &document.findings else {
        panic!("it is no advice");
    };
    let mut remedies = advice.remedies.iter();
    let found = remedies.find(|remedy| remedy.kind == RemedyKind::CloseRange);
    let why = found.unwrap().outcome.missing().unwrap();
    assert!(why.reason.contains("close_range(2)"), "{why:?}");
}

#[test]
fn filters_are_counted_and_as_many_make_a_fork_dearer() {
    let before = Spawner::start(&["env"], "");
    let already = before.and_then(|plain| plain.shape().process.surroundings?.seccomp_filters);
    let Some(spawner) = Spawner::start(&["env"], &format!("{EIGHT}{FILTERS}")) else {
        return;
    };
    let told = spawner
        .shape()
        .process
        .surroundings
        .unwrap()
        .seccomp_filters;
    let Some(count) = told else {
        return println!("skipped: before Linux 5.9 nobody counts filters");
    };
    assert_eq!(Some(count - 8), already);
    let document = spawner.measured("explain --time 4s");
    let total = |role| {
        let trials = &document.findings.replica().unwrap().trials;
        let trial = trials.iter().find(|trial| trial.role == role).unwrap();
        let mut cells = trial.cells.iter();
        let fork = cells.find(|cell| cell.method == SpawnMethod::Fork).unwrap();
        fork.total_ns.measured().unwrap().median.value
    };
    let [with, without] = [ProcessRole::Filtered, ProcessRole::Whole].map(total);
    println!("with filters {with} ns, without {without} ns");
    assert!(with > without, "{with} {without}");
    let words = format!(
        "explain --time 2s -q --section caveats --pid {}",
        spawner.pid()
    );
    let output = forktax(&words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("seccomp filters, whose length only a tracer sees"),
        "{text}"
    );
}

fn has(shape: &ProcessShape, reservation: ShapeReservation) -> bool {
    shape.process.reservations.contains(&reservation)
}

#[test]
fn a_process_in_other_namespaces_is_explained_and_that_is_said() {
    for around in [&["unshare", "-m"][..], &["unshare", "-U"]] {
        let Some(spawner) = Spawner::start(around, "") else {
            continue;
        };
        assert!(has(&spawner.shape(), ShapeReservation::OtherNamespaces));
        let said = spawner.in_short("explain --time 1s -q");
        assert!(said.contains("A fork of its shape"), "{said}");
        if around.contains(&"-U") {
            // They are counted in there.
            assert_eq!(spawner.limit(SpawnLimitKind::UserTasks), None);
        }
    }
    if let Some(spawner) = Spawner::start(&["env"], "") {
        assert!(!has(&spawner.shape(), ShapeReservation::OtherNamespaces));
    }
}

/// A program of 32 bits for x86 that pauses for ever.
fn of_32_bits() -> Vec<u8> {
    const AT: u32 = 0x0804_8000;
    // mov $29, %eax; int $0x80; jmp to the first
    let code = [0xb8, 0x1d, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let size = u32::try_from(52 + 32 + code.len()).unwrap();
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 3, 0]);
    for word in [1, AT + 84, 52, 0, 0] {
        file.extend(u32::to_le_bytes(word));
    }
    for half in [52, 32, 1, 0, 0, 0] {
        file.extend(u16::to_le_bytes(half));
    }
    for word in [1, 0, AT, AT, size, size, 5, 0x1000] {
        file.extend(u32::to_le_bytes(word));
    }
    file.extend(code);
    file
}

#[test]
fn a_32_bit_program_is_explained_and_its_entry_is_not() {
    if cfg!(not(target_arch = "x86_64")) {
        return println!("skipped: the program is one for x86");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pauses");
    fs::write(&path, of_32_bits()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let Ok(mut process) = Command::new(&path).spawn() else {
        return println!("skipped: this kernel runs no 32-bit programs");
    };
    let document = measured(&format!("explain --time 1s --pid {}", process.id()));
    let shape = &document.plan.order.replica().unwrap().shape;
    let is_told = has(shape, ShapeReservation::ThirtyTwoBits);
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(is_told, "{:?}", shape.process.reservations);
}
