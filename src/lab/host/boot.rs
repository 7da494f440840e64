//! The words of the kernel's command line that bear on what a spawn costs.
//!
//! A command line also names disks, consoles and what else a machine is told, so
//! that a word is kept only if its name stands here. What follows a lone `--` is
//! for the first process and no option of the kernel.

/// Options that change what entering the kernel costs: the answers to the CPU's
/// vulnerabilities, and features of the CPU that may be turned off.
const ENTRY: &str = "\
    mitigations pti nopti kpti spectre_v2 nospectre_v2 spectre_v2_user nospectre_v1 \
    spec_store_bypass_disable ssbd retbleed spec_rstack_overflow indirect_target_selection l1tf \
    mds tsx_async_abort mmio_stale_data gather_data_sampling reg_file_data_sampling srbds tsa \
    vmscape ibt nopcid noinvpcid clearcpuid no5lvl nosmap nosmep randomize_kstack_offset";

/// Options that change what memory costs to take, to clear, to check and to
/// account for, page tables included.
const MEMORY: &str = "\
    transparent_hugepage transparent_hugepage_shmem thp_anon init_on_alloc init_on_free \
    slab_debug slub_debug slab_nomerge slab_merge slub_nomerge page_poison page_owner \
    page_table_check debug_pagealloc hardened_usercopy kmemleak mem_encrypt numa numa_balancing \
    cgroup_disable cgroup.memory norandmaps";

/// Options that change what every process pays to security modules and to audit.
const CHECKS: &str = "\
    audit lsm security apparmor selinux enforcing tomoyo";

/// Options that change how CPUs are shared, how they sleep and wake, and the clock.
const CPUS: &str = "\
    isolcpus nohz nohz_full rcu_nocbs preempt nosmt maxcpus nr_cpus idle nohlt \
    processor.max_cstate amd_pstate intel_pstate clocksource tsc notsc highres psi schedstats \
    skew_tick";

/// Families of options, by how their names begin.
const FAMILIES: &str = "\
    intel_idle. cpuidle. cpuidle_haltpoll. cpufreq. kasan kcsan kfence. arm64. rcutree.";

/// Such words of a command line, in its order.
pub(super) fn options(line: &str) -> Vec<String> {
    let words = words(line).into_iter();
    words
        .take_while(|word| word != "--")
        .filter(|word| bears(word))
        .collect()
}

/// Words as the kernel cuts them (`next_arg()`, lib/cmdline.c): at white space that
/// stands in no quotation marks.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        quoted ^= c == '"';
        match words.last_mut() {
            Some(word) if quoted || !c.is_whitespace() => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether the kernel would take the word for an option of the lists above; to it,
/// a hyphen in a name is an underscore (`parameq()`, kernel/params.c).
fn bears(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    let name = name.trim_start_matches('"').replace('-', "_");
    let lists = [ENTRY, MEMORY, CHECKS, CPUS].into_iter();
    let mut known = lists.flat_map(str::split_whitespace);
    let mut families = FAMILIES.split_whitespace();
    known.any(|known| known == name) || families.any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_on_a_spawn_is_kept() {
        let desktop = include_str!("../../../tests/data/proc/cmdline-desktop.txt");
        let kept = options(desktop);
        assert_eq!(
            kept,
            [
                "mitigations=auto,nosmt",
                "transparent_hugepage=always",
                "init-on-alloc=1",
                "lsm=landlock,lockdown,yama,integrity,apparmor,bpf",
                "intel_idle.max_cstate=1",
                "kfence.sample_interval=100",
            ]
        );
        for private in ["root=", "UUID", "cryptdevice", "BOOT_IMAGE", "quiet"] {
            assert!(desktop.contains(private), "{private}");
            assert!(kept.iter().all(|word| !word.contains(private)), "{private}");
        }
    }

    #[test]
    fn what_follows_two_hyphens_is_for_the_first_process() {
        let guest = include_str!("../../../tests/data/proc/cmdline-guest.txt");
        assert!(guest.contains(" -- "), "{guest}");
        assert_eq!(
            options(guest),
            ["nopti", "isolcpus=\"domain, 2-3\"", "psi=1"]
        );
    }

    #[test]
    fn an_empty_line_has_no_options_and_no_line_panics() {
        assert_eq!(options(""), Vec::<String>::new());
        assert_eq!(options("\n"), Vec::<String>::new());
        assert_eq!(options("-- pti=on"), Vec::<String>::new());
        assert_eq!(options("pti=\"on off"), ["pti=\"on off"]);
        assert_eq!(options("\"lsm=a b\" = =x"), ["\"lsm=a b\""]);
        assert_eq!(options("ptix=1 xpti=1 spti"), Vec::<String>::new());
    }
}
