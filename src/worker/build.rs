//! The one builder: a shape becomes live mappings, threads, handlers and open files.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::protocol::{Failure, OWN_DESCRIPTORS};
use super::reader;
use super::ready::Line;
use crate::model::{Backing, RegionKind, Watched};
use crate::sys::generations::Generations;
use crate::sys::memory::{
    Arena, Claimed, Exact, Pages, Source, Stuff, Touches, disable_huge_pages, grow_heap,
};
use crate::sys::shared::memory_file;
use crate::sys::threads::Alone;
use crate::sys::userfault::Userfault;
use crate::sys::{descriptors, handlers, in_words, threads};
use crate::vm::{
    Descriptors, Heap, MOST_PINS, PlacedLikeness, PlacedMapping, Region, Shape, THREAD_STACK_BYTES,
};

/// Builds `shape` in this process, for the rest of its life, and notes a sample
/// of the touched pages. Where the shape has ancestors this process becomes one of them, and
/// it is its last descendant that comes back.
pub(super) fn build(shape: &Shape, pages: &mut Pages, alone: Alone) -> Result<Line, Failure> {
    // Without huge pages unless they are asked for: they would change the cost
    // of a fork by a factor of thirty. Kernels without them refuse, rightly.
    let _ = disable_huge_pages(true);
    let built = build_all(shape, pages, alone);
    // The children shall start as they would anywhere else.
    let _ = disable_huge_pages(false);
    built
}

fn build_all(shape: &Shape, pages: &mut Pages, alone: Alone) -> Result<Line, Failure> {
    for region in &shape.regions {
        let _ = disable_huge_pages(!region.huge);
        place_all(region, pages)?;
    }
    let _ = disable_huge_pages(true);
    let mut line = Line::default();
    if let Some(placed) = &shape.likeness {
        line = build_likeness(placed, pages, alone)?;
    }
    if let Some(heap) = &shape.heap {
        fill_heap(heap, pages)?;
    }
    // Once there are threads, malloc takes locks, so the heap comes first; and
    // the descriptors come last, since what is built before may open some itself.
    start_threads(shape.threads)?;
    install_handlers(shape.handlers)?;
    open_files(shape.descriptors)?;
    Ok(line)
}

fn start_threads(count: u64) -> Result<(), Failure> {
    let start = || threads::start_sleeping(count, bytes(THREAD_STACK_BYTES)?);
    start().map_err(|error| not_started(count, &error))
}

fn not_started(count: u64, error: &io::Error) -> Failure {
    Failure::Setup {
        what: format!("could not start {count} idle threads"),
        why: format!("{error}; ask for fewer, or see ulimit -u, kernel.threads-max and pids.max"),
    }
}

fn install_handlers(count: u64) -> Result<(), Failure> {
    handlers::install(count).map_err(|error| Failure::Setup {
        what: format!("could not install {count} signal handlers"),
        why: format!(
            "{error}; at most {} signals can have one",
            handlers::MOST_HANDLERS
        ),
    })
}

fn open_files(wanted: Descriptors) -> Result<(), Failure> {
    let count = wanted.count();
    if count == 0 && wanted.slots == 0 {
        return Ok(());
    }
    let failed = |opened: u64, error: &io::Error| Failure::Setup {
        what: format!("could not open {count} descriptors"),
        why: format!("{error} after {opened}; ask for fewer, or see ulimit -Hn and fs.file-max"),
    };
    let make_room = || {
        let all = descriptors::open_now()?.saturating_add(count);
        let all = all.max(wanted.highest.saturating_add(1));
        descriptors::make_room(all.saturating_add(OWN_DESCRIPTORS))
    };
    make_room().map_err(|error| failed(0, &error))?;
    let open = |count, cloexec| {
        descriptors::open_many(count, cloexec).map_err(|(opened, error)| failed(opened, &error))
    };
    // The one with the highest number is one of them.
    let of_cloexec = wanted.plain == 0;
    let top = u64::from(wanted.highest > 0);
    let (plain, cloexec) = match of_cloexec {
        true => (0, wanted.cloexec.saturating_sub(top)),
        false => (wanted.plain.saturating_sub(top), wanted.cloexec),
    };
    open(plain, false)?;
    open(cloexec, true)?;
    if top > 0 {
        descriptors::open_at(wanted.highest, of_cloexec)
            .map_err(|error| failed(count.saturating_sub(1), &error))?;
    }
    // A copy of the table reaches no further than its last file; what is behind that is
    // looked through once, which is hardly worth a refusal.
    let _ = descriptors::stretch_table(wanted.slots);
    Ok(())
}

fn place_all(region: &Region, pages: &mut Pages) -> Result<(), Failure> {
    let failed = |placed: u64, error: &io::Error| Failure::Inflation {
        placed,
        wanted: region.count,
        why: in_words(error),
    };
    let backing = Store::new(region).map_err(|error| failed(0, &error))?;
    let span = region
        .span()
        .map_or(Err(io::ErrorKind::OutOfMemory.into()), bytes);
    let arena = span
        .and_then(|span| Arena::find(span, bytes(region.align)?))
        .map_err(|error| failed(0, &error))?;
    let mut place = |index: u64| -> io::Result<()> {
        let touches = Touches {
            count: bytes(region.touches)?,
            distance: bytes(region.distance)?,
        };
        let offset = bytes(index * region.stride)?;
        // Of those that touch every second one is read only in the end.
        let keeps = region.backing != Backing::AnonTouching || index.is_multiple_of(2);
        let noted = if keeps {
            &mut *pages
        } else {
            &mut Pages::none()
        };
        arena.place(offset, bytes(region.len)?, backing.source(), touches, noted)
    };
    for index in 0..region.count {
        place(index).map_err(|error| failed(index, &error))?;
    }
    if region.backing == Backing::AnonTouching {
        // One mapping so far, whose pieces share what it has.
        for index in (1..region.count).step_by(2) {
            let cut = || arena.make_read_only(bytes(index * region.stride)?, bytes(region.len)?);
            cut().map_err(|error| failed(index, &error))?;
        }
    }
    if !region.huge {
        arena
            .forbid_huge_pages()
            .map_err(|error| failed(region.count, &error))?;
    }
    Ok(())
}

/// Builds what another process has: first, generation by generation, what its ancestors have
/// of it, and then all that is in there.
fn build_likeness(
    placed: &PlacedLikeness,
    pages: &mut Pages,
    alone: Alone,
) -> Result<Line, Failure> {
    let failed = |built: usize, error: &io::Error| Failure::Inflation {
        placed: built as u64,
        wanted: placed.mappings.len() as u64,
        why: in_words(error),
    };
    let prepare = || -> io::Result<(File, Arena)> {
        let file = memory_file(c"forktax-backing", false)?;
        file.set_len(placed.file_len)?;
        let arena = Arena::find(bytes(placed.span)?, bytes(placed.align)?)?;
        Ok((file, arena))
    };
    if placed.mappings.is_empty() {
        return go_through(placed.generations, alone, |_| Ok(()));
    }
    let (file, arena) = prepare().map_err(|error| failed(0, &error))?;
    let mut claimed: Vec<Option<Claimed>> = placed.mappings.iter().map(|_| None).collect();
    let line = go_through(placed.generations, alone, |behind| {
        for (index, mapping) in placed.mappings.iter().enumerate() {
            if mapping.generations == behind {
                let claim = exact(mapping, &file).and_then(|exact| arena.claim_exact(&exact));
                claimed[index] = Some(claim.map_err(|error| failed(index, &error))?);
            }
        }
        Ok(())
    })?;
    for (index, (mapping, claimed)) in placed.mappings.iter().zip(claimed).enumerate() {
        exact(mapping, &file)
            .and_then(|exact| match claimed {
                Some(claimed) => arena.fill_exact(claimed, &exact, pages),
                None => arena.place_exact(&exact, pages),
            })
            .map_err(|error| failed(index, &error))?;
    }
    arena
        .forbid_huge_pages()
        .map_err(|error| failed(placed.mappings.len(), &error))?;
    pin(placed, &arena).map_err(|error| Failure::Setup {
        what: format!("could not pin {} pages", placed.pinned_pages()),
        why: format!(
            "{}; see kernel.io_uring_disabled and ulimit -l",
            in_words(&error)
        ),
    })?;
    let watch = || watch(placed, &arena, line);
    watch().map_err(|error| Failure::Setup {
        what: "could not have a userfaultfd told of forks".to_owned(),
        why: in_words(&error),
    })
}

/// Has a userfaultfd told of what it is told of in another process, and of forks.
fn watch(placed: &PlacedLikeness, arena: &Arena, line: Line) -> io::Result<Line> {
    if !placed.is_watched() {
        return Ok(line);
    }
    let userfault = Userfault::open()?;
    // It comes before the first fork is to be told.
    let reader = reader::start(userfault.reading_end()?)?;
    for mapping in &placed.mappings {
        if let Some(watched) = mapping.watched {
            let start = arena.start() + bytes(mapping.offset)?;
            userfault.watch(start, bytes(mapping.len)?, watched == Watched::Writes)?;
        }
    }
    Ok(Line {
        helpers: vec![reader],
        _userfault: Some(userfault),
        ..line
    })
}

/// Goes on as so many generations, one after the other. Before each it is done what that many
/// generations are to have.
fn go_through(
    generations: u64,
    alone: Alone,
    mut before: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Line, Failure> {
    if generations == 0 {
        return Ok(Line::default());
    }
    let failed = |error: &io::Error| Failure::Setup {
        what: format!("could not go on as {generations} generations of processes"),
        why: in_words(error),
    };
    let mut line = Generations::begin().map_err(|error| failed(&error))?;
    for behind in (1..=generations).rev() {
        before(behind)?;
        line.go_on(alone).map_err(|error| failed(&error))?;
    }
    let (leash, later) = line.end().map_err(|error| failed(&error))?;
    Ok(Line {
        _leash: Some(leash),
        later,
        ..Line::default()
    })
}

/// Pins what is pinned in another process.
fn pin(placed: &PlacedLikeness, arena: &Arena) -> io::Result<()> {
    let pins: Vec<[u64; 2]> = placed.pins().collect();
    for pins in pins.chunks(bytes(MOST_PINS)?) {
        arena.pin(pins)?;
    }
    Ok(())
}

fn exact<'a>(mapping: &'a PlacedMapping, file: &'a File) -> io::Result<Exact<'a>> {
    Ok(Exact {
        offset: bytes(mapping.offset)?,
        len: bytes(mapping.len)?,
        stuff: match mapping.backing {
            RegionKind::Anon => Stuff::Anonymous,
            RegionKind::File => Stuff::File(file.as_fd(), mapping.file_offset),
            RegionKind::Shared => Stuff::Shared(file.as_fd(), mapping.file_offset),
        },
        readable: mapping.readable,
        writable: mapping.writable,
        marked: mapping.marked,
        dontfork: mapping.dontfork,
        noreserve: mapping.noreserve,
        written: &mapping.written,
        stretch: mapping.stretch,
        batch: mapping.batch,
        read: &mapping.read,
        huge: &mapping.huge,
        huge_zero: &mapping.huge_zero,
        guards: &mapping.guards,
    })
}

fn fill_heap(heap: &Heap, pages: &mut Pages) -> Result<(), Failure> {
    let mut grow = || -> io::Result<()> {
        let touches = Touches {
            count: bytes(heap.touches)?,
            distance: bytes(heap.distance)?,
        };
        grow_heap(bytes(heap.count)?, bytes(heap.bytes)?, touches, pages)
    };
    grow().map_err(|error| Failure::Setup {
        what: format!(
            "could not take {} blocks of {} bytes from malloc",
            heap.count, heap.bytes
        ),
        why: in_words(&error),
    })
}

/// What stands behind a region's mappings.
enum Store {
    Anonymous { huge: bool },
    Shared { huge: bool },
    File(File),
}

impl Store {
    fn new(region: &Region) -> io::Result<Self> {
        Ok(match region.backing {
            Backing::Anon | Backing::AnonTouching => Self::Anonymous { huge: region.huge },
            Backing::Shared => Self::Shared { huge: region.huge },
            Backing::File => {
                let file = memory_file(c"forktax-backing", false)?;
                file.set_len(region.len)?;
                Self::File(file)
            }
        })
    }

    fn source(&self) -> Source<'_> {
        match self {
            Self::Anonymous { huge: false } => Source::Anonymous,
            Self::Anonymous { huge: true } => Source::AnonymousHuge,
            Self::Shared { huge: false } => Source::Shared,
            Self::Shared { huge: true } => Source::SharedHuge,
            Self::File(file) => Source::File(file.as_fd()),
        }
    }
}

fn bytes(count: u64) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::ErrorKind::OutOfMemory.into())
}
