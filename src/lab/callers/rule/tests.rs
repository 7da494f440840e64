use proptest::prelude::*;

use super::super::stack::Copied;
use super::*;

const X86: Machine = Machine::X86_64;
const ARM: Machine = Machine::Aarch64;
const CODE: u64 = 0x1000;

/// An `.eh_frame` of one function of 256 bytes at [`CODE`], by its instructions; each
/// number and address is absolute.
fn section(machine: Machine, is_signal: bool, instructions: &[u8]) -> Vec<u8> {
    let (back, at_entry): (u8, &[u8]) = match machine {
        // def_cfa rsp+8; offset rip at cfa-8
        X86 => (16, &[0x0c, 7, 8, 0x90, 1]),
        // def_cfa sp+0
        ARM => (30, &[0x0c, 31, 0]),
    };
    let augmentation: &[u8] = if is_signal { b"zRS\0" } else { b"zR\0" };
    let mut cie = vec![0, 0, 0, 0, 1];
    cie.extend(augmentation);
    cie.extend([1, 0x78, back, 1, 0]);
    cie.extend(at_entry);
    let mut fde = Vec::new();
    fde.extend(CODE.to_le_bytes());
    fde.extend(0x100_u64.to_le_bytes());
    fde.push(0);
    fde.extend(instructions);
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let mut section = length(cie.len()).to_vec();
    section.extend(&cie);
    section.extend(length(fde.len() + 4));
    let to_cie = section.len();
    section.extend(length(to_cie));
    section.extend(fde);
    section.extend([0; 4]);
    section
}

fn rule(machine: Machine, instructions: &[u8], address: u64) -> Option<Rule> {
    let entries = (0x9000, section(machine, false, instructions));
    let unwinding = Unwinding::new(machine, entries, (0, Vec::new()));
    unwinding.at(address).map(|said| said.rule)
}

fn row(machine: Machine, instructions: &[u8], address: u64) -> Row {
    match rule(machine, instructions, address) {
        Some(Rule::Told(row)) => row,
        other => panic!("{other:?}"),
    }
}

/// `push %rbp; mov %rsp,%rbp` after one and four bytes.
const PLAIN: [u8; 8] = [0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6];

#[test]
fn each_place_of_a_function_has_its_row() {
    let at = |address| row(X86, &PLAIN, address);
    let plain = Row {
        cfa: Cfa::Sp(8),
        ip: Saved::At(-8),
        fp: Saved::Same,
        sp: None,
    };
    assert_eq!(at(CODE), plain);
    let pushed = at(CODE + 3);
    assert_eq!((pushed.cfa, pushed.fp), (Cfa::Sp(16), Saved::At(-16)));
    assert_eq!(at(CODE + 0xff).cfa, Cfa::Fp(16));
    for outside in [CODE - 1, CODE + 0x100] {
        assert_eq!(rule(X86, &PLAIN, outside), None);
    }
}

#[test]
fn a_function_without_a_caller_and_one_with_registers_unknown_here_are_told_apart() {
    let undefined = [0x07, 16];
    assert_eq!(rule(X86, &undefined, CODE), Some(Rule::Outermost));
    let by_r10 = [0x0c, 10, 0];
    assert_eq!(rule(X86, &by_r10, CODE), Some(Rule::Unknown));
    // The return address in rdi, as in vfork.
    let in_rdi = [0x09, 16, 5];
    assert_eq!(row(X86, &in_rdi, CODE).ip, Saved::Lost);
}

const WORDS: [u64; 8] = [0x10, 0x11, 0x12, 0x1038, 0x14, 0x15, 0x16, 0x17];

fn stack() -> Vec<u8> {
    WORDS.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn step(machine: Machine, instructions: &[u8], at: Cursor) -> Option<Cursor> {
    let bytes = stack();
    let mut memory = Copied {
        base: 0x1000,
        bytes: &bytes,
    };
    row(machine, instructions, CODE + 0xff).caller(machine, at, &mut memory)
}

const AT: Cursor = Cursor {
    ip: CODE + 0xff,
    sp: 0x1000,
    fp: 0x1010,
    lr: None,
};

#[test]
fn the_caller_s_registers_are_where_the_row_says() {
    let caller = Cursor {
        ip: 0x1038,
        sp: 0x1020,
        fp: 0x12,
        lr: None,
    };
    assert_eq!(step(X86, &PLAIN, AT), Some(caller));
    let away = Cursor { fp: 0x5000, ..AT };
    assert_eq!(step(X86, &PLAIN, away), None);
    let overflow = Cursor { fp: u64::MAX, ..AT };
    assert_eq!(step(X86, &PLAIN, overflow), None);
}

#[test]
fn what_a_realigned_stack_computes_is_computed() {
    // def_cfa_expression: breg6 (rbp) +8, deref: the word at 0x1018
    let realigned = [0x0f, 3, 0x76, 8, 0x06];
    let caller = step(X86, &realigned, AT).unwrap();
    assert_eq!((caller.ip, caller.sp), (0x16, 0x1038));
    // An expression that never ends: skip -3
    let endless = [0x0f, 3, 0x2f, 0xfd, 0xff];
    assert_eq!(step(X86, &endless, AT), None);
}

#[test]
fn a_return_address_in_a_register_is_known_of_the_innermost_function_only() {
    let leaf = Cursor {
        lr: Some(0x77),
        ..AT
    };
    let caller = step(ARM, &[], leaf).unwrap();
    assert_eq!((caller.ip, caller.sp, caller.lr), (0x77, 0x1000, None));
    assert_eq!(step(ARM, &[], AT), None);
    // def_cfa_offset 32; offset x29 at cfa-32; offset x30 at cfa-24
    let framed = [0x41, 0x0e, 32, 0x9d, 4, 0x9e, 3];
    let caller = step(ARM, &framed, leaf).unwrap();
    assert_eq!((caller.ip, caller.fp, caller.sp), (0x11, 0x10, 0x1020));
}

#[test]
fn a_frame_pointer_leads_to_its_caller_if_it_lies_above() {
    let bytes = stack();
    let mut memory = Copied {
        base: 0x1000,
        bytes: &bytes,
    };
    let caller = by_frame_pointer(AT, &mut memory).unwrap();
    assert_eq!((caller.fp, caller.ip, caller.sp), (0x12, 0x1038, 0x1020));
    let below = Cursor { sp: 0x1018, ..AT };
    assert_eq!(by_frame_pointer(below, &mut memory), None);
}

#[test]
fn code_that_handlers_return_to_is_known_as_such() {
    for is_signal in [false, true] {
        let entries = (0x9000, section(X86, is_signal, &[]));
        let unwinding = Unwinding::new(X86, entries, (0, Vec::new()));
        let said = unwinding.at(CODE + 7).unwrap();
        assert_eq!((said.is_signal, said.start), (is_signal, CODE));
    }
}

proptest! {
    #[test]
    fn any_instructions_and_any_index_are_survived(
        instructions in proptest::collection::vec(any::<u8>(), 0..40),
        mut index in proptest::collection::vec(any::<u8>(), 0..40),
        sp in any::<u64>(),
    ) {
        let entries = section(X86, false, &instructions);
        for index in [Vec::new(), { index.splice(..0, [1, 0x1b, 3, 0x3b]); index }] {
            let unwinding = Unwinding::new(X86, (0x9000, entries.clone()), (0x8000, index));
            if let Some(Said { rule: Rule::Told(row), .. }) = unwinding.at(CODE + 9) {
                let bytes = stack();
                let mut memory = Copied { base: 0x1000, bytes: &bytes };
                row.caller(X86, Cursor { sp, ..AT }, &mut memory);
                row.caller(X86, AT, &mut memory);
            }
        }
    }
}
