//! What else went on: in every round, in every command, and with a reason where nobody
//! tells.

use forktax::lab::run_versus;
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{
    Availability, Caveat, Cell, Document, HostCourse, HostState, Noise, Placement, WorkerSamples,
};
use forktax::report::{Format, Shown, render};

use crate::fake::{Fake, Fault, host, plan};
use crate::{Steps, carry_out, default_plan, document};

fn near(found: &Availability<f64>, share: f64) {
    let found = found.measured().unwrap();
    assert!((found - share).abs() < 1e-6, "{found} is not {share}");
}

fn noise(fault: Fault) -> Noise {
    document(fault, &default_plan()).noise.unwrap()
}

#[test]
fn each_round_is_told_and_all_together() {
    let document = document(Fault::Nothing, &default_plan());
    let noise = document.noise.unwrap();
    assert_eq!(noise.cpus, [1]);
    assert_eq!(noise.rounds.len(), document.run.rounds as usize);
    let mut took_s = 0.0;
    for span in noise.rounds.iter().chain([&noise.whole]) {
        near(&span.others_share, 0.03);
        near(&span.steal_share, 0.01);
        near(&span.cpu_pressure_share, 0.05);
        near(&span.memory_pressure_share, 0.0);
        took_s += span.duration_s;
    }
    assert!((took_s - 2.0 * document.run.duration_s).abs() < 1e-6);
    // A fork and two others from three parents: a worker for each pass, 1.5 us each.
    let delays = noise
        .rounds
        .iter()
        .map(|round| round.run_delay_ns.measured());
    let delays: Vec<u64> = delays.map(|delay| *delay.unwrap()).collect();
    assert!(delays.iter().all(|delay| *delay >= 3 * 1_500), "{delays:?}");
    let whole: u64 = delays.iter().sum();
    assert_eq!(noise.whole.run_delay_ns, Availability::Measured(whole));
    let moves = noise.whole.migrations.measured().unwrap();
    assert_eq!(1_500 * moves, whole);
    assert!(document.caveats.iter().all(|caveat| !is_noise(caveat)));
}

fn is_noise(caveat: &Caveat) -> bool {
    matches!(caveat, Caveat::CpuShared { .. } | Caveat::Stolen { .. })
}

#[test]
fn a_busy_host_is_a_caveat() {
    let document = document(Fault::HostBusy, &default_plan());
    let mut told = document.caveats.into_iter().filter(is_noise);
    let Some(Caveat::CpuShared { cpu: 1, share }) = told.next() else {
        panic!("others are not told");
    };
    assert!((share - 0.31).abs() < 1e-6, "{share}");
    let Some(Caveat::Stolen { share }) = told.next() else {
        panic!("stolen time is not told");
    };
    assert!((share - 0.03).abs() < 1e-6, "{share}");
    assert!(told.next().is_none());
}

#[test]
fn a_quota_that_is_spent_is_a_caveat() {
    let document = document(Fault::Throttled, &default_plan());
    let quota = document.noise.unwrap().cpu_quota.unwrap();
    near(&Availability::Measured(quota.cpus()), 0.1);
    assert!(
        (quota.spent_share().unwrap() - 0.9).abs() < 0.01,
        "{quota:?}"
    );
    let told = |caveat: &Caveat| {
        let said = caveat.to_string();
        said.contains("10 % of a CPU (/sys/fs/cgroup/job/cpu.max)")
            && said.contains("spent in 90 %")
            && said.contains("each takes about 10 times its CPU time")
    };
    assert!(document.caveats.iter().any(told), "{:?}", document.caveats);
}

#[test]
fn what_nobody_tells_has_its_reason_in_every_round() {
    let noise = noise(Fault::HostUntold);
    for span in noise.rounds.iter().chain([&noise.whole]) {
        let shares = [
            &span.others_share,
            &span.steal_share,
            &span.cpu_pressure_share,
            &span.memory_pressure_share,
        ];
        let counts = [&span.run_delay_ns, &span.migrations, &span.frequency_hz];
        let missing = shares.map(Availability::missing).into_iter();
        for missing in missing.chain(counts.map(Availability::missing)) {
            assert_eq!(missing.unwrap().remedy.as_deref(), Some("ask root"));
        }
    }
}

#[test]
fn a_run_that_ends_in_its_first_round_has_none_of_it() {
    let (outcome, _) = carry_out(Fault::Interrupted(3), &default_plan());
    assert_eq!(outcome.document.unwrap().noise, None);
}

#[test]
fn both_sides_of_a_run_by_turns_had_the_same() {
    let plan = plan(&[100], &[Fork, PosixSpawn]);
    let fake = Fake::new(Fault::Nothing);
    let versus = run_versus(&fake, &host(), [&plan, &plan], &mut Steps(Vec::new()));
    let [a, b] = versus.documents.unwrap();
    assert_eq!(a.noise, b.noise);
    let noise = a.noise.unwrap();
    // Two workers a round.
    for round in &noise.rounds {
        assert_eq!(round.migrations.measured(), Some(&2));
    }
}

/// The first totals of a cell's workers that are quiet, or that are not.
fn totals(cell: &Cell, is_quiet: bool) -> Vec<f64> {
    let workers = cell.samples.iter();
    let of_kind = workers.filter(|worker| worker.counts() == is_quiet);
    of_kind.map(|worker| worker.total_ns[0] as f64).collect()
}

#[test]
fn what_was_measured_in_a_spell_is_stored_and_in_no_figure() {
    let mut plan = plan(&[0, 100, 1_000], &[Fork, Vfork, PosixSpawn]);
    plan.stop.time_s = Some(30.0);
    let document = document(Fault::HostInSpells, &plan);
    let reference = document.run.reference.measured().unwrap();
    let Some(HostCourse::Spells(slow)) = reference.host else {
        panic!("{:?}", reference.host);
    };
    assert!((slow.slowdown.value - 2.0).abs() < 0.1, "{slow:?}");
    assert!((0.2..0.8).contains(&slow.share_of_visits), "{slow:?}");
    let mut left_out = 0;
    for cell in document.findings.cells() {
        let figure = cell.total_ns.measured().unwrap().median.value;
        let (quiet, slow) = (totals(cell, true), totals(cell, false));
        assert!(quiet.len() >= 3, "{quiet:?} {slow:?}");
        assert!(
            quiet
                .iter()
                .all(|total| (total / figure - 1.0).abs() < 0.05)
        );
        // Those of visits between the two may be of either.
        left_out += slow.iter().filter(|total| **total > 1.9 * figure).count();
    }
    assert!(left_out > document.findings.cells().len());
    let report = report(document);
    assert!(report.contains("the host was slow for "), "{report}");
    assert!(report.contains(" workers that the host was quiet for: the host was slow, or turned,"));
}

/// Of a few rounds some parents have fewer than three quiet workers.
#[test]
fn where_few_were_quiet_the_quickest_stand_in() {
    let mut plan = plan(&[0, 50, 100, 200, 400, 800], &[Fork, Vfork]);
    plan.stop.spawns = Some(64);
    plan.stop.time_s = None;
    let document = document(Fault::HostInSpells, &plan);
    let mut stood_in = 0;
    for cell in document.findings.cells() {
        let (taken, left) = (totals(cell, true), totals(cell, false));
        assert!(taken.len() >= 3, "{taken:?} {left:?}");
        let of = |is_it: fn(&WorkerSamples) -> bool| {
            cell.samples.iter().filter(|worker| is_it(worker)).count()
        };
        let stand_ins = of(|worker| worker.stands_in);
        if stand_ins > 0 {
            assert_eq!(of(|worker| worker.host.is_quiet()) + stand_ins, 3);
        }
        stood_in += stand_ins;
    }
    assert!(stood_in > 0);
    let report = report(document);
    assert!(
        report.contains(" more, the least surely slow and of these the quickest, stand in"),
        "{report}"
    );
}

/// How far the middle totals of a cell's workers are apart, as a logarithm.
fn range(totals: impl Iterator<Item = Vec<f64>>) -> f64 {
    let middles: Vec<f64> = totals.map(|own| own[own.len() / 2].ln()).collect();
    let [least, most] = [f64::min, f64::max].map(|of| middles.iter().copied().reduce(of));
    most.unwrap() - least.unwrap()
}

#[test]
fn what_a_host_that_wanders_did_to_a_worker_is_in_no_figure_and_in_the_samples() {
    let mut plan = plan(&[0, 100, 1_000], &[Fork, Vfork, PosixSpawn]);
    plan.stop.time_s = Some(30.0);
    let lucks = |document: &Document| -> Vec<f64> {
        let cells = document.findings.cells().iter();
        let samples = cells.flat_map(|cell| &cell.samples);
        samples.map(|worker| worker.luck).collect()
    };
    assert!(
        lucks(&document(Fault::Nothing, &plan))
            .iter()
            .all(|luck| *luck == 0.0)
    );
    let document = document(Fault::HostWanders, &plan);
    assert!(lucks(&document).iter().any(|luck| luck.abs() > 0.03));
    for cell in document.findings.cells() {
        let workers = || cell.samples.iter();
        let raw = workers().map(|own| own.total_ns.iter().map(|ns| *ns as f64).collect());
        let told = workers().map(|own| own.without_luck(WorkerSamples::totals));
        let [raw, told] = [range(raw), range(told)];
        assert!(raw > 0.08 && told < 0.7 * raw, "{raw} {told}");
    }
    let report = report(document);
    assert!(
        report.contains("figures are of the run's mean host: "),
        "{report}"
    );
}

#[test]
fn a_worker_that_shared_its_cpu_is_in_no_figure() {
    let document = document(Fault::CpuShared, &default_plan());
    let cells = document.findings.cells();
    let workers = cells.iter().flat_map(|cell| &cell.samples);
    let shared = workers.filter(|worker| worker.host == HostState::Shared);
    let all = shared.count();
    assert!(all > 3);
    let mut seen = 0;
    for cell in cells {
        let figure = cell.total_ns.measured().unwrap().median.value;
        let (quiet, shared) = (totals(cell, true), totals(cell, false));
        assert!(
            quiet
                .iter()
                .all(|total| (total / figure - 1.0).abs() < 0.05)
        );
        assert!(
            shared.iter().all(|total| *total > 2.8 * figure),
            "{shared:?}"
        );
        seen += shared.len();
    }
    assert_eq!(seen, all);
    let report = report(document);
    assert!(
        report.contains("others had the CPU for a good part of "),
        "{report}"
    );
}

/// Between CPUs of their own workers may sleep without anybody else's doing.
#[test]
fn where_workers_have_no_cpu_of_their_own_none_is_said_to_share_it() {
    let mut plan = default_plan();
    plan.placement = Placement::Free;
    let document = document(Fault::CpuShared, &plan);
    let cells = document.findings.cells().iter();
    let mut workers = cells.flat_map(|cell| &cell.samples);
    assert!(workers.all(|worker| worker.host.is_quiet()));
}

fn report(document: Document) -> String {
    let bytes = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let report = String::from_utf8(bytes).unwrap();
    report.split_whitespace().collect::<Vec<_>>().join(" ")
}
