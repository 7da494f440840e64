//! What each remedy asks of a program, what it risks, and how it is applied: data, in
//! the words of `docs/remedies.md`, which names the sources.

use crate::model::RemedyKind;

/// How a remedy is applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// What it asks of the program.
    pub(super) asks: &'static str,
    /// What may go wrong.
    pub(super) risk: &'static str,
    /// How, by language or program.
    pub(super) how: &'static [(&'static str, &'static str)],
}

/// The recipe of a remedy; `None` for what is none, and for several together.
pub(super) fn of(kind: RemedyKind) -> Option<Recipe> {
    Some(match kind {
        RemedyKind::PosixSpawn => POSIX_SPAWN,
        RemedyKind::Vfork => VFORK,
        RemedyKind::ForkServer => FORK_SERVER,
        RemedyKind::DontFork => DONT_FORK,
        RemedyKind::HugePages => HUGE_PAGES,
        RemedyKind::HugeHeap => HUGE_HEAP,
        RemedyKind::NoHugePages => NO_HUGE_PAGES,
        RemedyKind::FewerDescriptors => FEWER_DESCRIPTORS,
        RemedyKind::Cloexec => CLOEXEC,
        RemedyKind::CloseRange | RemedyKind::CloseRangeForEach => CLOSE_RANGE,
        RemedyKind::FewerThreads => FEWER_THREADS,
        RemedyKind::NoFilePages => NO_FILE_PAGES,
        RemedyKind::StaticTarget => STATIC_TARGET,
        RemedyKind::Usevfork => USEVFORK,
        RemedyKind::Prelink
        | RemedyKind::ChildRunsFirst
        | RemedyKind::DeferredStart
        | RemedyKind::PersistentMode
        | RemedyKind::SmallerHeap
        | RemedyKind::BestForks
        | RemedyKind::Best => return None,
    })
}

const POSIX_SPAWN: Recipe = Recipe {
    asks: "that what the child does before its exec can be said in file actions and attributes: \
           redirections, signals, process group, session, working directory (glibc 2.29), closing \
           all files from a number on (glibc 2.34)",
    risk: "little: libc gives the child a stack of its own and blocks signals meanwhile; what is \
           not among the actions, such as another user or a limit, takes a small program in between",
    how: &[
        (
            "C",
            "posix_spawn(3); since glibc 2.24, and in musl, it copies nothing of the process \
             (clone with CLONE_VM and CLONE_VFORK)",
        ),
        (
            "Python",
            "subprocess instead of os.fork: it calls vfork() since 3.10 and posix_spawn() where it \
             can (with close_fds=True, the default, since 3.13), but forks for preexec_fn, user, \
             group and extra_groups; or os.posix_spawn()",
        ),
        (
            "Rust",
            "std::process::Command does it with glibc 2.24 and with musl, unless uid, gid, groups or \
             pre_exec are set, or a PATH of the child's own must be searched: then it forks",
        ),
        (
            "Go",
            "os/exec copies nothing (CLONE_VM and CLONE_VFORK, since Go 1.9 on amd64, later \
             elsewhere), unless a user namespace is asked for",
        ),
        (
            "Java",
            "the default of ProcessBuilder since JDK 13, by a helper, jspawnhelper, that executes \
             the program; from JDK 12 on by -Djdk.lang.Process.launchMechanism=POSIX_SPAWN",
        ),
        (
            "Node",
            "child_process forks on Linux (libuv, src/unix/process.c) and has no switch for it: \
             spawn from a small helper process",
        ),
    ],
};

const VFORK: Recipe = Recipe {
    asks: "a child that does nothing but execve(2) or _exit(2): it runs in its parent's memory, and \
           the thread that called stands still until then",
    risk: "what the child writes its parent has: it must not return, nor call malloc, nor run the \
           parent's signal handlers; posix_spawn sees to all of that",
    how: &[
        (
            "C",
            "vfork(2), or clone(2) with CLONE_VM | CLONE_VFORK on a stack of the child's own, with \
             signals blocked",
        ),
        ("Python", "subprocess does it since 3.10; see posix_spawn"),
        (
            "Rust",
            "libc::vfork is deprecated as it corrupts memory; std::process::Command calls \
             posix_spawn",
        ),
        ("Go", "os/exec does it"),
        (
            "Java",
            "-Djdk.lang.Process.launchMechanism=VFORK, deprecated in JDK 25 as the child may damage \
             the JVM; keep POSIX_SPAWN",
        ),
    ],
};

const FORK_SERVER: Recipe = Recipe {
    asks: "a process that is forked while the program is small and without threads, takes orders \
           over a socket, and spawns in its place; files go there by SCM_RIGHTS (unix(7)), and it \
           waits for the children and reports their end",
    risk: "a child has what the server had when it was forked: environment, working directory, user \
           and open files are old; if the server dies, nothing is spawned",
    how: &[
        (
            "C",
            "fork early in main; AFL's fork server waits in the target itself, and servers prefork \
             their workers in the same way",
        ),
        (
            "Python",
            "multiprocessing.set_start_method('forkserver'), the default on Linux since 3.14, for \
             functions; for programs a helper started with subprocess before memory is large",
        ),
        (
            "Rust",
            "start a helper with Command early in main, before memory is large",
        ),
        ("Go", "not needed: os/exec copies nothing"),
        (
            "Node",
            "child_process.fork() of a small script early on, which spawns what it is sent",
        ),
    ],
};

const DONT_FORK: Recipe = Recipe {
    asks: "that no child touches this memory before its exec, as it is not mapped there",
    risk: "a child that touches it gets SIGSEGV, and one that goes on without an exec (a worker, a \
           snapshot) has lost it; it is for whole mappings of one's own, never for parts of malloc's",
    how: &[
        (
            "C",
            "madvise(address, length, MADV_DONTFORK); MADV_DOFORK takes it back (madvise(2))",
        ),
        (
            "Python",
            "mmap.mmap(-1, length).madvise(mmap.MADV_DONTFORK), since 3.8",
        ),
        (
            "Rust",
            "libc::madvise with MADV_DONTFORK on a mapping of one's own",
        ),
        (
            "Go",
            "unix.Madvise with MADV_DONTFORK on memory from unix.Mmap, never on the Go heap",
        ),
    ],
};

const HUGE_PAGES: Recipe = Recipe {
    asks: "memory in aligned pieces of a huge page (2 MiB on x86-64), and a kernel that gives them: \
           /sys/kernel/mm/transparent_hugepage/enabled at madvise or always",
    risk: "memory that is touched here and there is taken whole, and the kernel may stop to compact \
           memory; a write to a huge page that a child still has splits it (before Linux 5.8 it \
           copied all of it), and forks are dear again until khugepaged has joined it",
    how: &[
        (
            "C",
            "madvise(address, length, MADV_HUGEPAGE) on aligned memory; glibc's malloc: \
             GLIBC_TUNABLES=glibc.malloc.hugetlb=1 (2.35); jemalloc: MALLOC_CONF=thp:always",
        ),
        (
            "Python",
            "its arenas for small objects are smaller than a huge page (1 MiB since 3.10): \
             PYTHONMALLOC=malloc with GLIBC_TUNABLES=glibc.malloc.hugetlb=1 gives them to malloc",
        ),
        ("Rust", "as in C: the default allocator is libc's malloc"),
        (
            "Go",
            "the runtime leaves it to the host since 1.21.1: THP at always, and no \
             GODEBUG=disablethp=1",
        ),
        ("Java", "-XX:+UseTransparentHugePages"),
        (
            "Node",
            "no switch for its heap, as --use-largepages moves its code alone: THP at always",
        ),
        (
            "Redis",
            "disable-thp no in redis.conf; it is yes by default, because of the copies after a fork",
        ),
    ],
};

const HUGE_HEAP: Recipe = Recipe {
    asks: "glibc 2.35, a variable of the environment that is set before the program starts, and \
           /sys/kernel/mm/transparent_hugepage/enabled at madvise or always",
    risk: "that of huge pages: the heap grows in larger steps, and takes whole what is touched here \
           and there",
    how: &[
        (
            "C",
            "GLIBC_TUNABLES=glibc.malloc.hugetlb=1; on aarch64 the default since glibc 2.43",
        ),
        (
            "Python",
            "the same with PYTHONMALLOC=malloc, or small objects stay in Python's own arenas",
        ),
        ("Rust", "the same: the default allocator is libc's malloc"),
    ],
};

const NO_HUGE_PAGES: Recipe = Recipe {
    asks: "THP at never, as is advised for databases because of the copies after a fork",
    risk: "each huge page becomes as many PTEs as it has pages (512 on x86-64), and every fork copies \
           and frees them",
    how: &[],
};

const FEWER_DESCRIPTORS: Recipe = Recipe {
    asks: "that files and connections are held by another process than the one that spawns",
    risk: "a redesign: a fork server that was forked before the files were opened has none of them \
           either",
    how: &[(
        "C",
        "close(2) what is no longer needed; pass files on by SCM_RIGHTS (unix(7))",
    )],
};

const CLOEXEC: Recipe = Recipe {
    asks: "the flag at each open, by which the exec closes the file",
    risk: "what a child is to inherit has to be duplicated without it (dup2(2), or a file action); a \
           flag that is set after the open comes too late for a fork in between",
    how: &[
        (
            "C",
            "O_CLOEXEC, SOCK_CLOEXEC, EPOLL_CLOEXEC, pipe2(2), accept4(2), dup3(2), fopen with e",
        ),
        ("Python", "the default since 3.4 (PEP 446)"),
        ("Rust", "the default of std"),
        ("Go", "the default of os and net"),
        ("Node", "the default of libuv"),
    ],
};

const CLOSE_RANGE: Recipe = Recipe {
    asks: "Linux 5.9, and a call in the child between fork and exec",
    risk: "it closes what the child was to inherit as well",
    how: &[
        (
            "C",
            "close_range(3, ~0U, 0), glibc 2.34; with posix_spawn \
             posix_spawn_file_actions_addclosefrom_np(3)",
        ),
        ("Python", "close_fds=True of subprocess, the default"),
    ],
};

const FEWER_THREADS: Recipe = Recipe {
    asks: "that a process without these threads spawns: one that is forked before they start",
    risk: "a redesign: a fork server does the same; smaller stacks do not, as what is not touched \
           costs nothing",
    how: &[(
        "C",
        "fork the server before the first pthread_create(3); after it a child may call nothing but \
         async-signal-safe functions (fork(2))",
    )],
};

const NO_FILE_PAGES: Recipe = Recipe {
    asks: "that files which are no longer read are unmapped, or read instead of mapped",
    risk: "what is read again is faulted in again",
    how: &[(
        "C",
        "munmap(2); madvise(2) with MADV_DONTNEED keeps the mapping and gives its pages up",
    )],
};

const STATIC_TARGET: Recipe = Recipe {
    asks: "that the program which is spawned is linked statically: there is no loader, and no \
           library to map",
    risk: "a fix of a library takes a new build; glibc's name services and dlopen(3) do not work in \
           it as usual",
    how: &[
        ("C", "cc -static, or -static-pie; musl is made for it"),
        (
            "Rust",
            "--target x86_64-unknown-linux-musl, or -C target-feature=+crt-static",
        ),
        ("Go", "CGO_ENABLED=0"),
    ],
};

const USEVFORK: Recipe = Recipe {
    asks: "POSIX_SPAWN_USEVFORK in the attributes of posix_spawn",
    risk: "none and no effect since glibc 2.24, which never copies the process (posix_spawn(3))",
    how: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The page in one line, without its marks.
    fn page() -> String {
        let page = include_str!("../../../../docs/remedies.md").replace('`', "");
        page.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_page_on_remedies_says_the_same() {
        let page = page();
        let mut recipes = 0;
        for recipe in RemedyKind::ALL.into_iter().filter_map(of) {
            recipes += 1;
            let texts = recipe.how.iter().map(|(_, text)| *text);
            for text in [recipe.asks, recipe.risk].into_iter().chain(texts) {
                assert!(page.contains(text), "not on the page: {text}");
            }
        }
        assert_eq!(recipes, 15);
    }

    #[test]
    fn no_recipe_ends_like_a_sentence() {
        for recipe in RemedyKind::ALL.into_iter().filter_map(of) {
            let texts = recipe.how.iter().map(|(_, text)| *text);
            for text in [recipe.asks, recipe.risk].into_iter().chain(texts) {
                assert!(!text.ends_with('.') && !text.contains("  "), "{text}");
            }
        }
    }
}
