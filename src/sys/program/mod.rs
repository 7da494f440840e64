//! Programs as files: their headers, and the code that they begin with. Pure, and
//! read with suspicion: anybody may have written them.

pub mod elf;
pub mod entry_code;
