//! Processes that were rebuilt, as a reader sees them: whole ones, and those of runs that
//! went wrong.

use forktax::model::{
    Availability, Blame, CpuQuota, Document, Findings, MappingContent, MappingFlag, Missing, Noise,
    Order, PageKind, Process, ProcessRole, Replica, ReplicaOrder, Rung, ShapeMapping,
    ShapeReservation, ShapeUnit, SpawnLimit, SpawnLimitKind, SpawnMethod, Stopped, Surroundings,
    UnitResemblance,
};
use forktax::report::{Format, ReportError};
use forktax::stats::Estimate;

use crate::stored::{
    flat, in_short, noise, omits, render, row, says, section, stored, table, text, with,
};
use crate::unusual::RESERVATIONS;

fn process(document: &mut Document) -> &mut Process {
    match &mut document.findings {
        Findings::Process(process) => process,
        other => panic!("{other:?} explains no process"),
    }
}

fn replica(document: &mut Document) -> &mut Replica {
    &mut process(document).replica
}

fn order(document: &mut Document) -> &mut ReplicaOrder {
    match &mut document.plan.order {
        Order::Process(order) => &mut order.replica,
        other => panic!("{other:?} orders no process"),
    }
}

fn blame(document: &mut Document) -> &mut Blame {
    match &mut process(document).blame {
        Availability::Measured(blame) => blame,
        Availability::Missing(_) => panic!("the cost was shared out"),
    }
}

fn unit(document: &mut Document, unit: ShapeUnit) -> &mut UnitResemblance {
    let mut units = replica(document).likeness.units.iter_mut();
    units
        .find(|likeness| likeness.unit == unit)
        .expect("it is compared")
}

/// Has the workers be as was wanted, unit by unit.
fn as_wanted(document: &mut Document) {
    let replica = match &mut document.findings {
        Findings::Process(process) => &mut process.replica,
        Findings::Advice(advice) => &mut advice.replica,
        other => panic!("{other:?} rebuilds no process"),
    };
    for unit in &mut replica.likeness.units {
        unit.built = unit.wanted;
    }
}

fn around(value: f64) -> Estimate {
    Estimate {
        value,
        ci95: [value * 0.98, value * 1.02],
    }
}

fn caveats(document: &Document) -> String {
    section(&table(document), "Caveats").expect("there are some")
}

/// The report of a process of which one fork more takes so much of a limit of 10 GiB or
/// as many tasks, with 6 used.
fn limited(kind: SpawnLimitKind, asked: u64) -> Document {
    with("process", |document| {
        let unit = if kind.counts_tasks() { 1 } else { 1 << 30 };
        let limit = SpawnLimit {
            kind,
            limit: 10 * unit,
            used: 6 * unit,
            asked: asked * unit,
            uncertain: u64::from(kind == SpawnLimitKind::Commit),
            file: None,
        };
        order(document).shape.process.surroundings = Some(Surroundings {
            limits: vec![limit],
            ..Surroundings::default()
        });
    })
}

#[test]
fn forks_that_a_limit_refuses_are_the_first_thing_said() {
    for kind in [SpawnLimitKind::LargestMapping, SpawnLimitKind::Commit] {
        let document = limited(kind, 5);
        let words = in_short(&document);
        says(
            &words,
            "When it was read, each fork from this process was to fail with ENOMEM",
        );
        let spared = match kind {
            SpawnLimitKind::Commit => "posix_spawn and vfork commit only what",
            _ => "posix_spawn and vfork copy none of it",
        };
        says(&words, spared);
        says(&words, "Were it not refused, a fork of its shape");
        says(&caveats(&document), "MADV_DONTFORK");
        says(&table(&document), "forks from the workers are not refused");
    }
    let words = in_short(&limited(SpawnLimitKind::GroupTasks, 5));
    says(&words, "was to fail with EAGAIN, by whatever method");
    omits(&words, "vfork copy none");
}

#[test]
fn what_a_limit_leaves_is_not_refused_and_what_may_be_found_is_not_sure() {
    for kind in [SpawnLimitKind::LargestMapping, SpawnLimitKind::HostTasks] {
        let document = limited(kind, 4);
        omits(&in_short(&document), "fail");
        omits(&table(&document), "not refused");
    }
    let words = in_short(&limited(SpawnLimitKind::Memory, 5));
    says(
        &words,
        "might fail with ENOMEM, or have the kernel kill a process",
    );
    says(&words, "A fork of its shape");
    // Without its file, too, as of a shape without names.
    let words = in_short(&limited(SpawnLimitKind::MemoryHigh, 5));
    says(
        &words,
        "might have to wait while the kernel takes memory back",
    );
    omits(&words, "fail");
}

#[test]
fn what_forks_take_once_a_quota_is_spent_is_told_beside_what_one_takes() {
    let with_quota = |quota_us| {
        with("process", |document| {
            order(document).shape.process.surroundings = Some(Surroundings {
                cpu_quota: Some(CpuQuota {
                    quota_us,
                    period_us: 100_000,
                    file: Some("/sys/fs/cgroup/job/cpu.max".to_owned()),
                    periods: 100,
                    throttled_periods: 87,
                }),
                ..Surroundings::default()
            });
        })
    };
    let tenth = with_quota(10_000);
    let words = in_short(&tenth);
    says(
        &words,
        "When it was read, it had 10 % of a CPU with all of its control group",
    );
    says(
        &words,
        "up to then the quota had been spent in 87 % of its periods",
    );
    let report = table(&tenth);
    let [once, sustained] = ["fork ", "fork, by its quota"].map(|name| {
        let line = report
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let words = line.expect("there is such a row").split_whitespace();
        let numbers = words.filter_map(|word| word.replace([',', '~'], "").parse::<f64>().ok());
        numbers.collect::<Vec<f64>>()
    });
    // Spawns a second are a tenth, and times ten times as long.
    assert!(
        (once[0] / sustained[0] - 10.0).abs() < 1.0,
        "{once:?} {sustained:?}"
    );
    says(
        &caveats(&tenth),
        "/sys/fs/cgroup/job/cpu.max gave the process 10 %",
    );
    // Where a fork's time is a bound, so is what is worked out from it.
    let mut bound = tenth.clone();
    as_wanted(&mut bound);
    let process = &mut order(&mut bound).shape.process;
    process.reservations = vec![ShapeReservation::NeverExecuted];
    says(&in_short(&bound), "at least ~");
    says(
        &flat(&table(&bound)),
        "CPU time; if it is, at least so long and at most so many",
    );
    // The workers had to do with as much, in this group or another of the same path.
    let mut shared = tenth.clone();
    let surroundings = order(&mut shared).shape.process.surroundings.clone();
    let own = surroundings.and_then(|around| around.cpu_quota);
    let own = own.map(|own| own.since(&own));
    shared.noise = Some(Noise {
        cpu_quota: own,
        ..noise()
    });
    omits(&table(&shared), "by its quota");
    let noise = shared.noise.as_mut().expect("it was watched");
    let own = noise.cpu_quota.as_mut().expect("it had a quota");
    own.quota_us *= 2;
    says(&table(&shared), "by its quota");
    let two = with_quota(200_000);
    omits(&table(&two), "by its quota");
    says(&caveats(&two), "gave the process 200 % of a CPU");
}

#[test]
fn groups_whose_intervals_overlap_are_not_ranked() {
    let words = in_short(&with("process", |document| {
        let groups = &mut blame(document).groups;
        groups[1].cost = groups[0].cost;
    }));
    says(
        &words,
        "Charged most, and not told apart, are anonymous at 7f",
    );
    omits(&words, "is charged");
}

#[test]
fn a_group_that_is_told_from_the_next_is_charged_most() {
    let words = in_short(&with("process", |document| {
        let group = &mut blame(document).groups[0];
        group.cost.total_ns = around(250e3);
        group.without.as_mut().expect("it was checked").total_ns = around(248e3);
    }));
    says(&words, "is charged");
    says(&words, "less, which agrees.");
}

#[test]
fn a_group_that_was_not_shared_out_well_is_said_so() {
    let mut document = with("process", |document| {
        let group = &mut blame(document).groups[0];
        group.cost.total_ns = around(250e3);
        group.without.as_mut().expect("it was checked").total_ns = around(100e3);
    });
    let words = in_short(&document);
    says(&words, "less, which does not agree");
    for group in &mut blame(&mut document).groups {
        group.without = None;
    }
    let report = table(&document);
    omits(&report, "cheaper");
}

#[test]
fn what_no_worker_has_makes_a_bound_of_the_figures_in_the_verdict() {
    let reserved = |name: &str, reservations: &[ShapeReservation]| {
        in_short(&with(name, |document| {
            as_wanted(document);
            let order = match &mut document.plan.order {
                Order::Process(order) => &mut order.replica,
                Order::Advise(order) => &mut order.replica,
                other => panic!("{other:?} rebuilds no process"),
            };
            order.shape.process.reservations = reservations.to_vec();
        }))
    };
    let free = reserved("process", &[]);
    omits(&free, "at least");
    omits(&free, "at most");
    for name in ["process", "advise"] {
        let told = reserved(name, &[ShapeReservation::NeverExecuted]);
        says(&told, "(pthread_atfork), costs at least ");
        says(&told, ", at least ");
        says(&told, "that is at most ");
        says(
            &told,
            " a second: links to anon_vmas of ancestors that were not seen are not rebuilt.",
        );
        says(&told, "For the call, at least ");
        omits(&told, "a fork's cost");
    }
    // Somebody is told of its forks, and of the workers'.
    let told = |watched: bool| {
        let document = with("process", |document| {
            as_wanted(document);
            let order = order(document);
            order.shape.process.reservations = vec![ShapeReservation::UserfaultForks];
            order.scale.watched = watched;
        });
        (in_short(&document), caveats(&document))
    };
    says(
        &told(false).0,
        "wait for a reader of userfaultfd is not rebuilt",
    );
    says(&told(false).1, "no worker is watched");
    says(&told(true).0, "at least");
    says(&told(true).0, "its reader of userfaultfd may answer later");
    says(&told(true).1, "to one that answers at once");
    // Any spawn of its stops, and how many times as long a fork takes is not known.
    let traced = reserved("process", &[ShapeReservation::Traced]);
    says(&traced, "it may stop for its tracer");
    omits(&traced, "a posix_spawn");
    let folios = with("process", |document| {
        as_wanted(document);
        order(document).scale.out_of_folios = 5_000;
    });
    says(&in_short(&folios), "costs at most ");
    omits(&in_short(&folios), "a second");
    let also = |reservation| {
        let mut both = folios.clone();
        let reservations = &mut order(&mut both).shape.process.reservations;
        reservations.push(reservation);
        omits(&in_short(&both), "costs at ");
        in_short(&both)
    };
    let never_executed = also(ShapeReservation::NeverExecuted);
    says(&never_executed, "it may be more, as links to anon_vmas");
    // What is worked out from a part is rather too low.
    let mut part = folios.clone();
    order(&mut part).scale.pages_divisor = 2;
    omits(&in_short(&part), "costs at ");
    // By itself that is too little for a bound.
    let seccomp = also(ShapeReservation::Seccomp);
    says(
        &seccomp,
        "it may be more, as its calls pass seccomp filters",
    );
    omits(
        &reserved("process", &[ShapeReservation::Seccomp]),
        "at least",
    );
}

#[test]
fn what_the_workers_have_too_much_or_too_little_of_makes_a_bound() {
    let building = |of, wanted, built| {
        in_short(&with("process", |document| {
            as_wanted(document);
            let unit = unit(document, of);
            (unit.process, unit.wanted, unit.built) = (wanted, wanted, built);
        }))
    };
    let more = building(ShapeUnit::Vmas, 60, 160);
    says(&more, "costs at most ");
    says(&more, ": the workers have more than it (mappings).");
    // Few more of what there are few of, beside thousands of PTEs; and page tables, of which
    // forks do not copy all.
    omits(&building(ShapeUnit::Vmas, 60, 70), "at most");
    omits(&building(ShapeUnit::Tables, 33, 8_200), "at most");
    let less = building(ShapeUnit::Ptes, 4_000, 2_000);
    says(&less, "costs at least ");
    says(&less, ": the workers have less than it (PTEs).");
    let huge = building(ShapeUnit::HugeEntries, 400, 0);
    says(&huge, ": its huge pages are small ones in the workers.");
    // A posix_spawn copies the table of files, too.
    let files = building(ShapeUnit::Descriptors, 400, 600);
    says(&files, "costs at most ");
    omits(&files, "a posix_spawn");
    omits(&building(ShapeUnit::Descriptors, 20, 60), "at most");
}

#[test]
fn what_goes_either_way_leaves_no_bound() {
    let told = |reservations: &[ShapeReservation], units: &[(ShapeUnit, u64, u64)]| {
        in_short(&with("process", |document| {
            as_wanted(document);
            for (of, wanted, built) in units {
                let unit = unit(document, *of);
                (unit.process, unit.wanted, unit.built) = (*wanted, *wanted, *built);
            }
            order(document).shape.process.reservations = reservations.to_vec();
        }))
    };
    let both = [(ShapeUnit::Vmas, 60, 600), (ShapeUnit::Ptes, 4_000, 3_000)];
    let both = told(&[], &both);
    omits(&both, "costs at ");
    says(
        &both,
        "it may be more, as the workers have less than it (PTEs)",
    );
    says(
        &both,
        "and less, as the workers have more than it (mappings)",
    );
    // Which mappings a fork leaves out nobody saw.
    let blind = [ShapeReservation::NeverExecuted, ShapeReservation::NoFlags];
    let blind = told(&blind, &[]);
    omits(&blind, "costs at ");
    says(
        &blind,
        "and less, as a fork may leave some of its mappings out",
    );
    omits(&told(&[ShapeReservation::NoFlags], &[]), "it may be");
}

#[test]
fn mappings_that_no_worker_has_make_a_bound_where_their_entries_are_copied() {
    let beside = |flags: &[MappingFlag]| {
        in_short(&with("process", |document| {
            as_wanted(document);
            let mapping = ShapeMapping {
                permissions: "rw-s".to_owned(),
                flags: flags.to_vec(),
                ..ShapeMapping::untouched(1, 64, MappingContent::File)
            };
            order(document).shape.mappings.insert(0, mapping);
        }))
    };
    let copied = beside(&[MappingFlag::PageFrames]);
    says(&copied, "costs at least ");
    says(&copied, "entries of hugetlbfs or devices are not rebuilt");
    omits(
        &beside(&[MappingFlag::DontFork, MappingFlag::PageFrames]),
        "at least",
    );
}

#[test]
fn pages_that_nobody_saw_leave_no_bound_where_they_are_many() {
    let hiding = |pages, other: Option<ShapeReservation>| {
        in_short(&with("process", |document| {
            as_wanted(document);
            let shape = &mut order(document).shape;
            shape.process.reservations = vec![ShapeReservation::NoPhysicalAddresses];
            shape.process.reservations.extend(other);
            for mapping in &mut shape.mappings {
                mapping.own.clear();
                mapping.file.clear();
            }
            shape.mappings[0].own = vec![[0, pages]];
        }))
    };
    omits(&hiding(5_000, None), "at most");
    let others = ShapeReservation::NeverExecuted;
    let many = hiding(5_000, Some(others));
    says(&many, "less, as its own pages may lie in large folios.");
    omits(&many, "costs at least");
    says(&hiding(500, Some(others)), "costs at least ");
}

#[test]
fn pinned_pages_that_no_fork_copies_make_no_bound() {
    let pinned = |flags: &[MappingFlag]| {
        with("process", |document| {
            as_wanted(document);
            order(document).scale.pinned_divisor = 0;
            let mappings = &mut order(document).shape.mappings;
            let one = mappings.iter_mut().find(|mapping| mapping.anon_vma);
            let one = one.expect("it has pages of its own");
            one.pinned.clone_from(&one.own);
            one.flags = flags.to_vec();
        })
    };
    let copied = pinned(&[]);
    says(&in_short(&copied), ": no pinned page is rebuilt as one.");
    says(&caveats(&copied), "pinned pages, ");
    let left_out = pinned(&[MappingFlag::DontFork]);
    omits(&in_short(&left_out), "at least");
}

#[test]
fn rungs_whose_intervals_overlap_are_not_ranked() {
    let words = in_short(&with("process", |document| {
        as_wanted(document);
        let rungs = &mut blame(document).rungs;
        let last = rungs.last().expect("there are rungs").cost;
        rungs[1].cost = last;
    }));
    says(
        &words,
        "The largest parts of a fork, which are not told apart, are copying",
    );
    omits(&words, "Most of a fork's cost");
}

#[test]
fn the_largest_part_is_most_only_beyond_a_half() {
    let built = with("process", as_wanted);
    says(&in_short(&built), "Most of a fork's cost is copying");
    let words = in_short(&with("process", |document| {
        as_wanted(document);
        let half = blame(document).fork.total_ns.value * 0.5;
        let largest = blame(document).rungs.last_mut().expect("there are rungs");
        largest.cost.total_ns = around(half);
    }));
    says(&words, "The largest part of a fork is copying");
}

#[test]
fn a_fork_that_is_as_fast_as_a_posix_spawn_is_not_called_slower() {
    let words = in_short(&with("process", |document| {
        as_wanted(document);
        let cells = &mut replica(document).trials[0].cells;
        cells[2].samples = cells[0].samples.clone();
        for (turn, worker) in cells[2].samples.iter_mut().enumerate() {
            for ns in &mut worker.total_ns {
                *ns = if turn % 2 == 0 {
                    *ns + 9_000
                } else {
                    *ns - 9_000
                };
            }
        }
    }));
    says(&words, "and no difference to a posix_spawn is seen");
}

#[test]
fn threads_and_files_have_a_sentence_where_they_matter() {
    assert!(!in_short(&stored("process")).contains("open files"));
    let mut document = stored("process-ledger");
    let rungs = &mut blame(&mut document).rungs;
    let beside = rungs.iter_mut().find(|rung| rung.rung == Rung::Beside);
    beside.expect("it has threads").cost.total_ns = around(2_000_000.0);
    let words = in_short(&document);
    assert!(
        words.contains("open files and ") && words.contains(" signal handlers add 2,000 us"),
        "{words}"
    );
}

#[test]
fn writing_again_is_told_of_a_sample_and_worked_out_for_all_pages() {
    let document = stored("process-ledger");
    omits(&in_short(&stored("process")), "writes to all of its pages");
    let words = in_short(&document);
    says(
        &words,
        "If it writes to all of its pages again after a fork",
    );
    says(&words, "576.0 ns for each of 525 pages");
    says(&words, "After posix_spawn no such tax is seen");
    let report = table(&document);
    says(&report, "The hidden tax: what the process pays");
    // Once, and not of the ledger's workers as well.
    assert_eq!(report.matches("The hidden tax:").count(), 1);

    let mut document = document;
    let rewritten = &mut process(&mut document).rewritten;
    let mut huge = rewritten[0].clone();
    (huge.of, huge.process) = (PageKind::Huge, 3);
    rewritten.push(huge);
    let words = in_short(&document);
    says(&words, "pages and 576.0 ns for each of 3 huge pages");
    as_wanted(&mut document);
    says(&in_short(&document), " times the call: ");
    order(&mut document).scale.out_of_folios = 5_000;
    omits(&in_short(&document), "times the call");
    says(
        &flat(&table(&document)),
        "once in each worker, it is split and copied page by page",
    );

    let why = Missing::unavailable("the worker was killed", Some("ask for less"));
    process(&mut document).rewritten[2].rewriting = Availability::Missing(why);
    omits(&in_short(&document), "writes to all of its pages");
    let report = flat(&table(&document));
    says(&report, "the hidden tax: the worker was killed");
}

#[test]
fn what_is_extrapolated_is_marked_and_explained() {
    let document = with("process-scaled", |document| {
        order(document).shape.process.kernel = "6.1.0-23-amd64".to_owned();
        order(document).shape.process.reservations = vec![ShapeReservation::Seccomp];
        let ptes = unit(document, ShapeUnit::Ptes);
        (ptes.process, ptes.wanted, ptes.built) = (88_123, 11_016, 11_934);
    });
    let report = table(&document);
    assert!(!row(&report, "mappings, nothing in them").contains('~'));
    let rows = report
        .lines()
        .filter(|line| line.starts_with("PTEs: all other pages"));
    assert_eq!(rows.map(|row| row.matches('~').count()).sum::<usize>(), 5);
    let caveats = caveats(&document);
    let divisor = order(&mut document.clone()).scale.pages_divisor;
    for words in [
        &format!("one in {divisor} of each mapping's page tables"),
        "because the address space takes up to ",
        "figures with ~ are worked out from that part",
        "PTEs: the workers have 11,934 where 11,016 were wanted, 8 % more",
        "the shape is of a host with Linux 6.1.0-23-amd64, not 6.18",
        "pass seccomp filters",
    ] {
        says(&caveats, words);
    }
    let short = in_short(&document);
    assert!(
        short.starts_with("A fork of its shape, ") && short.contains(", costs ~"),
        "{short}"
    );
    assert!(!table(&stored("process")).contains('~'));
}

#[test]
fn file_pages_that_are_left_out_extrapolate_nothing() {
    let caveats = caveats(&with("process", |document| {
        order(document).scale.without_file_pages = true;
    }));
    says(&caveats, "no page of a file");
    assert!(!caveats.contains('~'), "{caveats}");
}

#[test]
fn every_reservation_is_told() {
    let report = table(&with("process", |document| {
        document.caveats.clear();
        replica(document).likeness.units.clear();
        let shape = &mut order(document).shape;
        shape.process.reservations = RESERVATIONS.to_vec();
        shape.process.page_size = 16_384;
        shape.mappings[0].swapped = vec![[0, 1]];
    }));
    let (_, caveats) = report.split_once("\nCaveats\n").unwrap();
    let (caveats, _) = caveats.split_once("\n\n").unwrap();
    let told = caveats.lines().filter(|line| !line.starts_with(' '));
    // And the other page size, and the pages that are swapped out.
    assert_eq!(told.count(), RESERVATIONS.len() + 2, "{caveats}");
    says(caveats, "pages of 16,384 bytes, not 4,096");
}

#[test]
fn large_folios_of_files_make_the_figures_the_most_and_unseen_ones_are_told() {
    let lying = |file_in_folios| {
        with("process", |document| {
            as_wanted(document);
            let mappings = &mut order(document).shape.mappings;
            let one = mappings.iter_mut().find(|mapping| mapping.anon_vma);
            let one = one.expect("it has pages of its own");
            let end = one.pages;
            one.pages += 4_000;
            one.file = vec![[end, 4_000]];
            one.file_in_folios = file_in_folios;
        })
    };
    let large = lying(Some(3_000));
    says(&in_short(&large), "costs at most ");
    says(
        &in_short(&large),
        ": large folios of files are not rebuilt.",
    );
    says(
        &caveats(&large),
        "3,000 pages of files, whose entries its forks copy",
    );
    let unseen = lying(None);
    says(&in_short(&unseen), "costs at most ");
    says(
        &in_short(&unseen),
        ": its pages of files may lie in large folios.",
    );
    says(&caveats(&unseen), "lie in large folios is not known");
    says(&caveats(&unseen), "take the shape again, as root");
    let mut dump = unseen;
    let process = &mut order(&mut dump).shape.process;
    process.reservations = vec![ShapeReservation::NoPositions];
    omits(&caveats(&dump), "take the shape again");
    let small = lying(Some(0));
    omits(&in_short(&small), "at most");
    omits(&table(&small), "folios");
}

#[test]
fn what_the_card_has_no_price_for_stands_in_place_of_its_forecast() {
    let document = with("process", |document| {
        let why = Missing::unavailable("the card has no price for guards", None);
        replica(document).forecast = Availability::Missing(why);
    });
    let report = flat(&table(&document));
    says(
        &report,
        "what a card foretells: the card has no price for guards",
    );
    omits(&report, "fork, by the card");
    omits(&report, "card foretells the total");
}

#[test]
fn huge_pages_that_were_not_granted_are_a_caveat() {
    let caveats = caveats(&with("process", |document| {
        let huge = unit(document, ShapeUnit::HugeEntries);
        (huge.process, huge.wanted, huge.built) = (400, 400, 0);
    }));
    says(
        &caveats,
        "huge pages: the workers have 0 where 400 were wanted, 100 % less; the",
    );
}

/// A run that was broken off after the first rungs, on a host without a card.
#[test]
fn a_run_that_was_broken_off_says_what_is_missing() {
    let document = with("process", |document| {
        document.run.stopped = Stopped::Interrupted;
        let none = Missing::unavailable(
            "no card of this host is stored",
            Some("measure one with forktax card"),
        );
        order(document).prices = Availability::Missing(none.clone());
        order(document).shape.process.pid = None;
        order(document).shape.process.taken_unix_s = 0;
        order(document).shape.process.allowed_cpus.clear();
        let live = replica(document);
        live.forecast = Availability::Missing(none);
        live.trials.truncate(3);
        let late = &mut live.trials[0].cells[2];
        late.call_ns = Availability::not_reached();
        late.total_ns = Availability::not_reached();
        late.samples.clear();
        process(document).blame = Availability::not_reached();
    });
    let report = table(&document);
    assert!(
        flat(&report).contains(
            "n/a: what a card foretells: no card of this host is stored; measure one with forktax card"
        ),
        "{report}"
    );
    says(
        &report,
        "n/a: what a fork pays for, whose it is: the run ended before its turn",
    );
    omits(&report, "Whose it is");
    let refusal = render(&document, Format::Svg).unwrap_err();
    assert!(
        matches!(refusal, ReportError::NothingFound { .. }),
        "{refusal}"
    );
}

#[test]
fn a_plan_without_a_result_is_a_header_and_a_run() {
    let report = table(&with("process", |document| {
        document.findings = Findings::Sweep { cells: Vec::new() };
    }));
    says(&report, "rebuilt from process ");
    says(&report, "(python3)");
    says(&report, "0 spawns timed");
    let document = with("process", |document| document.plan.order = Order::Sweep);
    for format in Format::ALL {
        let _ = render(&document, format);
    }
}

#[test]
fn trials_that_are_missing_take_their_rows_along() {
    let report = table(&with("process", |document| {
        replica(document).trials.clear()
    }));
    omits(&report, "One spawn from a process");
    says(&report, "What a fork pays for");
    omits(&report, "A fork of its shape");
}

#[test]
fn a_spawn_that_was_refused_has_its_reason() {
    let document = with("process", |document| {
        let why = Missing::unavailable("the kernel refused it", Some("ask somebody"));
        let trial = &mut replica(document).trials[0];
        assert_eq!(trial.role, ProcessRole::Whole);
        for cell in &mut trial.cells {
            if cell.method == SpawnMethod::Vfork {
                cell.call_ns = Availability::Missing(why.clone());
                cell.total_ns = Availability::Missing(why.clone());
                cell.samples.clear();
            }
        }
    });
    let words = flat(&table(&document));
    let expected = "n/a: vfork: call, vfork: total: the kernel refused it; ask somebody";
    says(&words, expected);
}

#[test]
fn every_rung_has_a_row() {
    let mut document = stored("process-ledger");
    let report = table(&document);
    let (_, ladder) = report.split_once("\nWhat a fork pays for\n").unwrap();
    let (ladder, _) = ladder.split_once("\n\neach row").unwrap();
    let rows = ladder.lines().filter(|line| line.contains('±'));
    assert_eq!(
        rows.count(),
        blame(&mut document).rungs.len() + 1,
        "{ladder}"
    );
}

#[test]
fn the_picture_has_a_bar_for_each_cost() {
    let picture = text(&stored("process"), Format::Svg);
    says(&picture, "Whose the cost of a fork is");
    // A segment for each half of nine bars, and the two of the legend.
    assert_eq!(picture.matches("<rect").count(), 9 * 2 + 2 + 1, "{picture}");
    for format in [Format::Folded, Format::FlameGraph] {
        let refusal = render(&stored("process"), format).unwrap_err().to_string();
        assert!(refusal.starts_with("an explained process"), "{refusal}");
    }
}
