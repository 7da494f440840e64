//! The view of a shape.

use forktax::analysis::shape::check;
use forktax::model::{
    MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    ShapeReservation, Tool,
};
use forktax::report::{self, view};

fn mapping(first_page: u64, pages: u64, content: MappingContent) -> ShapeMapping {
    ShapeMapping::untouched(first_page, pages, content)
}

fn mappings() -> Vec<ShapeMapping> {
    use MappingContent::{Anonymous, File, Heap, Kernel, Library, Program, SharedMemory};
    let text = ShapeMapping {
        permissions: "r-xp".to_owned(),
        file: vec![[0, 90]],
        name: Some("/usr/bin/server".to_owned()),
        ..mapping(0x400, 100, Program)
    };
    let data = ShapeMapping {
        anon_vma: true,
        own: vec![[0, 4]],
        ..mapping(0x500, 10, Program)
    };
    let heap = ShapeMapping {
        anon_vma: true,
        own: vec![[0, 120_000]],
        zero: vec![[130_000, 7]],
        swapped: vec![[131_000, 900]],
        stretch: Some(3.5),
        ..mapping(0x1000, 200_000, Heap)
    };
    let cache = ShapeMapping {
        anon_vma: true,
        huge: vec![[0, 512 * 300]],
        flags: vec![MappingFlag::HugeAdvised],
        ..mapping(0x10_0000, 512 * 400, Anonymous)
    };
    let guest = ShapeMapping {
        anon_vma: true,
        own: vec![[0, 1000]],
        flags: vec![MappingFlag::DontFork, MappingFlag::Locked],
        ..mapping(0x20_0000, 1000, Anonymous)
    };
    let library = ShapeMapping {
        permissions: "r--p".to_owned(),
        file: vec![[0, 30]],
        ..mapping(0x7f_0000, 40, Library)
    };
    let database = ShapeMapping {
        permissions: "rw-s".to_owned(),
        file: vec![[0, 5_000]],
        ..mapping(0x7f_1000, 100_000, File)
    };
    let queue = ShapeMapping {
        permissions: "rw-s".to_owned(),
        file: vec![[0, 16]],
        flags: vec![MappingFlag::WipeOnFork],
        ..mapping(0x07fa_0000, 16, SharedMemory)
    };
    let vvar = ShapeMapping {
        permissions: "r--p".to_owned(),
        flags: vec![MappingFlag::PageFrames],
        ..mapping(0x07ff_ff00, 4, Kernel)
    };
    vec![
        text, data, heap, cache, guest, library, database, queue, vvar,
    ]
}

/// A server with a bit of everything.
pub(crate) fn server() -> ProcessShape {
    let shape = ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool {
            name: "forktax".to_owned(),
            version: "0.1.0".to_owned(),
        },
        process: ProcessFacts {
            name: "server".to_owned(),
            pid: Some(4711),
            taken_unix_s: 1_760_000_000,
            took_s: 0.125,
            kernel: "6.12.9-amd64".to_owned(),
            page_size: 4096,
            threads: 33,
            descriptors: 3,
            cloexec_descriptors: 1_021,
            handlers: 9,
            allowed_cpus: (0..16).collect(),
            page_table_bytes: 3 << 20,
            resident_bytes: 1100 << 20,
            reservations: vec![
                ShapeReservation::ChangedWhileRead,
                ShapeReservation::Seccomp,
                ShapeReservation::Traced,
                ShapeReservation::OtherControlGroup,
                ShapeReservation::NoPhysicalAddresses,
                ShapeReservation::NoZeroPages,
                ShapeReservation::NoThreadStacks,
                ShapeReservation::NoFlags,
            ],
        },
        mappings: mappings(),
    };
    check(&shape).expect("it keeps every promise");
    shape
}

fn text(shape: &ProcessShape) -> String {
    let bytes = report::text(&view::shape(shape)).expect("every shape can be shown");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

#[test]
fn a_shape_looks_like_this() {
    let server = server();
    insta::assert_snapshot!("shape.txt", text(&server));
    let markdown = report::markdown(&view::shape(&server));
    insta::assert_snapshot!("shape.md", String::from_utf8(markdown).unwrap());
}

#[test]
fn it_fits_a_terminal_whatever_its_size() {
    let mut large = server();
    for mapping in &mut large.mappings {
        mapping.pages = 1 << 33;
        if !mapping.own.is_empty() {
            mapping.own = vec![[0, 1 << 32]];
        }
    }
    for shape in [server(), large] {
        for line in text(&shape).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn an_empty_shape_is_no_reason_to_panic() {
    let mut empty = server();
    empty.mappings.clear();
    empty.process.page_size = 0;
    empty.process.reservations.clear();
    empty.process.taken_unix_s = 0;
    let text = text(&empty);
    assert!(
        text.contains("0 mappings") && text.contains("made up"),
        "{text}"
    );
    assert!(!text.contains("Legend"), "{text}");
}

#[test]
fn a_name_does_not_steer_the_terminal() {
    let mut steering = server();
    steering.process.name = "\u{1b}[31m".to_owned();
    assert!(!text(&steering).contains('\u{1b}'));
}
