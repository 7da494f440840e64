//! What a reader must know of a shape before trusting the figures.

use super::{Rebuilt, figures, likeness, quota, refusals};
use crate::analysis::process::{self, FileEntries, deviation, is_off};
use crate::analysis::replica::copied_at_once;
use crate::model::{Availability, ProcessFacts, ShapeReservation, ShapeScale, ShapeUnit};
use crate::report::view::number::{counted, integer, number};
use crate::units::bytes;

/// One line a reservation.
pub(super) fn lines(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let mut lines: Vec<String> = elsewhere(rebuilt).into_iter().collect();
    let reservations = rebuilt.order.shape.process.reservations.iter();
    let words = |found: &ShapeReservation| match is_watched(rebuilt, *found) {
        true => WATCHED,
        false => reservation(*found),
    };
    lines.extend(reservations.map(|found| words(found).to_owned()));
    lines.extend(around(&rebuilt.order.shape.process));
    lines.extend(filters(rebuilt));
    lines.extend(swapped(rebuilt));
    lines.extend(unpinned(rebuilt));
    lines.extend(out_of_folios(rebuilt.order.scale.out_of_folios));
    lines.extend(files_in_folios(rebuilt));
    lines.extend(scaled(&rebuilt.order.scale));
    lines.extend(deviations(rebuilt));
    lines
}

/// What a shape is known for whose forks are told as those of the workers are.
const WATCHED: &str = "userfaultfd tells another program of the process's forks \
                       (UFFD_FEATURE_EVENT_FORK), and each waits until that has read of it; those \
                       of the workers are told to one that answers at once, and what is told of a \
                       fork is the least that it costs";

/// Whether it is that forks are told to somebody, and those of the workers are as well.
pub(super) fn is_watched(rebuilt: &Rebuilt<'_>, found: ShapeReservation) -> bool {
    found == ShapeReservation::UserfaultForks && rebuilt.order.scale.watched
}

/// What the process meets around it.
pub(in crate::report::view) fn around(facts: &ProcessFacts) -> Vec<String> {
    let mut lines = refusals::remedies(facts);
    lines.extend(quota::caveats(facts));
    lines
}

/// What the seccomp filters of the process may take.
fn filters(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let asked = process::filters(&rebuilt.order.shape.process)?;
    let trials = &rebuilt.replica.trials;
    let bound = match process::filtered(trials, rebuilt.document.plan.seed) {
        Availability::Measured(more) => format!(
            "with as many of {} instructions, all of which run, a fork from its shape takes {} \
             more, and theirs take no more for as few calls as its child makes",
            integer(asked.instructions.into()),
            figures::told(more, false)
        ),
        Availability::Missing(why) => format!(
            "what as many of the greatest length take was not measured ({})",
            why.reason
        ),
    };
    Some(format!(
        "the process has {}, whose length only a tracer sees: {bound}, if they only compare and \
         allow or refuse; a call that all of them always allow skips them (since Linux 5.11)",
        counted(asked.count.into(), "seccomp filter")
    ))
}

/// Pages that are not in memory.
fn swapped(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let mappings = rebuilt.order.shape.mappings.iter();
    let runs = mappings.flat_map(|mapping| mapping.swapped.iter());
    let pages = runs.fold(0_u64, |sum, [_, count]| sum.saturating_add(*count));
    (pages > 0).then(|| {
        format!(
            "{} pages of the process are swapped out, and rebuilt as pages in memory: a fork copies \
             the entries of both, and goes another way for each",
            integer(pages)
        )
    })
}

/// Pages of large folios, where small ones stand in their place.
fn out_of_folios(pages: u64) -> Option<String> {
    (pages > 0).then(|| {
        format!(
            "{} pages of the process lie in large folios, and in small ones in the workers, as \
             this host gives none of that size to those who ask for huge pages \
             (/sys/kernel/mm/transparent_hugepage/hugepages-*/enabled), or as no mapping holds a \
             whole one: a fork copies the entries of one folio together, and what is told of PTEs \
             is the most that they cost",
            integer(pages)
        )
    })
}

/// Pages of files in large folios, or where they lie is not known.
fn files_in_folios(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let entries = FileEntries::of(&rebuilt.order.shape);
    let large = (entries.in_folios > 0).then(|| {
        format!(
            "{} pages of files, whose entries its forks copy, lie in large folios, and those that \
             are rebuilt in small ones: a fork copies the entries of one folio together \
             (mm/memory.c, copy_present_ptes, since Linux 6.9), and what is told of it is the most \
             that it costs",
            integer(entries.in_folios)
        )
    });
    // Not to be read then, not looked at by an older forktax, or never in a dump of smaps.
    let remedy = match rebuilt.order.shape.process.is_of_dump() {
        true => "",
        false => "; take the shape again, as root (/proc/kpageflags)",
    };
    let unseen = (entries.unseen > 0).then(|| {
        format!(
            "whether {} pages of files, whose entries its forks copy, lie in large folios is not \
             known, and those that are rebuilt lie in small ones: if they do, its forks cost less \
             than is told here{remedy}",
            integer(entries.unseen)
        )
    });
    large.into_iter().chain(unseen).collect()
}

/// Pinned pages, where none could be pinned.
fn unpinned(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let pages = not_pinned(rebuilt);
    (pages > 0).then(|| {
        format!(
            "a fork of the process copies the contents of {} pinned pages, {}, in the call, and \
             one from a worker does not: the figures of a fork are the least that it costs",
            integer(pages),
            bytes(pages.saturating_mul(rebuilt.order.shape.process.page_size))
        )
    })
}

/// How many pinned pages a fork of the process copies where none could be pinned in a
/// worker.
pub(super) fn not_pinned(rebuilt: &Rebuilt<'_>) -> u64 {
    match rebuilt.order.scale.pinned_divisor {
        0 => copied_at_once(&rebuilt.order.shape.mappings),
        _ => 0,
    }
}

/// How much of the shape is rebuilt, why, and what that makes of the figures.
fn scaled(scale: &ShapeScale) -> Option<String> {
    let mut line = likeness::scale(scale)?;
    for because in scale.because.iter().chain(&scale.pins_because) {
        line += &format!("; because {because}");
    }
    if scale.is_part() {
        line += "; figures with ~ are worked out from that part, as if each unit beyond it cost as \
                 much as one in it";
    }
    Some(line)
}

/// What the kernel or the pages of this host change of a shape that is another's.
fn elsewhere(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let (facts, host) = (&rebuilt.order.shape.process, &rebuilt.document.host);
    let mut differs = Vec::new();
    if facts.kernel != host.kernel && !facts.is_of_dump() {
        differs.push(format!("Linux {}, not {}", facts.kernel, host.kernel));
    }
    if facts.page_size != host.page_size {
        differs.push(format!(
            "pages of {} bytes, not {}",
            integer(facts.page_size),
            integer(host.page_size)
        ));
    }
    (!differs.is_empty()).then(|| {
        format!(
            "the shape is of a host with {}: what a fork costs here is not what it costs there; \
             for that, explain the process on its own host",
            differs.join(" and ")
        )
    })
}

/// What a shape does not tell, and the remedy.
pub(in crate::report::view) fn reservation(reservation: ShapeReservation) -> &'static str {
    match reservation {
        ShapeReservation::ChangedWhileRead => {
            "the process changed each time its mappings were read, and the last reading counts; \
             read it again while it rests, or stop it meanwhile (kill -STOP)"
        }
        ShapeReservation::Seccomp => {
            "the system calls of the process pass seccomp filters, and those of a fork that is \
             rebuilt from its shape do not"
        }
        ShapeReservation::Traced => {
            "the process is traced, and each of its own forks may stop for the tracer; end the \
             tracer"
        }
        ShapeReservation::OtherControlGroup => {
            "the process is in another control group than forktax, and its page tables are charged \
             there; run forktax in that group to have the like"
        }
        ShapeReservation::OtherLabel => {
            "a security module has the process under another label than forktax, and what its \
             checks take is in no figure; run forktax under that label to have the like"
        }
        ShapeReservation::UnseenControlGroups => {
            "not all control groups of the process, and of those above them, are to be seen where \
             forktax runs, and limits and CPU quotas of the others are not told; run forktax on the \
             host, as root"
        }
        ShapeReservation::OtherNamespaces => {
            "the process is in another PID, mount or user namespace than forktax: in another PID \
             namespace its children get more numbers, and what limits its user in a namespace of \
             users was not to be seen; run forktax in there to have the like"
        }
        ShapeReservation::ThirtyTwoBits => {
            "the process is a 32-bit program, and forks are of a 64-bit worker with its mappings: \
             what it costs its own calls to enter the kernel is not rebuilt"
        }
        ShapeReservation::NoPhysicalAddresses => {
            "where the pages of the process lie in physical memory was not to be seen, and rebuilt \
             ones may lie more or less together, which bears on the price of a PTE; read it with \
             CAP_SYS_ADMIN"
        }
        ShapeReservation::NoZeroPages => {
            "which pages are the kernel's page of zeros was not to be seen, and is guessed from \
             their number; Linux 6.7 and newer show them (PAGEMAP_SCAN)"
        }
        ShapeReservation::NoThreadStacks => {
            "not all stacks of threads were to be seen, and those are among the anonymous memory; \
             read it while its threads wait, with the right to trace it (as root)"
        }
        ShapeReservation::NoPositions => {
            "the shape is of a dump of smaps: where in a mapping its pages lie is not known, and \
             they are taken to lie side by side, in the fewest page tables; nor are threads, open \
             files and handlers. A fork of the process may cost more; read it with forktax shape"
        }
        ShapeReservation::AflForkServer => {
            "the process is a fork server of AFL's: what a child does in the target until it ends, \
             and what it costs either of the two to write to their pages meanwhile, is in no figure"
        }
        ShapeReservation::UserfaultForks => {
            "userfaultfd tells another program of the process's forks (UFFD_FEATURE_EVENT_FORK): \
             each copies the entries whose writes are watched, also of shared memory, and waits \
             until that program has read of it; no worker is watched, and what is told of a fork \
             is the least that it costs"
        }
        ShapeReservation::NeverExecuted => {
            "the process was forked and has executed nothing since (PF_FORKNOEXEC), and not all \
             ancestors that had its memory were seen: its mappings may have a link to an anon_vma \
             of each, which its forks copy one by one (mm/rmap.c, anon_vma_clone), and those of \
             the workers have not; what is told of a fork is the least that it costs"
        }
        ShapeReservation::UserfaultUnknown => {
            "userfaultfd watches some of its memory by a file that is open elsewhere, and whether \
             forks are told there (UFFD_FEATURE_EVENT_FORK) is not to be seen: if so, they wait \
             for its reader and cost more than is told here"
        }
        ShapeReservation::PinnedElsewhere => {
            "more of the process's memory is pinned (VmPin of its status) than buffers of an \
             io_uring are seen to hold: a fork of it copies the contents of that, and one from a \
             worker does not, so that its own forks cost more than is told here"
        }
        ShapeReservation::NoFlags => {
            "the flags of the mappings were not read, and those that forks leave out \
             (MADV_DONTFORK) are taken for others; read it without --no-flags"
        }
    }
}

/// Units of which the workers have more or less than they should.
fn deviations(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let units = rebuilt.replica.likeness.units.iter();
    let told = units.filter(|unit| is_off(unit)).map(|unit| {
        let share = deviation(unit).map_or(String::new(), |off| {
            let side = if off < 0.0 { "less" } else { "more" };
            format!(", {} % {side}", number(off.abs() * 100.0, 0))
        });
        let huge = match unit.unit {
            ShapeUnit::HugeEntries if unit.built < unit.wanted => {
                "; the kernel did not grant them: see /sys/kernel/mm/transparent_hugepage, or free \
                 memory"
            }
            _ => "",
        };
        format!(
            "{}: the workers have {} where {} wanted{share}{huge}",
            unit.unit.name(),
            integer(unit.built),
            match unit.wanted {
                1 => "1 was".to_owned(),
                many => format!("{} were", integer(many)),
            }
        )
    });
    told.collect()
}
