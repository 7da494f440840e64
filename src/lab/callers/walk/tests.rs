use std::collections::HashMap;

use super::super::rule::{Cfa, Row, Saved};
use super::super::stack::Copied;
use super::*;

/// Code by its addresses.
#[derive(Default)]
struct Made {
    sites: HashMap<u64, Site>,
    no_file: Option<u64>,
}

impl Places for Made {
    fn at(&mut self, address: u64, _returned: bool) -> Place {
        match self.sites.get(&address) {
            Some(site) => Place::Code(Arc::new(site.clone())),
            None if self.no_file == Some(address) => Place::NoFile,
            None => Place::Nowhere,
        }
    }
}

impl Made {
    fn with(mut self, address: u64, name: &str, rule: Rule) -> Self {
        let frame = Frame {
            function: Some(name.to_owned()),
            ..Frame::default()
        };
        let site = Site {
            frame: Arc::new(frame),
            rule,
            follows_call: Some(true),
            is_signal: false,
            kept: None,
        };
        self.sites.insert(address, site);
        self
    }

    fn change(mut self, address: u64, change: impl FnOnce(&mut Site)) -> Self {
        change(self.sites.get_mut(&address).unwrap());
        self
    }

    /// The names of a chain over a stack of these words from 0x1000 on, and why it ended.
    fn names(&mut self, registers: &Registers, words: &[u64]) -> (String, End) {
        self.names_on(Machine::X86_64, registers, words)
    }

    fn names_on(
        &mut self,
        machine: Machine,
        registers: &Registers,
        words: &[u64],
    ) -> (String, End) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (base, bytes) = (0x1000, &bytes[..]);
        let chain = walk(machine, registers, self, &mut Copied { base, bytes });
        let names = chain.frames.iter().map(|frame| frame.to_string());
        (names.collect::<Vec<_>>().join(" "), chain.end)
    }
}

const CALL: u64 = 0xa0;
const OUTER: u64 = 0xb0;
const START: u64 = 0xc0;

const STOPPED: Registers = Registers {
    ip: CALL,
    sp: 0x1000,
    fp: 0,
    lr: 0,
    vfork: 0,
    others: [0; 2],
};

/// A function whose frame has so many words, the return address the last of them.
fn words(count: i64) -> Rule {
    Rule::Told(Row {
        cfa: Cfa::Sp(8 * count),
        ip: Saved::At(-8),
        fp: Saved::Same,
        sp: None,
    })
}

fn ended(names: &str, end: End) -> (String, End) {
    (names.to_owned(), end)
}

fn plain(innermost: Rule) -> Made {
    Made::default()
        .with(CALL, "call", innermost)
        .with(OUTER, "outer", words(3))
        .with(START, "start", Rule::Outermost)
}

#[test]
fn each_function_leads_to_its_caller_up_to_the_program_s_start() {
    let stack = [7, OUTER, 7, 7, START];
    let names = plain(words(2)).names(&STOPPED, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
}

#[test]
fn a_wrapper_whose_information_ends_before_the_call_has_its_caller_on_the_stack_s_top() {
    let stack = [OUTER, 7, 7, START];
    for rule in [Rule::Unknown, Rule::Outermost] {
        let names = plain(rule).names(&STOPPED, &stack);
        assert_eq!(names, ended("call outer start", End::Outermost));
    }
    let other = [7, OUTER, 7, 7, START];
    let names = plain(Rule::Unknown).names(&STOPPED, &other);
    assert_eq!(
        names,
        ended("call", End::NoUnwinding),
        "that was no wrapper"
    );
}

#[test]
fn on_arm_the_wrapper_s_caller_is_in_a_register_and_may_be_signed() {
    let registers = Registers {
        lr: OUTER | 0x12 << 48,
        ..STOPPED
    };
    let stack = [7, 7, START];
    let names = plain(Rule::Unknown).names_on(Machine::Aarch64, &registers, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
}

#[test]
fn a_wrapper_that_has_popped_its_return_address_keeps_it() {
    let stack = [7, 7, 7, START];
    let mut made = plain(Rule::Unknown).change(CALL, |site| site.kept = Some(Kept::Vfork));
    let registers = Registers {
        sp: 0x1008,
        vfork: OUTER,
        ..STOPPED
    };
    let names = made.names(&registers, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
    let mut made = made.change(CALL, |site| site.kept = Some(Kept::Other(1)));
    let pushed = Registers {
        others: [7, OUTER],
        vfork: 7,
        ..registers
    };
    let names = made.names(&pushed, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
    let stack = [OUTER, 7, 7, START];
    let mut made = made.change(CALL, |site| site.kept = Some(Kept::BelowStack));
    let names = made.names(&registers, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
}

#[test]
fn what_follows_no_call_is_no_return_address_except_around_signals() {
    let stack = [7, OUTER, 7, 7, START];
    let no_call = |made: Made| made.change(OUTER, |site| site.follows_call = Some(false));
    let names = no_call(plain(words(2))).names(&STOPPED, &stack);
    assert_eq!(names, ended("call", End::Astray));
    let handled = plain(words(2)).change(CALL, |site| site.is_signal = true);
    let names = no_call(handled).names(&STOPPED, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
    let mut unread = plain(words(2)).change(OUTER, |site| site.follows_call = None);
    let names = unread.names(&STOPPED, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
}

#[test]
fn code_in_no_file_and_code_without_information_end_a_chain() {
    let stack = [7, OUTER, 7, 7, START];
    let mut made = plain(words(2));
    made.sites.remove(&OUTER);
    assert_eq!(made.names(&STOPPED, &stack), ended("call", End::Astray));
    made.no_file = Some(OUTER);
    let names = made.names(&STOPPED, &stack);
    assert_eq!(names, ended("call 0xb0 (in no file)", End::NoFile));
    for (rule, end) in [
        (Rule::Unknown, End::NoUnwinding),
        (Rule::Unread, End::Unreadable),
    ] {
        let mut made = plain(words(2)).with(OUTER, "outer", rule);
        assert_eq!(made.names(&STOPPED, &stack), ended("call outer", end));
    }
    let nowhere = Made::default().names(&STOPPED, &stack);
    assert_eq!(nowhere, ended("", End::Unreadable));
}

#[test]
fn a_stack_that_ends_or_turns_back_ends_the_chain() {
    let names = plain(words(2)).names(&STOPPED, &[7, OUTER, 7]);
    assert_eq!(names, ended("call outer", End::Unreadable));
    let back = Rule::Told(Row {
        cfa: Cfa::Sp(0),
        ip: Saved::At(-8),
        fp: Saved::Same,
        sp: None,
    });
    let mut made = plain(words(2)).with(OUTER, "outer", back);
    let names = made.names(&STOPPED, &[7, OUTER]);
    assert_eq!(names, ended("call outer", End::Astray));
}

#[test]
fn frame_pointers_lead_on_where_functions_keep_them() {
    let mut made = plain(Rule::FramePointer).with(OUTER, "outer", Rule::FramePointer);
    let registers = Registers {
        fp: 0x1008,
        ..STOPPED
    };
    let stack = [7, 0x1020, OUTER, 7, 0, START];
    let names = made.names(&registers, &stack);
    assert_eq!(names, ended("call outer start", End::Outermost));
    let stack = [7, 0, OUTER];
    let names = made.names(&registers, &stack);
    assert_eq!(
        names,
        ended("call outer", End::Outermost),
        "zero marks the end"
    );
}

#[test]
fn a_deep_chain_is_cut() {
    let mut made = plain(words(2)).with(OUTER, "outer", words(1));
    let deep = [vec![7], vec![OUTER; 50]].concat();
    let (names, end) = made.names(&STOPPED, &deep);
    assert_eq!((names.split(' ').count(), end), (MOST, End::Cut));
    let exact = [vec![7], vec![OUTER; MOST - 1], vec![0]].concat();
    let (names, end) = made.names(&STOPPED, &exact);
    assert_eq!((names.split(' ').count(), end), (MOST, End::Outermost));
}
