//! The rules for aarch64: the instructions that occur in an entry, and what
//! each does to the registers. The first three arguments are x0, x1 and x2.

use super::{Call, Value};

/// The number that means the stack pointer, or zero, instead of a register.
const SP: usize = 31;

/// Follows `code`, which lies at `address` and gets `first` in x0, to its first
/// call; `None` at any instruction that no rule knows.
pub(super) fn first_call(code: &[u8], address: u64, first: Value) -> Option<Call> {
    let mut registers = Registers::new(first);
    let mut address = address;
    for bytes in code.as_chunks().0 {
        let word = u32::from_le_bytes(*bytes);
        if word & 0x7c00_0000 == 0x1400_0000 {
            let target = address.wrapping_add_signed(signed(word, 0, 26) * 4);
            return Some(Call {
                arguments: [0, 1, 2].map(|argument| registers.get(argument)),
                target: Some(target),
            });
        }
        let effect = constant(word, address, &registers).or_else(|| memory(word, &registers));
        match effect? {
            Effect::Nothing => {}
            Effect::Set(register, value) => registers.set(register, value),
        }
        address = address.wrapping_add(4);
    }
    None
}

/// What an instruction does.
enum Effect {
    /// Nothing that matters.
    Nothing,
    /// Sets a register.
    Set(usize, Value),
}

/// Instructions that reckon with constants and registers only.
fn constant(word: u32, address: u64, registers: &Registers) -> Option<Effect> {
    let to = field(word, 0);
    let from = field(word, 5);
    let value = match word {
        // nop, bti, paciasp and all other hints
        _ if word & 0xffff_f01f == 0xd503_201f => return Some(Effect::Nothing),
        // and sp, x0, #-16
        0x927c_ec1f => return Some(Effect::Nothing),
        // adrp
        _ if word & 0x9f00_0000 == 0x9000_0000 => {
            Value::At((address & !0xfff).wrapping_add_signed(relative(word) << 12))
        }
        // adr
        _ if word & 0x9f00_0000 == 0x1000_0000 => {
            Value::At(address.wrapping_add_signed(relative(word)))
        }
        // movz and movk, 64 bits
        _ if word & 0xff80_0000 == 0xd280_0000 => Value::At(quarter(word)),
        _ if word & 0xff80_0000 == 0xf280_0000 => match registers.get(to) {
            Value::At(old) => {
                let mask = 0xffff << (16 * (word >> 21 & 3));
                Value::At(old & !mask | quarter(word))
            }
            _ => Value::Unknown,
        },
        // mov, between registers
        _ if word & 0xffe0_ffe0 == 0xaa00_03e0 => match field(word, 16) {
            SP => Value::At(0),
            other => registers.get(other),
        },
        // add of a constant
        _ if word & 0xff80_0000 == 0x9100_0000 => {
            let shift = 12 * (word >> 22 & 1);
            let summand = u64::from(word >> 10 & 0xfff) << shift;
            match registers.get(from) {
                Value::At(address) => Value::At(address.wrapping_add(summand)),
                Value::Stack => Value::Stack,
                _ => Value::Unknown,
            }
        }
        _ => return None,
    };
    Some(Effect::Set(to, value))
}

/// Instructions that load and store.
fn memory(word: u32, registers: &Registers) -> Option<Effect> {
    let to = field(word, 0);
    let base = registers.get(field(word, 5));
    let loaded = match (word, base) {
        // stp x29, x30, [sp, #...]!: a frame of a C function
        _ if word & 0xffc0_7fff == 0xa980_7bfd => return Some(Effect::Nothing),
        // ldr of 64 bits, with a distance, from the stack or from a constant
        // address
        (_, Value::Stack) if word & 0xffc0_0000 == 0xf940_0000 => Value::FromStack,
        (_, Value::At(address)) if word & 0xffc0_0000 == 0xf940_0000 => {
            let distance = u64::from(word >> 10 & 0xfff) * 8;
            Value::In(address.wrapping_add(distance))
        }
        // ldr and ldrsw of 32 bits, from the stack
        (_, Value::Stack) if word & 0xffc0_0000 == 0xb940_0000 => Value::FromStack,
        (_, Value::Stack) if word & 0xffc0_0000 == 0xb980_0000 => Value::FromStack,
        // ldr of 64 or 32 bits that moves its base along the stack
        (_, Value::Stack) if word & 0xbfe0_0c00 == 0xb840_0400 => Value::FromStack,
        _ => return None,
    };
    Some(Effect::Set(to, loaded))
}

/// The general registers, and the stack pointer in the place of the 32nd.
struct Registers([Value; 32]);

impl Registers {
    fn new(first: Value) -> Self {
        let mut values = [Value::Unknown; 32];
        values[0] = first;
        values[SP] = Value::Stack;
        Self(values)
    }

    fn get(&self, register: usize) -> Value {
        self.0[register]
    }

    /// The stack pointer stays in the stack whatever it is set to, and what is
    /// written to the register zero is lost.
    fn set(&mut self, register: usize, value: Value) {
        if register != SP {
            self.0[register] = value;
        }
    }
}

/// The number of a register, from bit `at` on.
fn field(word: u32, at: u32) -> usize {
    (word >> at & 31) as usize
}

/// `len` bits from bit `at` on, as a number with a sign.
fn signed(word: u32, at: u32, len: u32) -> i64 {
    let up = 32 - len - at;
    i64::from((word << up).cast_signed() >> (32 - len))
}

/// The distance in adr and adrp.
fn relative(word: u32) -> i64 {
    signed(word, 5, 19) << 2 | i64::from(word >> 29 & 3)
}

/// The 16 bits of a movz or movk, where they go.
fn quarter(word: u32) -> u64 {
    u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[u32]) -> Option<Call> {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        first_call(&code, 0x1_2345_6780, Value::Unknown)
    }

    #[test]
    fn a_constant_in_four_parts_is_put_together() {
        // movz x0, #0x1111, lsl #48 and three movk, as glibc before 2.26 did
        let parts = [0xd2e2_2220, 0xf2c4_4440, 0xf2a6_6660, 0xf288_8880];
        let call = call(&[&parts[..], &[0x9400_0000]].concat()).unwrap();
        assert_eq!(call.arguments[0], Value::At(0x1111_2222_3333_4444));
        assert_eq!(call.target, Some(0x1_2345_6790));
    }

    #[test]
    fn distances_go_backwards_too() {
        // adrp x0, -0x1000; adr x1, -4; adrp x2, +0x3000; b -12
        let call = call(&[0xf0ff_ffe0, 0x10ff_ffe1, 0xf000_0002, 0x17ff_fffd]).unwrap();
        let [first, second, third] = call.arguments;
        assert_eq!(first, Value::At(0x1_2345_5000));
        assert_eq!(second, Value::At(0x1_2345_6780));
        assert_eq!(third, Value::At(0x1_2345_9000));
        assert_eq!(call.target, Some(0x1_2345_6780));
    }

    #[test]
    fn an_unknown_instruction_is_the_end() {
        assert_eq!(call(&[0xd503_201f, 0xd65f_03c0, 0x1400_0000]), None); // ret
        assert_eq!(call(&[0xd503_201f]), None);
    }
}
