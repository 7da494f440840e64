//! What else goes on on this host: the tool keeps off a CPU that is in use, and says so.

use std::process::{Child, Command, Stdio};

use forktax::lab::linux::cpu_use;
use forktax::model::{Document, Placement};
use forktax::sys::process::allowed_cpus;

use super::forktax;

/// Uses a CPU until it is dropped.
struct Hog(Child);

impl Hog {
    /// None where nobody can be put on a CPU.
    fn on(cpu: usize) -> Option<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", &cpu.to_string(), "sh", "-c", "while :; do :; done"]);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().ok().map(Self)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What the tool said and measured, if the host left a choice before it and after it.
fn beside_a_hog(cpus: &[usize]) -> Option<(String, Document)> {
    let (last, others) = cpus.split_last()?;
    let has_choice = || {
        let seen = cpu_use(cpus)?;
        let is_free = seen
            .iter()
            .any(|seen| others.contains(&seen.cpu) && seen.share < 0.5);
        let is_used = seen
            .iter()
            .any(|seen| seen.cpu == *last && seen.share > 0.9);
        (is_free && is_used).then_some(())
    };
    let _hog = Hog::on(*last)?;
    has_choice()?;
    let output = forktax("sweep --mappings 0 --time 1s --format json")
        .output()
        .unwrap();
    has_choice()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    Some((said, serde_json::from_slice(&output.stdout).unwrap()))
}

#[test]
fn a_cpu_that_is_in_use_is_kept_off() {
    let cpus = allowed_cpus().unwrap();
    // What others do may change meanwhile.
    let mut tries = (0..3).filter_map(|_| beside_a_hog(&cpus)).peekable();
    if tries.peek().is_none() {
        println!("skipped: one CPU, no taskset, or a host that is in use throughout");
        return;
    }
    let last = cpus[cpus.len() - 1];
    let kept_off = |(said, document): (String, Document)| {
        let Placement::Pinned(cpu) = document.plan.placement else {
            panic!("it is pinned: {said}");
        };
        let noise = document.noise.unwrap();
        assert_eq!(noise.cpus, [cpu]);
        let line = format!("CPU {last} is wanted by others for ");
        cpu != last && said.contains(&line) && said.contains(&format!("CPU {cpu} is quieter"))
    };
    assert!(tries.any(kept_off));
}

#[test]
fn a_cpu_that_is_named_is_taken_as_it_is() {
    let cpus = allowed_cpus().unwrap();
    let words = format!(
        "sweep --mappings 0 --time 1s --format json --cpu {}",
        cpus[0]
    );
    let output = forktax(&words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("is wanted by others"), "{said}");
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document.plan.placement, Placement::Pinned(cpus[0]));
    let noise = document.noise.unwrap();
    // The last of them may not be whole.
    assert!(noise.rounds.len() >= usize::try_from(document.run.rounds).unwrap());
    // A worker runs for a second, or the kernel says why nobody knows what it waited.
    let delay = &noise.whole.run_delay_ns;
    assert!(delay.measured().is_some_and(|ns| *ns > 0) || delay.missing().is_some());
    for share in [&noise.whole.others_share, &noise.whole.steal_share] {
        assert!(
            share
                .measured()
                .is_none_or(|share| (0.0..=1.0).contains(share))
        );
    }
}
