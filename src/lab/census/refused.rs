//! Why the kernel lets nobody look at a process (kernel/ptrace.c, `__ptrace_may_access`;
//! security/commoncap.c, `cap_ptrace_access_check`), and what to do about it.

use std::io;

use procfs::FromRead;
use procfs::process::Status;

use crate::lab::limits::is_initial_namespace;
use crate::sys::process::kill;

const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What to do where this process was refused.
pub(super) fn remedy(pid: i32) -> String {
    let status = |of: &str| Status::from_file(format!("/proc/{of}/status")).ok();
    let both = status("self").zip(status(&pid.to_string()));
    both.map_or_else(
        || usual(pid),
        |(own, theirs)| judge(&own, &theirs, is_initial_namespace()),
    )
}

/// Whether a process is there that `/proc` does not show: it can be asked for by its number.
pub(super) fn is_hidden(pid: i32) -> bool {
    kill(pid, 0).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// What to do about that.
pub(super) fn hidden(pid: i32) -> String {
    format!(
        "/proc hides the processes of others (hidepid): {}",
        usual(pid)
    )
}

fn usual(pid: i32) -> String {
    format!("run as the owner of process {pid}, or as root")
}

fn judge(own: &Status, theirs: &Status, is_initial: bool) -> String {
    let pid = theirs.pid;
    let grant = "grant CAP_SYS_PTRACE, as \"docker run --cap-add SYS_PTRACE\" does";
    let users = [theirs.ruid, theirs.euid, theirs.suid];
    let groups = [theirs.rgid, theirs.egid, theirs.sgid];
    let is_owner =
        users.iter().all(|user| *user == own.euid) && groups.iter().all(|group| *group == own.egid);
    if own.capeff & CAP_SYS_PTRACE != 0 {
        return match is_initial {
            true => "a security module or the sandbox forbids it: look for the denial in its log"
                .to_owned(),
            false => format!(
                "the rights of this user namespace do not reach process {pid}: run outside of it"
            ),
        };
    }
    if is_owner && theirs.capprm & !own.capprm != 0 {
        return format!("process {pid} has capabilities that forktax lacks: {grant}");
    }
    if is_owner {
        return format!("process {pid} keeps others from looking (PR_SET_DUMPABLE): {grant}");
    }
    match own.euid {
        0 => format!("this root may not look at other users' processes: {grant}"),
        _ => usual(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = include_str!("../../../tests/data/proc/status-user.txt");

    fn status(user: u32, capabilities: u64) -> Status {
        let ids = format!("{user}\t{user}\t{user}\t{user}");
        let none = format!("{:016x}", 0);
        let given = format!("{capabilities:016x}");
        let text = STATUS
            .replace("65534\t65534\t65534\t65534", &ids)
            .replace(&format!("CapPrm:\t{none}"), &format!("CapPrm:\t{given}"))
            .replace(&format!("CapEff:\t{none}"), &format!("CapEff:\t{given}"));
        Status::from_read(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        const SOME: u64 = 1;
        for ((user, capabilities), (their_user, theirs), initial, said) in [
            ((1_000, 0), (1_001, 0), true, "run as the owner of process"),
            ((1_000, 0), (0, SOME), true, "run as the owner of process"),
            ((0, SOME), (1_001, 0), true, "this root may not look"),
            (
                (0, 0),
                (0, SOME),
                true,
                "has capabilities that forktax lacks",
            ),
            ((1_000, 0), (1_000, 0), true, "PR_SET_DUMPABLE"),
            ((0, CAP_SYS_PTRACE), (1_001, 0), true, "a security module"),
            (
                (0, CAP_SYS_PTRACE),
                (1_001, 0),
                false,
                "this user namespace",
            ),
        ] {
            let (own, theirs) = (status(user, capabilities), status(their_user, theirs));
            let found = judge(&own, &theirs, initial);
            assert!(found.contains(said), "{found}");
            let asks = capabilities & CAP_SYS_PTRACE == 0 && !found.starts_with("run as");
            assert_eq!(found.contains("SYS_PTRACE"), asks, "{found}");
        }
    }
}
