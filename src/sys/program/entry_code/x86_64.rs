//! The rules for x86_64: the encodings that occur in an entry, and what each
//! does to rdi, rsi and rdx, the first three arguments.

use super::{Call, Value};

/// What an instruction does.
#[derive(Debug, Clone, Copy)]
enum Effect {
    /// Nothing that matters.
    Nothing,
    /// Sets an argument to a value.
    Set(usize, Value),
    /// Sets an argument to the operand, relative to the next instruction.
    Relative(usize),
    /// Sets an argument to the word at such an address.
    Load(usize),
    /// Sets an argument to the operand, its sign extended.
    Signed(usize),
    /// Sets an argument to the operand.
    Unsigned(usize),
    /// Sets an argument to a word from where rdi points.
    FromFirst(usize),
    /// Sets an argument to an address a little above rdi.
    AboveFirst(usize),
    /// Calls or jumps to the operand, relative to the next instruction.
    Go,
    /// Calls or jumps to where a word in memory says.
    GoThroughMemory,
}

use Effect::{
    AboveFirst, FromFirst, Go, GoThroughMemory, Load, Nothing, Relative, Set, Signed, Unsigned,
};

/// An encoding: its first bytes, whether 32 bits of operand follow, its effect.
type Rule = (&'static [u8], bool, Effect);

/// No encoding is the beginning of another, so their order does not matter.
const RULES: &[Rule] = &[
    (&[0xf3, 0x0f, 0x1e, 0xfa], false, Nothing), // endbr64
    (&[0x31, 0xed], false, Nothing),             // xor ebp, ebp
    (&[0x48, 0x31, 0xed], false, Nothing),       // xor rbp, rbp
    (&[0x49, 0x89, 0xd1], false, Nothing),       // mov r9, rdx
    (&[0x48, 0x83, 0xe4, 0xf0], false, Nothing), // and rsp, -16
    (&[0x48, 0x83, 0xec, 0x08], false, Nothing), // sub rsp, 8
    (&[0x50], false, Nothing),                   // push rax
    (&[0x54], false, Nothing),                   // push rsp
    // The constructors and destructors of libc before 2.34, and of musl.
    (&[0x4c, 0x8d, 0x05], true, Nothing), // lea r8, [rip + operand]
    (&[0x4c, 0x8b, 0x05], true, Nothing), // mov r8, [rip + operand]
    (&[0x49, 0xc7, 0xc0], true, Nothing), // mov r8, operand
    (&[0x41, 0xb8], true, Nothing),       // mov r8d, operand
    (&[0x45, 0x31, 0xc0], false, Nothing), // xor r8d, r8d
    (&[0x45, 0x31, 0xc9], false, Nothing), // xor r9d, r9d
    (&[0x48, 0x8d, 0x0d], true, Nothing), // lea rcx, [rip + operand]
    (&[0x48, 0x8b, 0x0d], true, Nothing), // mov rcx, [rip + operand]
    (&[0x48, 0xc7, 0xc1], true, Nothing), // mov rcx, operand
    (&[0xb9], true, Nothing),             // mov ecx, operand
    (&[0x31, 0xc9], false, Nothing),      // xor ecx, ecx
    // main
    (&[0x48, 0x8d, 0x3d], true, Relative(0)), // lea rdi, [rip + operand]
    (&[0x48, 0x8b, 0x3d], true, Load(0)),     // mov rdi, [rip + operand]
    (&[0x48, 0xc7, 0xc7], true, Signed(0)),   // mov rdi, operand
    (&[0xbf], true, Unsigned(0)),             // mov edi, operand
    // argc and argv, or the stack itself
    (&[0x5e], false, Set(1, Value::FromStack)), // pop rsi
    (&[0x48, 0x89, 0xe2], false, Set(2, Value::Stack)), // mov rdx, rsp
    (&[0x48, 0x89, 0xe7], false, Set(0, Value::Stack)), // mov rdi, rsp
    (&[0x48, 0x8d, 0x35], true, Relative(1)),   // lea rsi, [rip + operand]
    (&[0x8b, 0x37], false, FromFirst(1)),       // mov esi, [rdi]
    (&[0x48, 0x8b, 0x37], false, FromFirst(1)), // mov rsi, [rdi]
    (&[0x48, 0x63, 0x37], false, FromFirst(1)), // movsxd rsi, [rdi]
    (&[0x48, 0x8d, 0x57, 0x08], false, AboveFirst(2)), // lea rdx, [rdi + 8]
    // The end
    (&[0xe8], true, Go),                    // call
    (&[0x67, 0xe8], true, Go),              // addr32 call, as linkers shorten one
    (&[0xe9], true, Go),                    // jmp
    (&[0xff, 0x15], true, GoThroughMemory), // call [rip + operand]
    (&[0xff, 0x25], true, GoThroughMemory), // jmp [rip + operand]
];

/// Follows `code`, which lies at `address` and gets `first` in rdi, to its
/// first call; `None` at any instruction that no rule knows.
pub(super) fn first_call(mut code: &[u8], mut address: u64, first: Value) -> Option<Call> {
    let mut arguments = [first, Value::Unknown, Value::Unknown];
    loop {
        let (bytes, has_operand, effect) = RULES
            .iter()
            .find(|(bytes, ..)| code.starts_with(bytes))
            .copied()?;
        code = &code[bytes.len()..];
        address = address.wrapping_add(bytes.len() as u64);
        let mut operand = 0;
        if has_operand {
            let (number, rest) = code.split_first_chunk()?;
            operand = i32::from_le_bytes(*number);
            code = rest;
            address = address.wrapping_add(4);
        }
        let there = address.wrapping_add_signed(operand.into());
        let if_stack = |value| match arguments[0] {
            Value::Stack => value,
            _ => Value::Unknown,
        };
        let (argument, value) = match effect {
            Nothing => continue,
            Set(argument, value) => (argument, value),
            Relative(argument) => (argument, Value::At(there)),
            Load(argument) => (argument, Value::In(there)),
            Signed(argument) => (argument, Value::At(i64::from(operand).cast_unsigned())),
            Unsigned(argument) => (argument, Value::At(operand.cast_unsigned().into())),
            FromFirst(argument) => (argument, if_stack(Value::FromStack)),
            AboveFirst(argument) => (argument, if_stack(Value::Stack)),
            Go | GoThroughMemory => {
                let target = matches!(effect, Go).then_some(there);
                return Some(Call { arguments, target });
            }
        };
        arguments[argument] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_encoding_is_the_beginning_of_another() {
        for (at, (bytes, ..)) in RULES.iter().enumerate() {
            for (other, ..) in &RULES[at + 1..] {
                assert!(!bytes.starts_with(other) && !other.starts_with(bytes));
            }
        }
    }

    #[test]
    fn a_constant_may_have_a_sign_or_none() {
        let first = |code: &[u8]| first_call(code, 0x1000, Value::Unknown).unwrap();
        let call = first(&[0x48, 0xc7, 0xc7, 0, 0, 0, 0x80, 0xe8, 0, 0, 0, 0]);
        assert_eq!(call.arguments[0], Value::At(0xffff_ffff_8000_0000));
        let call = first(&[0xbf, 0, 0, 0, 0x80, 0xe9, 0xf6, 0xff, 0xff, 0xff]);
        assert_eq!(call.arguments[0], Value::At(0x8000_0000));
        assert_eq!(call.target, Some(0x1000));
    }

    #[test]
    fn main_in_memory_is_found_there() {
        let code = [0x48, 0x8b, 0x3d, 0x10, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0];
        let call = first_call(&code, 0x1000, Value::Unknown).unwrap();
        assert_eq!(call.arguments[0], Value::In(0x1017));
        assert_eq!(call.target, None);
    }
}
