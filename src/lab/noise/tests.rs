use super::counts::{CpuUse, frequency_hz, migrations, pressure, run_delay_ns, used};
use super::*;

const GUEST: &str = include_str!("../../../tests/data/proc/stat-guest.txt");

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_times_of_cpus_are_added_up() {
    let one = CpuTimes::of(GUEST, &[1]).unwrap();
    assert_eq!(one.idle, ms(10 * (9_642 + 170)));
    assert_eq!(one.stolen, Ok(ms(3_020)));
    let all = 88_818 + 78_416 + 46_233 + 9_642 + 170 + 158 + 302;
    assert_eq!(one.all, ms(10 * all));
    let two = CpuTimes::of(GUEST, &[0, 1]).unwrap();
    assert_eq!(two.idle, ms(10 * (10_645 + 22 + 9_642 + 170)));
    for cpus in [&[2][..], &[0, 12], &[]] {
        assert!(CpuTimes::of(GUEST, cpus).is_err(), "{cpus:?}");
    }
}

#[test]
fn a_kernel_without_steal_time_says_so_and_the_rest_is_told() {
    let times = CpuTimes::of("cpu  9 9 9 9\ncpu0 1 2 3 40 5 6 7\n", &[0]).unwrap();
    assert_eq!(times.idle, ms(450));
    let missing = times.stolen.unwrap_err();
    assert!(missing.reason.contains("no steal time"), "{missing:?}");
    assert!(CpuTimes::of("cpu0 1 2 3\n", &[0]).is_err());
    assert!(CpuTimes::of("cpu0 1 2 x 4 5 6 7 8\n", &[0]).is_err());
}

#[test]
fn a_cpu_is_used_as_far_as_it_was_not_idle() {
    let before = "cpu0 10 0 0 100 0 0 0 0\ncpu3 0 0 0 200 0 0 0 0\n";
    let after = "cpu0 15 0 1 112 2 0 0 0\ncpu3 0 0 0 220 0 0 0 0\n";
    let found = used([before, after], &[0, 3], ms(200)).unwrap();
    let [busy, idle] = [(0, 0.3), (3, 0.0)].map(|(cpu, share)| CpuUse { cpu, share });
    assert_eq!(found[1], idle);
    assert!((found[0].share - busy.share).abs() < 1e-9, "{found:?}");
    assert_eq!(used([before, after], &[0, 1], ms(200)), None, "not told");
    assert_eq!(used([before, before], &[0], ms(200)), None, "stands still");
}

#[test]
fn pressure_is_the_total_of_some() {
    let since_5_13 = "some avg10=98.70 avg60=98.95 avg300=98.42 total=2032644143\n\
                      full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    assert_eq!(
        pressure(since_5_13),
        Some(Duration::from_micros(2_032_644_143))
    );
    let before = "some avg10=0.00 avg60=0.00 avg300=0.00 total=17\n";
    assert_eq!(pressure(before), Some(Duration::from_micros(17)));
    for text in [
        "",
        "full avg10=0.00 total=3\n",
        "some avg10=0.00\n",
        "some total=x\n",
    ] {
        assert_eq!(pressure(text), None, "{text:?}");
    }
}

#[test]
fn a_task_that_never_ran_is_one_of_a_kernel_without_accounts() {
    assert_eq!(run_delay_ns("2206915 1734852 9\n"), Some(1_734_852));
    assert_eq!(run_delay_ns("0 0 1\n"), Some(0));
    assert_eq!(run_delay_ns("0 0 0\n"), None);
    assert_eq!(run_delay_ns("1 2\n"), None);
    assert_eq!(run_delay_ns("one two three\n"), None);
}

#[test]
fn migrations_have_a_line_of_their_own() {
    let sched = "cat (11181, #threads: 1)\n\
         -------------------------------------------------------------------\n\
         se.exec_start                                :       2236485.660515\n\
         se.nr_migrations                             :                    3\n\
         nr_switches                                  :                    1\n\
         numa_pages_migrated                          :                    0\n";
    assert_eq!(migrations(sched), Some(3));
    assert_eq!(migrations("nr_switches : 1\n"), None);
}

#[test]
fn a_frequency_is_told_in_kilohertz() {
    assert_eq!(frequency_hz("2400000\n"), Some(2_400_000_000));
    assert_eq!(frequency_hz("<unknown>\n"), None);
}

/// Of two CPUs: nothing is known but their times and the run's own.
fn reading(at: u64, idle: u64, stolen: u64, own: u64) -> Reading {
    let none = || Missing::unavailable("not here", None);
    Reading {
        at: ms(at),
        cpus: vec![2, 3],
        times: Ok(CpuTimes {
            all: ms(2 * at),
            idle: ms(idle),
            stolen: Ok(ms(stolen)),
        }),
        own: ms(own),
        cpu_pressure: Err(none()),
        memory_pressure: Err(none()),
        frequency_hz: Err(none()),
        cpu_quotas: Vec::new(),
    }
}

fn spans(readings: &[Reading]) -> Noise {
    let mut log = NoiseLog::default();
    log.begin(readings[0].clone());
    for reading in &readings[1..] {
        log.round_ends(reading.clone());
    }
    log.noise().unwrap()
}

fn others(span: &NoiseSpan) -> f64 {
    *span.others_share.measured().unwrap()
}

#[test]
fn others_have_what_is_neither_idle_nor_stolen_nor_the_runs() {
    let noise = spans(&[
        reading(1_000, 500, 0, 700),
        reading(2_000, 1_500, 100, 1_200),
        reading(3_000, 2_500, 100, 2_300),
    ]);
    assert_eq!(noise.cpus, [2, 3]);
    // Of 2 s: 1 idle, 0.1 stolen, 0.5 the run's.
    assert!((others(&noise.rounds[0]) - 0.2).abs() < 1e-9);
    assert_eq!(noise.rounds[0].steal_share, Availability::Measured(0.05));
    // More than there is, as CPU time of a worker's start on another CPU may make it.
    assert_eq!(others(&noise.rounds[1]), 0.0);
    // What was too much in one round is not lost for the whole.
    assert!((others(&noise.whole) - 0.075).abs() < 1e-9);
    assert_eq!(noise.whole.duration_s, 2.0);
}

#[test]
fn what_a_worker_had_of_other_cpus_is_not_the_runs_on_these() {
    let mut log = NoiseLog::default();
    log.begin(reading(0, 0, 0, 0));
    log.worker(Waiting {
        run_delay_ns: Ok(0),
        migrations: Ok(0),
        elsewhere: ms(300),
    });
    // Of 2 s: 1 idle, 0.8 of the run's own, of which 0.3 elsewhere.
    log.round_ends(reading(1_000, 1_000, 0, 800));
    let noise = log.noise().unwrap();
    assert!((others(&noise.whole) - 0.25).abs() < 1e-9);
}

#[test]
fn a_round_that_is_too_short_is_told_by_the_whole_run() {
    let rounds: Vec<Reading> = (0..=5).map(|n| reading(100 * n, 0, 0, 150 * n)).collect();
    let noise = spans(&rounds);
    for round in &noise.rounds {
        let missing = round.others_share.missing().unwrap();
        assert!(missing.reason.contains("too short"), "{missing:?}");
        assert!(round.steal_share.missing().is_some());
    }
    assert!((others(&noise.whole) - 0.25).abs() < 1e-9);
}

#[test]
fn times_that_stand_still_are_none() {
    let still = |at| Reading {
        times: reading(0, 0, 0, 0).times,
        ..reading(at, 0, 0, 0)
    };
    let noise = spans(&[still(0), still(1_000)]);
    let missing = noise.whole.others_share.missing().unwrap();
    assert!(missing.reason.contains("stand still"), "{missing:?}");
}

#[test]
fn workers_are_of_the_round_in_which_they_end() {
    let waiting = |ns| Waiting {
        run_delay_ns: Ok(ns),
        migrations: Err(Missing::unavailable("no account", None)),
        elsewhere: Duration::ZERO,
    };
    let mut log = NoiseLog::default();
    log.begin(reading(0, 0, 0, 0));
    log.worker(waiting(3));
    log.worker(waiting(4));
    log.round_ends(reading(1_000, 0, 0, 0));
    log.round_ends(reading(2_000, 0, 0, 0));
    // Rounds of another stage, after a pause that is in no round.
    log.begin(reading(9_000, 0, 0, 0));
    log.worker(waiting(5));
    log.round_ends(reading(9_600, 0, 0, 0));
    let noise = log.noise().unwrap();
    let delays = noise
        .rounds
        .iter()
        .map(|round| round.run_delay_ns.measured());
    let delays: Vec<Option<&u64>> = delays.collect();
    assert_eq!(delays, [Some(&7), None, Some(&5)]);
    assert_eq!(noise.whole.run_delay_ns, Availability::Measured(12));
    assert!(noise.whole.migrations.missing().is_some());
    assert_eq!(noise.whole.duration_s, 2.6);
}

#[test]
fn of_a_quota_the_periods_of_the_run_are_counted() {
    let quota = |periods, throttled_periods| CpuQuota {
        quota_us: 10_000,
        period_us: 100_000,
        file: None,
        periods,
        throttled_periods,
    };
    let read = |at, periods, throttled| Reading {
        cpu_quotas: vec![quota(periods, throttled)],
        ..reading(at, 0, 0, 0)
    };
    let all = [read(0, 50, 9), read(1_000, 60, 17), read(2_000, 70, 24)];
    assert_eq!(spans(&all).cpu_quota, Some(quota(20, 15)));
    // A tighter one that is not spent is not the one that has tasks wait.
    let tight = |periods| CpuQuota {
        quota_us: 5_000,
        file: Some("below".to_owned()),
        ..quota(periods, 0)
    };
    let beside = |mut reading: Reading, periods| {
        reading.cpu_quotas.insert(0, tight(periods));
        reading
    };
    let [first, _, last] = all;
    let noise = spans(&[beside(first, 3), beside(last, 9)]);
    assert_eq!(noise.cpu_quota, Some(quota(20, 15)));
    let idle = spans(&[beside(read(0, 1, 0), 3), beside(read(9, 2, 0), 9)]);
    assert_eq!(idle.cpu_quota, Some(tight(6)));
    let without = spans(&[reading(0, 0, 0, 0), reading(1_000, 0, 0, 0)]);
    assert_eq!(without.cpu_quota, None);
}
