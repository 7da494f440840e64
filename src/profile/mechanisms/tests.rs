use super::*;

/// The chains of a capture: folded lines "side;outermost;...;leaf count".
fn dump(name: &str) -> Vec<(bool, Vec<String>, u64)> {
    std::fs::read_to_string(name)
        .unwrap()
        .lines()
        .map(|l| {
            let (s, n) = l.rsplit_once(' ').unwrap();
            let mut f = s.split(';');
            let p = f.next() == Some("parent");
            (
                p,
                f.map(|x| crate::profile::symbols::plain(x).to_owned())
                    .collect(),
                n.parse().unwrap(),
            )
        })
        .collect()
}

#[test]
fn look() {
    for case in [
        "fork-0",
        "fork-1000",
        "fork-10000",
        "posix_spawn-0",
        "posix_spawn-1000",
        "posix_spawn-10000",
    ] {
        let mut by: std::collections::BTreeMap<
            Mechanism,
            (u64, Vec<(u64, String)>, HashMap<String, u64>),
        > = Default::default();
        let mut total = 0;
        for (_, frames, n) in dump(&format!("/tmp/prof/{case}.folded")) {
            let m = if frames.is_empty() {
                Mechanism::UserMode
            } else {
                judge(frames.iter().rev().map(|f| rule_of(f)))
            };
            let e = by.entry(m).or_default();
            e.0 += n;
            total += n;
            e.1.push((n, frames.join(";")));
            *e.2.entry(frames.last().cloned().unwrap_or_default())
                .or_default() += n;
        }
        println!("=== {case} {total}");
        let mut v: Vec<_> = by.into_iter().collect();
        v.sort_by_key(|x| std::cmp::Reverse(x.1.0));
        for (m, (n, mut stacks, leaves)) in v {
            println!("{m:?} {:.1}%", n as f64 * 100.0 / total as f64);
            stacks.sort();
            stacks.reverse();
            for (n, s) in stacks.iter().take(8) {
                println!(
                    "    {n} {}",
                    s.replace("entry_SYSCALL_64_after_hwframe;do_syscall_64;", "")
                        .replace(
                            "__x64_sys_execve;do_execveat_common;bprm_execve;load_elf_binary",
                            "LEB"
                        )
                );
            }
            let mut l: Vec<_> = leaves.into_iter().collect();
            l.sort_by_key(|x| std::cmp::Reverse(x.1));
            println!("    leaves {:?}", l.iter().take(12).collect::<Vec<_>>());
        }
    }
}
