//! Entries of real programs, and bytes that are none.

use proptest::prelude::*;

use super::*;

/// One line of the captures.
struct Capture {
    machine: Machine,
    name: &'static str,
    entry: u64,
    main: Option<Main>,
    memory: Vec<(u64, Vec<u8>)>,
}

impl Capture {
    fn find(&self, window: usize) -> Option<Main> {
        find_main(self.machine, self.entry, |address| {
            let place = self.memory.iter().find(|(start, _)| *start == address);
            place.map(|(_, bytes)| bytes[..window.min(bytes.len())].to_vec())
        })
    }
}

fn captures() -> Vec<Capture> {
    include_str!("../../../../tests/data/entry-code.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(capture)
        .collect()
}

fn capture(line: &'static str) -> Capture {
    let words: Vec<&str> = line.split(' ').collect();
    let [machine, name, entry, main, memory @ ..] = words.as_slice() else {
        panic!("a short line: {line}");
    };
    Capture {
        machine: match *machine {
            "x86_64" => Machine::X86_64,
            "aarch64" => Machine::Aarch64,
            other => panic!("no machine: {other}"),
        },
        name,
        entry: number(entry),
        main: match *main {
            "none" => None,
            main => Some(match main.strip_prefix("in:") {
                Some(slot) => Main::In(number(slot)),
                None => Main::At(number(main)),
            }),
        },
        memory: memory
            .iter()
            .map(|place| {
                let (address, bytes) = place.split_once('=').unwrap();
                let bytes = bytes.as_bytes().chunks(2);
                let byte = |hex: &[u8]| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16);
                (
                    number(address),
                    bytes.map(|hex| byte(hex).unwrap()).collect(),
                )
            })
            .collect(),
    }
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

#[test]
fn main_of_real_programs_is_found() {
    let captures = captures();
    assert!(captures.len() >= 20);
    for capture in captures {
        let name = capture.name;
        assert_eq!(capture.find(WINDOW), capture.main, "{name}");
    }
}

#[test]
fn code_that_is_cut_off_has_no_main_rather_than_another() {
    for capture in captures() {
        let name = capture.name;
        assert_eq!(capture.find(0), None, "{name}");
        for window in 0..WINDOW {
            let found = capture.find(window);
            assert!(found.is_none() || found == capture.main, "{name}");
        }
    }
}

#[test]
fn a_call_with_other_arguments_hands_no_main_over() {
    // xor ebp, ebp; mov edi, 1; call: a constant, but neither argc nor argv
    let code = [0x31, 0xed, 0xbf, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0];
    assert_eq!(find_main(Machine::X86_64, 0, |_| Some(code.to_vec())), None);
    // mov x0, #1; bl
    let code = [0x20, 0, 0x80, 0xd2, 0, 0, 0, 0x94];
    assert_eq!(
        find_main(Machine::Aarch64, 0, |_| Some(code.to_vec())),
        None
    );
    // The stack, handed on and on: one function is followed, and no second.
    let code = [0x48, 0x89, 0xe7, 0xe8, 0xf8, 0xff, 0xff, 0xff];
    assert_eq!(find_main(Machine::X86_64, 0, |_| Some(code.to_vec())), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(
        code in proptest::collection::vec(any::<u8>(), 0..WINDOW),
        entry in any::<u64>(),
    ) {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            find_main(machine, entry, |_| Some(code.clone()));
        }
    }

    #[test]
    fn a_real_entry_at_any_address_is_read_without_a_panic(entry in any::<u64>()) {
        for capture in captures() {
            let code = &capture.memory[0].1;
            find_main(capture.machine, entry, |_| Some(code.clone()));
        }
    }
}
