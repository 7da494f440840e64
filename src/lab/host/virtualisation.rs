//! Whether the host is a guest of a hypervisor, or the process in a container.
//!
//! Both are told by signs, not by proof: what is named here was seen, and
//! "none seen" says no more than that.

use procfs::CpuInfo;

use super::Files;

/// What DMI's vendor and product say, and which hypervisor that is. The first
/// match counts, so clouds precede what they are built of.
const DMI_NAMES: [(&str, &str); 12] = [
    ("amazon ec2", "Amazon EC2"),
    ("google", "Google"),
    ("digitalocean", "DigitalOcean"),
    ("openstack", "OpenStack"),
    ("vmware", "VMware"),
    ("virtualbox", "VirtualBox"),
    ("parallels", "Parallels"),
    ("microsoft corporation virtual machine", "Hyper-V"),
    ("xen", "Xen"),
    ("firecracker", "Firecracker"),
    ("kvm", "KVM"),
    ("qemu", "QEMU"),
];

/// Clock sources that only a hypervisor offers.
const CLOCKSOURCES: [(&str, &str); 3] = [
    ("kvm-clock", "KVM"),
    ("hyperv_clocksource", "Hyper-V"),
    ("xen", "Xen"),
];

/// "guest of a hypervisor (KVM), container: docker", or "none seen".
pub(super) fn describe(files: &Files<'_>, cpus: Option<&CpuInfo>) -> String {
    let mut signs = Vec::new();
    let name = hypervisor_name(files);
    if is_guest(files, cpus, name.is_some()) {
        signs.push(match name {
            Some(name) => format!("guest of a hypervisor ({name})"),
            None => "guest of a hypervisor".to_owned(),
        });
    }
    if let Some(name) = container(files) {
        signs.push(format!("container: {name}"));
    }
    if signs.is_empty() {
        "none seen".to_owned()
    } else {
        signs.join(", ")
    }
}

/// x86 has a CPUID flag for it; elsewhere a hypervisor's name is the only sign.
fn is_guest(files: &Files<'_>, cpus: Option<&CpuInfo>, named: bool) -> bool {
    if files.exists("sys/hypervisor/type") {
        // A Xen PV guest, and Xen's first domain, may lack the flag.
        return true;
    }
    match cpus.and_then(|cpus| cpus.flags(0)) {
        Some(flags) => flags.contains(&"hypervisor"),
        None => named && !is_bare_metal(files),
    }
}

/// Clouds put their name on machines without a hypervisor, too.
fn is_bare_metal(files: &Files<'_>) -> bool {
    dmi(files).contains("metal")
}

fn dmi(files: &Files<'_>) -> String {
    let word = |name: &str| files.word(&format!("sys/class/dmi/id/{name}"));
    let vendor = word("sys_vendor").unwrap_or_default();
    let product = word("product_name").unwrap_or_default();
    format!("{vendor} {product}").to_lowercase()
}

fn hypervisor_name(files: &Files<'_>) -> Option<&'static str> {
    const CLOCKSOURCE: &str = "sys/devices/system/clocksource/clocksource0/available_clocksource";
    let word = |path: &str| files.word(path).unwrap_or_default();
    let release = word("proc/sys/kernel/osrelease").to_lowercase();
    let signs: [(String, &[(&str, &'static str)]); 6] = [
        (dmi(files), &DMI_NAMES),
        (word("sys/hypervisor/type"), &[("xen", "Xen")]),
        (
            word("proc/device-tree/hypervisor/compatible"),
            &[("kvm", "KVM"), ("xen", "Xen")],
        ),
        (word(CLOCKSOURCE), &CLOCKSOURCES),
        // QEMU's "virt" machine, and what others made like it.
        (
            word("proc/device-tree/compatible"),
            &[("linux,dummy-virt", "virtual board")],
        ),
        (release, &[("microsoft", "Hyper-V, WSL")]),
    ];
    signs.iter().find_map(|(text, names)| {
        let mut names = names.iter();
        let named = names.find(|(sign, _)| text.contains(sign));
        named.map(|(_, name)| *name)
    })
}

/// The container's kind, by the most telling sign.
fn container(files: &Files<'_>) -> Option<String> {
    // systemd-nspawn, podman and LXC tell the first process in a variable.
    let variable = files.word("proc/1/environ").ok().and_then(|environ| {
        environ
            .split('\0')
            .find_map(|entry| entry.strip_prefix("container="))
            .map(str::to_owned)
    });
    let written = || files.word("run/systemd/container").ok();
    variable
        .or_else(written)
        .filter(|name| !name.is_empty())
        .or_else(|| {
            files
                .exists("run/.containerenv")
                .then(|| "podman".to_owned())
        })
        .or_else(|| files.exists(".dockerenv").then(|| "docker".to_owned()))
        .or_else(|| {
            let groups = files.word("proc/self/cgroup").ok()?;
            groups
                .lines()
                .find_map(group_of_container)
                .map(str::to_owned)
        })
}

/// The container engine that named a control group: a line of
/// `/proc/self/cgroup`, as `4:memory:/docker/4f2a`.
///
/// `docker.service` is the engine itself and not a container.
fn group_of_container(line: &str) -> Option<&'static str> {
    let path = line.splitn(3, ':').nth(2)?;
    path.split('/').find_map(|group| {
        let starts = |prefix: &str| group.starts_with(prefix);
        if group == "docker" || (starts("docker-") && group.ends_with(".scope")) {
            Some("docker")
        } else if starts("libpod-") {
            Some("podman")
        } else if starts("kubepods") {
            Some("kubernetes")
        } else if group == "lxc" || starts("lxc.payload") {
            Some("lxc")
        } else if starts("cri-containerd-") {
            Some("containerd")
        } else if starts("crio-") {
            Some("cri-o")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromRead;
    use std::fs;

    const GUEST: &str = include_str!("../../../tests/data/proc/cpuinfo-x86-guest.txt");
    const ARM: &str = include_str!("../../../tests/data/proc/cpuinfo-arm64.txt");

    fn described(cpuinfo: &str, tree: &[(&str, &str)]) -> String {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in tree {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cpus = CpuInfo::from_read(cpuinfo.as_bytes()).unwrap();
        describe(&Files { root: root.path() }, Some(&cpus))
    }

    const VENDOR: &str = "sys/class/dmi/id/sys_vendor";
    const PRODUCT: &str = "sys/class/dmi/id/product_name";

    #[test]
    fn hypervisors_are_named_by_dmi() {
        for (vendor, product, name) in [
            ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "QEMU"),
            ("Red Hat", "KVM", "KVM"),
            ("Amazon EC2", "m5.large", "Amazon EC2"),
            ("Xen", "HVM domU", "Xen"),
            ("VMware, Inc.", "VMware Virtual Platform", "VMware"),
            ("Microsoft Corporation", "Virtual Machine", "Hyper-V"),
            ("Google", "Google Compute Engine", "Google"),
        ] {
            let tree = [(VENDOR, vendor), (PRODUCT, product)];
            assert_eq!(
                described(GUEST, &tree),
                format!("guest of a hypervisor ({name})")
            );
        }
    }

    #[test]
    fn a_guest_without_dmi_is_named_by_its_clock() {
        let clock = "sys/devices/system/clocksource/clocksource0/available_clocksource";
        assert_eq!(
            described(GUEST, &[(clock, "tsc kvm-clock \n"), (".dockerenv", "")]),
            "guest of a hypervisor (KVM), container: docker"
        );
        assert_eq!(described(GUEST, &[]), "guest of a hypervisor");
    }

    #[test]
    fn x86_without_the_flag_is_no_guest_whatever_dmi_says() {
        let metal = GUEST.replace(" hypervisor ", " ");
        assert_ne!(metal, GUEST);
        let tree = [(VENDOR, "Amazon EC2"), (PRODUCT, "m5.metal")];
        assert_eq!(described(&metal, &tree), "none seen");
    }

    #[test]
    fn arm_has_no_flag_and_goes_by_the_name() {
        let guest = [(VENDOR, "Amazon EC2"), (PRODUCT, "m7g.large")];
        assert_eq!(described(ARM, &guest), "guest of a hypervisor (Amazon EC2)");
        let metal = [(VENDOR, "Amazon EC2"), (PRODUCT, "m7g.metal")];
        assert_eq!(described(ARM, &metal), "none seen");
        let tree = [("proc/device-tree/hypervisor/compatible", "linux,kvm\0")];
        assert_eq!(described(ARM, &tree), "guest of a hypervisor (KVM)");
        let tree = [("proc/device-tree/compatible", "linux,dummy-virt\0")];
        assert_eq!(
            described(ARM, &tree),
            "guest of a hypervisor (virtual board)"
        );
    }

    #[test]
    fn containers_are_told_by_several_signs() {
        for (path, text, name) in [
            (".dockerenv", "", "docker"),
            ("run/.containerenv", "", "podman"),
            (
                "run/systemd/container",
                "systemd-nspawn\n",
                "systemd-nspawn",
            ),
            ("proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
            (
                "proc/self/cgroup",
                "4:memory:/docker/4f2a\n0::/\n",
                "docker",
            ),
            (
                "proc/self/cgroup",
                "0::/system.slice/docker-4f2a.scope\n",
                "docker",
            ),
            (
                "proc/self/cgroup",
                "0::/kubepods.slice/kubepods-pod1.slice\n",
                "kubernetes",
            ),
            (
                "proc/self/cgroup",
                "0::/machine.slice/libpod-99.scope\n",
                "podman",
            ),
        ] {
            assert_eq!(
                described(ARM, &[(path, text)]),
                format!("container: {name}")
            );
        }
        let engine = [("proc/self/cgroup", "0::/system.slice/docker.service\n")];
        assert_eq!(described(ARM, &engine), "none seen");
    }
}
