//! The kernel's own symbols: from an address to the function that holds it.
//!
//! Parses the text of /proc/kallsyms, modules included, and keeps what is code.
//! It takes a reader and opens nothing, so that a text shows what it does. The
//! kernel tells no sizes, so an address belongs to the symbol at or below it,
//! whatever lies in between.

use std::io::{self, BufRead};
use std::ops::Range;

/// Why the symbols could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The text could not be read.
    #[error("cannot read the kernel's symbols")]
    Read(#[source] io::Error),
    /// A line is not of the form "address type name".
    #[error("line {line} of the kernel's symbols is not \"address type name\": \"{}\"", text.escape_debug())]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// How the line begins.
        text: String,
    },
    /// Every address is zero: the kernel shows names only (kernel/ksyms_common.c,
    /// kallsyms_show_value).
    #[error("the kernel hides the addresses of its functions")]
    Hidden,
    /// There is no symbol of code at all.
    #[error("the kernel names no function; it may be built without CONFIG_KALLSYMS")]
    Empty,
}

impl SymbolsError {
    /// What to do about it, where something can be done.
    ///
    /// kptr_restrict alone is not enough for an ordinary user: at 0 the kernel
    /// still asks whether perf may show its addresses (kallsyms_for_perf), and at
    /// 2 it shows them to nobody.
    pub fn remedy(&self) -> Option<&'static str> {
        matches!(self, Self::Hidden).then_some("run as root, with kernel.kptr_restrict at 0 or 1")
    }
}

/// The symbols of code, in order of their addresses.
#[derive(Debug)]
pub struct Symbols {
    /// Strictly ascending.
    entries: Vec<Entry>,
    /// All names, one after the other: 100,000 strings of their own would take
    /// longer to allocate than the text to read.
    names: String,
}

#[derive(Debug, Clone)]
struct Entry {
    address: u64,
    rank: u8,
    name: Range<u32>,
}

/// Where a symbol lies among those of a [`Symbols`].
pub type SymbolIndex = usize;

impl Symbols {
    /// Reads the text of /proc/kallsyms.
    pub fn parse(mut text: impl BufRead) -> Result<Self, SymbolsError> {
        let mut found = Self {
            entries: Vec::new(),
            names: String::new(),
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = text.read_until(b'\n', &mut line);
            if read.map_err(SymbolsError::Read)? == 0 {
                break;
            }
            if found.take(&line).is_none() {
                return Err(SymbolsError::Malformed {
                    line: number,
                    text: String::from_utf8_lossy(&line)
                        .trim_end()
                        .chars()
                        .take(60)
                        .collect(),
                });
            }
        }
        found.sorted()
    }

    /// Takes a line in, if its symbol is code. `None` if it is no such line.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.split_ascii_whitespace();
        let Some(address) = fields.next() else {
            return Some(());
        };
        let (kind, name) = (fields.next()?, fields.next()?);
        let address = u64::from_str_radix(address, 16).ok()?;
        let Some(rank) = rank(kind, name) else {
            return Some(());
        };
        let start = u32::try_from(self.names.len()).ok()?;
        self.names.push_str(plain(name));
        let end = u32::try_from(self.names.len()).ok()?;
        self.entries.push(Entry {
            address,
            rank,
            name: start..end,
        });
        Some(())
    }

    /// Sorts the entries and leaves one name for each address.
    fn sorted(mut self) -> Result<Self, SymbolsError> {
        if self.entries.is_empty() {
            return Err(SymbolsError::Empty);
        }
        if self.entries.iter().all(|entry| entry.address == 0) {
            return Err(SymbolsError::Hidden);
        }
        // The sort is stable: among names of one rank the first in the text
        // stays first, and is the one that is kept.
        self.entries
            .sort_by_key(|entry| (entry.address, entry.rank));
        self.entries.dedup_by_key(|entry| entry.address);
        Ok(self)
    }

    /// The symbol at the address or below it; `None` below the first one.
    pub fn find(&self, address: u64) -> Option<SymbolIndex> {
        let above = self
            .entries
            .partition_point(|entry| entry.address <= address);
        above.checked_sub(1)
    }

    /// The name of a symbol, without what the compiler added to it.
    pub fn name(&self, symbol: SymbolIndex) -> &str {
        self.entries.get(symbol).map_or("", |entry| {
            &self.names[entry.name.start as usize..entry.name.end as usize]
        })
    }

    /// The name of the function that holds the address.
    pub fn resolve(&self, address: u64) -> Option<&str> {
        self.find(address).map(|symbol| self.name(symbol))
    }
}

/// Which of several names of one address is kept, the lowest first: a name that
/// the whole kernel knows is likelier to be in a table than a local alias, and
/// than the alias by which early code calls it (`__pi_memcpy`).
fn rank(kind: &str, name: &str) -> Option<u8> {
    let rank = match kind {
        "T" => 0,
        "t" => 1,
        "W" => 2,
        "w" => 3,
        _ => return None,
    };
    let early = name.starts_with("__pi_");
    Some(if early { rank + 4 } else { rank })
}

/// The name as it stands in the source: without `.isra.0`, `.constprop.0`,
/// `.part.0`, `.cold`, `.llvm.123` and their combinations. No name in C has a
/// dot in it, so all from the first dot on is the compiler's.
pub fn plain(name: &str) -> &str {
    match name.find('.') {
        Some(0) | None => name,
        Some(dot) => &name[..dot],
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t zap_pte_range.isra.0
ffffffff81000200 T __x64_sys_execve
ffffffff81000200 t alias_of_it
ffffffff81000300 T __pi_weak_one
ffffffff81000300 W weak_one
ffffffff81000400 D some_data
ffffffffc0000000 t ext4_file_open\t[ext4]
ffffffffc0000000 T before_it\t[ext4]
ffffffff81000180 t copy_pte_range.constprop.0.isra.0.cold
";

    #[test]
    fn an_address_belongs_to_the_function_at_or_below_it() {
        let symbols = Symbols::parse(TEXT.as_bytes()).unwrap();
        for (address, name) in [
            (0xffff_ffff_80ff_ffff, None),
            (0xffff_ffff_8100_0000, Some("_stext")),
            (0xffff_ffff_8100_017f, Some("zap_pte_range")),
            (0xffff_ffff_8100_0180, Some("copy_pte_range")),
            (0xffff_ffff_8100_0234, Some("__x64_sys_execve")),
            (0xffff_ffff_8100_0500, Some("weak_one")),
            (0xffff_ffff_c000_0001, Some("before_it")),
            (u64::MAX, Some("before_it")),
        ] {
            assert_eq!(symbols.resolve(address), name, "{address:x}");
        }
    }

    #[test]
    fn what_compilers_add_is_taken_off() {
        for (given, name) in [
            ("do_exit", "do_exit"),
            ("unmap_single_vma.isra.0", "unmap_single_vma"),
            ("count.constprop.0.isra.0", "count"),
            ("vms_clear_ptes.part.0.cold", "vms_clear_ptes"),
            ("foo.llvm.1234567", "foo"),
            (".L1", ".L1"),
        ] {
            assert_eq!(plain(given), name);
        }
    }

    #[test]
    fn hidden_addresses_are_an_error_with_a_remedy() {
        let text = "0000000000000000 T _stext\n0000000000000000 t a\t[m]\n";
        let error = Symbols::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, SymbolsError::Hidden), "{error}");
        assert!(error.remedy().unwrap().contains("kernel.kptr_restrict"));
    }

    #[test]
    fn a_text_without_code_or_with_junk_is_refused() {
        let none = Symbols::parse(&b"ffffffff81000000 D data\n\n"[..]).unwrap_err();
        assert!(matches!(none, SymbolsError::Empty));
        assert!(none.remedy().is_none());
        for junk in ["ffff T\n", "xyz T name\n", "\u{7}\n", "1 T a\n2\n"] {
            let error = Symbols::parse(junk.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("line "), "{error}");
        }
        let bytes = Symbols::parse(&b"\xff\xfe T a\n"[..]).unwrap_err();
        assert!(matches!(bytes, SymbolsError::Malformed { line: 1, .. }));
    }

    proptest! {
        #[test]
        fn any_address_resolves_to_the_largest_symbol_not_above_it(
            starts in proptest::collection::vec(1_u64..1 << 20, 1..60),
            address in 0_u64..1 << 21,
        ) {
            let mut text = String::new();
            for start in &starts {
                writeln!(text, "{start:016x} t f_{start}").unwrap();
            }
            let symbols = Symbols::parse(text.as_bytes()).unwrap();
            let below = starts.iter().filter(|start| **start <= address).max();
            let expected = below.map(|start| format!("f_{start}"));
            prop_assert_eq!(symbols.resolve(address), expected.as_deref());
        }

        #[test]
        fn parsing_never_panics(text in "[0-9a-fTtwWD .\\[\\]_\n\t]{0,200}|\\PC{0,80}") {
            if let Ok(symbols) = Symbols::parse(text.as_bytes()) {
                prop_assert!(symbols.resolve(u64::MAX).is_some());
            }
        }
    }
}
