//! Numbers of the system in words: signals and errors of Linux.

/// Signals whose numbers are the same on all machines that Linux runs on but MIPS, Alpha,
/// SPARC and PA-RISC (signal(7)).
const SIGNALS: [(i32, &str); 19] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (19, "SIGSTOP"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (31, "SIGSYS"),
];

/// "SIGTERM (15)".
pub fn signal_name(signal: i32) -> String {
    let named = SIGNALS.iter().find(|(number, _)| *number == signal);
    let name = named.map_or("signal", |(_, name)| name);
    format!("{name} ({signal})")
}

/// "No such file or directory".
pub fn errno_words(errno: i32) -> String {
    let said = std::io::Error::from_raw_os_error(errno).to_string();
    match said.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_or_stand_for_themselves() {
        assert_eq!(signal_name(15), "SIGTERM (15)");
        assert_eq!(signal_name(64), "signal (64)");
        assert_eq!(errno_words(2), "No such file or directory");
        assert!(
            errno_words(9_999).contains("9999"),
            "{}",
            errno_words(9_999)
        );
    }
}
