//! Where `main` is, read from the machine code at a program's entry.
//!
//! libc's `_start` hands main, argc and argv to a function of libc's, either at
//! once (glibc) or through one C function (musl's `_start_c`). The code is
//! followed by rules that know nothing but the instructions that such entries
//! are made of. It promises to say nothing rather than something wrong: one
//! instruction that no rule knows, or arguments that are not a constant, a word
//! from the stack and an address in the stack, and main is not known.
//!
//! Pure: memory comes from the caller, and both machines are read on either.

mod aarch64;
mod x86_64;

/// Bytes of code that are enough for any entry that the rules know.
pub const WINDOW: usize = 128;

/// The machine that the code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86_64 with 64-bit addresses.
    X86_64,
    /// aarch64, little-endian.
    Aarch64,
}

/// What libc is given as main.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Main {
    /// Its address.
    At(u64),
    /// The word at this address, once the loader has relocated it.
    In(u64),
}

/// What a register holds, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Anything.
    Unknown,
    /// An address in the stack as the kernel has laid it out.
    Stack,
    /// A word from there.
    FromStack,
    /// A constant.
    At(u64),
    /// A word from a constant address.
    In(u64),
}

/// The first call, or jump, that some code makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    /// What it hands over in the first three registers for arguments.
    arguments: [Value; 3],
    /// Where it goes, if the instruction itself says so.
    target: Option<u64>,
}

/// Finds what the program that begins at `entry` gives to libc as its main.
/// `read` gives [`WINDOW`] bytes from an address on, or fewer where a mapping
/// ends.
pub fn find_main(
    machine: Machine,
    entry: u64,
    read: impl Fn(u64) -> Option<Vec<u8>>,
) -> Option<Main> {
    let follow = |address, first| {
        let code = read(address)?;
        match machine {
            Machine::X86_64 => x86_64::first_call(&code, address, first),
            Machine::Aarch64 => aarch64::first_call(&code, address, first),
        }
    };
    let mut call = follow(entry, Value::Unknown)?;
    if let (Value::Stack, Some(target)) = (call.arguments[0], call.target) {
        // A C function that gets nothing but the stack: musl's `_start_c`.
        call = follow(target, Value::Stack)?;
    }
    match call.arguments {
        [Value::At(main), Value::FromStack, Value::Stack] => Some(Main::At(main)),
        [Value::In(slot), Value::FromStack, Value::Stack] => Some(Main::In(slot)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
