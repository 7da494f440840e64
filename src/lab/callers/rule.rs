//! How a function's caller is found from within it: rules, made once for each place of the
//! code out of its unwind information, and what following one takes.
//!
//! Pure. The format is that of DWARF 5 (6.4, call frame information) as the Linux Standard
//! Base changes it for `.eh_frame`; gimli reads it. What cannot be evaluated with the
//! registers that are known here (the stack's pointer, the frame's and the return address)
//! is no rule.

use gimli::{
    AArch64, BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EhFrameOffset, Encoding, EndianSlice,
    EvaluationResult, FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule,
    UnwindContext, UnwindExpression, UnwindSection, Value, Vendor, X86_64,
};

use crate::sys::program::entry_code::Machine;

use super::stack::Memory;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The registers of a frame that its caller's are found from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) ip: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
    /// The return address in a register: known of the innermost frame only.
    pub(super) lr: Option<u64>,
}

/// How a function's caller is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The unwind information says so.
    Told(Row),
    /// The function begins with what sets a frame pointer.
    FramePointer,
    /// Nobody called it, says the unwind information.
    Outermost,
    /// Nothing says.
    Unknown,
    /// The file that would say could not be read.
    Unread,
}

/// What a row of the unwind information says of the registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The stack's pointer before the call (the canonical frame address).
    pub(super) cfa: Cfa,
    /// Where the return address is.
    pub(super) ip: Saved,
    /// Where the caller's frame pointer is.
    pub(super) fp: Saved,
    /// Where the caller's stack pointer is, if that is not what `cfa` gives.
    pub(super) sp: Option<Saved>,
}

/// How the canonical frame address is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cfa {
    Sp(i64),
    Fp(i64),
    Computed(Vec<u8>),
}

/// Where a register of the caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saved {
    /// Where it was.
    Same,
    /// In memory, so far from the canonical frame address.
    At(i64),
    /// In memory, at an address that is computed.
    AtComputed(Vec<u8>),
    /// Not to be found with what is known here.
    Lost,
}

/// What the unwind information says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) rule: Rule,
    /// Whether its code is what signal handlers return to.
    pub(super) is_signal: bool,
    /// Where its function begins.
    pub(super) start: u64,
}

/// The unwind information of a file.
#[derive(Debug)]
pub(super) struct Unwinding {
    machine: Machine,
    bases: BaseAddresses,
    index: Vec<u8>,
    entries: Vec<u8>,
}

impl Unwinding {
    /// `entries` are the bytes of `.eh_frame`, `index` those of `.eh_frame_hdr` or none,
    /// each with the address that it is linked to.
    pub(super) fn new(machine: Machine, entries: (u64, Vec<u8>), index: (u64, Vec<u8>)) -> Self {
        Self {
            machine,
            bases: BaseAddresses::default()
                .set_eh_frame(entries.0)
                .set_eh_frame_hdr(index.0),
            index: index.1,
            entries: entries.1,
        }
    }

    /// What is said of an address; nothing where it is not covered.
    pub(super) fn at(&self, address: u64) -> Option<Said> {
        let mut section = EhFrame::new(&self.entries, LittleEndian);
        section.set_address_size(8);
        if self.machine == Machine::Aarch64 {
            section.set_vendor(Vendor::AArch64);
        }
        let entry = self.entry_at(&section, address)?;
        let mut context = UnwindContext::new();
        let row = entry
            .unwind_info_for_address(&section, &self.bases, &mut context, address)
            .ok()?;
        let registers = Numbers::of(self.machine);
        let computed = |expression: &UnwindExpression<usize>| {
            let expression = expression.get::<Bytes, _>(&section).ok()?;
            Some(expression.0.slice().to_vec())
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } if *register == registers.sp => {
                Some(Cfa::Sp(*offset))
            }
            CfaRule::RegisterAndOffset { register, offset } if *register == registers.fp => {
                Some(Cfa::Fp(*offset))
            }
            CfaRule::RegisterAndOffset { .. } => None,
            CfaRule::Expression(expression) => computed(expression).map(Cfa::Computed),
        };
        let saved = |register| match row.register(register) {
            None | Some(RegisterRule::SameValue) => Saved::Same,
            Some(RegisterRule::Offset(offset)) => Saved::At(offset),
            Some(RegisterRule::Expression(expression)) => {
                computed(&expression).map_or(Saved::Lost, Saved::AtComputed)
            }
            Some(_) => Saved::Lost,
        };
        let back = entry.cie().return_address_register();
        let rule = match (row.register(back), cfa) {
            (Some(RegisterRule::Undefined), _) => Rule::Outermost,
            (_, None) => Rule::Unknown,
            (_, Some(cfa)) => Rule::Told(Row {
                cfa,
                ip: saved(back),
                fp: saved(registers.fp),
                sp: row.register(registers.sp).map(|_| saved(registers.sp)),
            }),
        };
        Some(Said {
            rule,
            is_signal: entry.is_signal_trampoline(),
            start: entry.initial_address(),
        })
    }

    fn entry_at<'a>(
        &self,
        section: &EhFrame<Bytes<'a>>,
        address: u64,
    ) -> Option<FrameDescriptionEntry<Bytes<'a>>> {
        let parse = EhFrame::cie_from_offset;
        let index = EhFrameHdr::new(&self.index, LittleEndian);
        let Ok(index) = index.parse(&self.bases, 8) else {
            return section.fde_for_address(&self.bases, address, parse).ok();
        };
        // Not gimli's own `fde_for_address`, which trusts the index to point behind the
        // section's beginning.
        let table = index.table()?;
        let pointer = table.lookup(address, &self.bases).ok()?.direct().ok()?;
        let offset = pointer.checked_sub(index.eh_frame_ptr().direct().ok()?)?;
        let offset = EhFrameOffset(usize::try_from(offset).ok()?);
        let entry = section.fde_from_offset(&self.bases, offset, parse).ok()?;
        entry.contains(address).then_some(entry)
    }
}

/// The numbers that DWARF gives a machine's registers.
struct Numbers {
    sp: Register,
    fp: Register,
    ip: Register,
}

impl Numbers {
    fn of(machine: Machine) -> Self {
        let (sp, fp, ip) = match machine {
            Machine::X86_64 => (X86_64::RSP, X86_64::RBP, X86_64::RA),
            Machine::Aarch64 => (AArch64::SP, AArch64::X29, AArch64::X30),
        };
        Self { sp, fp, ip }
    }
}

impl Row {
    /// The caller's registers; nothing where a word cannot be read or was not saved.
    pub(super) fn caller(
        &self,
        machine: Machine,
        at: Cursor,
        memory: &mut impl Memory,
    ) -> Option<Cursor> {
        let cfa = match &self.cfa {
            Cfa::Sp(offset) => at.sp.checked_add_signed(*offset)?,
            Cfa::Fp(offset) => at.fp.checked_add_signed(*offset)?,
            Cfa::Computed(expression) => evaluate(machine, expression, at, None, memory)?,
        };
        let mut found = |saved: &Saved, unchanged: Option<u64>| match saved {
            Saved::Same => unchanged,
            Saved::At(offset) => memory.word(cfa.checked_add_signed(*offset)?),
            Saved::AtComputed(expression) => {
                let address = evaluate(machine, expression, at, Some(cfa), memory)?;
                memory.word(address)
            }
            Saved::Lost => None,
        };
        let ip = found(&self.ip, at.lr)?;
        let sp = match &self.sp {
            Some(saved) => found(saved, Some(cfa))?,
            None => cfa,
        };
        Some(Cursor {
            ip,
            sp,
            // Who is called by code that uses it for something else does not need it.
            fp: found(&self.fp, Some(at.fp)).unwrap_or(0),
            lr: None,
        })
    }
}

/// The caller's registers where a frame pointer leads to them.
pub(super) fn by_frame_pointer(at: Cursor, memory: &mut impl Memory) -> Option<Cursor> {
    let above = at.fp.checked_add(8)?;
    (at.fp >= at.sp).then_some(())?;
    Some(Cursor {
        fp: memory.word(at.fp)?,
        ip: memory.word(above)?,
        sp: above.checked_add(8)?,
        lr: None,
    })
}

/// The most steps of an expression: those of compilers have fewer than ten.
const MOST_STEPS: u32 = 200;

fn evaluate(
    machine: Machine,
    expression: &[u8],
    at: Cursor,
    given: Option<u64>,
    memory: &mut impl Memory,
) -> Option<u64> {
    let encoding = Encoding {
        address_size: 8,
        format: gimli::Format::Dwarf32,
        version: 4,
    };
    let numbers = Numbers::of(machine);
    let code = EndianSlice::new(expression, LittleEndian);
    let mut evaluation = gimli::Expression(code).evaluation(encoding);
    evaluation.set_max_iterations(MOST_STEPS);
    if let Some(given) = given {
        evaluation.set_initial_value(given);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let known = [
                    (numbers.sp, at.sp),
                    (numbers.fp, at.fp),
                    (numbers.ip, at.ip),
                ];
                let (_, value) = known.into_iter().find(|known| known.0 == register)?;
                let value = Value::Generic(value);
                evaluation.resume_with_register(value).ok()?
            }
            EvaluationResult::RequiresMemory {
                address, size: 8, ..
            } => {
                let value = Value::Generic(memory.word(address)?);
                evaluation.resume_with_memory(value).ok()?
            }
            _ => return None,
        };
    }
    match evaluation.as_result() {
        [piece] => match piece.location {
            Location::Address { address } => Some(address),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "rule/tests.rs"]
mod tests;
