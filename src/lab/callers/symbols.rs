//! Which function an address belongs to, by a file's table of symbols.
//!
//! Pure. A symbol is given only if the address lies within what the symbol covers: its
//! size, or, for code that was assembled without sizes, as far as the next symbol of the
//! same section, provided that none is missing. So a function whose symbol was stripped is told by none, and not by its
//! neighbour's. The table is searched from end to end, since a file is asked about a
//! handful of addresses and sorting would take longer.

use object::LittleEndian;
use object::elf::{self, Sym64};
use object::pod::slice_from_all_bytes;
use object::read::elf::Sym;

use super::layout::Part;

/// A function that holds an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Its first address.
    pub(super) start: u64,
    /// Its name, as the source has it where that is known.
    pub(super) name: String,
}

/// The function at an address. `text` are the sections of code, `name` reads a name by its
/// place among the names; symbols without a size count only if `by_next`.
pub(super) fn find(
    table: &[u8],
    text: &[Part],
    address: u64,
    by_next: bool,
    name: impl Fn(u32) -> Option<Vec<u8>>,
) -> Option<Named> {
    let section = text.iter().find(|part| part.holds(address))?;
    let covering = covering(symbols(table), section, address, by_next);
    let named = covering.into_iter().filter_map(|symbol| {
        let raw = name(symbol.st_name(LittleEndian))?;
        let name = legible(&String::from_utf8_lossy(&raw))?;
        // Of a function's several names the one that is written: global, with the fewest
        // underscores before it.
        let underscores = name.len() - name.trim_start_matches('_').len();
        let rank = (symbol.is_local(), underscores, name.len());
        let start = symbol.st_value(LittleEndian);
        Some((rank, Named { start, name }))
    });
    let named = named.min_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
    named.map(|(_, named)| named)
}

/// The functions that have one of these names, with the bytes that they have.
pub(super) fn of_names(
    table: &[u8],
    wanted: &[&str],
    name: impl Fn(u32) -> Option<Vec<u8>>,
) -> Vec<(Named, u64)> {
    let symbols = symbols(table).iter().filter(|symbol| is_code(symbol));
    let found = symbols.filter_map(|symbol| {
        let raw = name(symbol.st_name(LittleEndian))?;
        let name = legible(std::str::from_utf8(&raw).ok()?)?;
        let start = symbol.st_value(LittleEndian);
        let is_wanted = wanted.contains(&name.as_str());
        is_wanted.then_some((Named { start, name }, symbol.st_size(LittleEndian)))
    });
    found.collect()
}

fn symbols(table: &[u8]) -> &[Sym64<LittleEndian>] {
    let whole = table.len() - table.len() % size_of::<Sym64<LittleEndian>>();
    slice_from_all_bytes(&table[..whole]).unwrap_or_default()
}

/// The symbols that cover an address most narrowly.
fn covering<'a>(
    symbols: &'a [Sym64<LittleEndian>],
    section: &Part,
    address: u64,
    by_next: bool,
) -> Vec<&'a Sym64<LittleEndian>> {
    let value = |symbol: &Sym64<LittleEndian>| symbol.st_value(LittleEndian);
    let size = |symbol: &Sym64<LittleEndian>| symbol.st_size(LittleEndian);
    let (mut narrowest, mut before, mut is_bounded) = (u64::MAX, None, false);
    for symbol in symbols.iter().filter(|symbol| is_code(symbol)) {
        let (start, size) = (value(symbol), size(symbol));
        if !section.holds(start) {
            continue;
        }
        if start > address {
            is_bounded = true;
            continue;
        }
        before = before.max(Some(start));
        if address - start < size {
            narrowest = narrowest.min(size);
        }
    }
    let has_sized = narrowest != u64::MAX;
    let covers = |symbol: &&Sym64<LittleEndian>| {
        let (start, size) = (value(symbol), size(symbol));
        if has_sized {
            size == narrowest && address.wrapping_sub(start) < size
        } else {
            by_next && is_bounded && size == 0 && Some(start) == before
        }
    };
    let functions = symbols.iter().filter(|symbol| is_code(symbol));
    functions.filter(covers).collect()
}

/// Whether the symbol is one of code in this file.
fn is_code(symbol: &Sym64<LittleEndian>) -> bool {
    let kind = symbol.st_type();
    !symbol.is_undefined(LittleEndian)
        && (kind == elf::STT_FUNC
            || kind == elf::STT_GNU_IFUNC
            || kind == elf::STT_NOTYPE && !symbol.is_local())
}

/// A name as its author wrote it: without the version of a symbol, without what compilers
/// append to parts of functions, and of Rust demangled. C++'s stays as it is.
fn legible(name: &str) -> Option<String> {
    let name = match name.split_once('@') {
        Some((name, _)) if !name.is_empty() => name,
        _ => name,
    };
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return Some(format!("{name:#}"));
    }
    let mut name = name;
    while let Some(shorter) = without_suffix(name) {
        name = shorter;
    }
    (!name.is_empty()).then(|| name.to_owned())
}

fn without_suffix(name: &str) -> Option<&str> {
    if let Some(name) = name.strip_suffix(".cold").or(name.strip_suffix(".abi0")) {
        return Some(name);
    }
    let (rest, number) = name.rsplit_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let (name, kind) = rest.rsplit_once('.')?;
    let is_part = ["isra", "constprop", "part", "lto_priv", "llvm"].contains(&kind);
    (is_number && is_part && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: [Part; 2] = [
        Part {
            address: 0x1000,
            at: 0,
            len: 0x1000,
        },
        Part {
            address: 0x2000,
            at: 0,
            len: 0x1000,
        },
    ];
    const GLOBAL: u8 = 0x12;
    const LOCAL: u8 = 0x02;

    /// Symbols of a name, how they bind, where they are and what size they have.
    fn at(address: u64, symbols: &[(&str, u8, u64, u64)]) -> Option<(String, u64)> {
        in_table(address, symbols, true)
    }

    fn in_table(
        address: u64,
        symbols: &[(&str, u8, u64, u64)],
        by_next: bool,
    ) -> Option<(String, u64)> {
        let mut table = Vec::new();
        for (place, (_, info, value, size)) in (0_u32..).zip(symbols) {
            table.extend(place.to_le_bytes());
            table.extend([*info, 0, 1, 0]);
            table.extend(value.to_le_bytes());
            table.extend(size.to_le_bytes());
        }
        let name = |place: u32| {
            let symbol = symbols.get(usize::try_from(place).ok()?)?;
            Some(symbol.0.as_bytes().to_vec())
        };
        find(&table, &TEXT, address, by_next, name).map(|named| (named.name, named.start))
    }

    #[test]
    fn a_symbol_names_what_it_covers_and_no_more() {
        let symbols = [("f", GLOBAL, 0x1100, 0x10), ("g", LOCAL, 0x1200, 0x80)];
        let function = |address| at(address, &symbols).map(|found| found.0);
        assert_eq!(function(0x1100).as_deref(), Some("f"));
        assert_eq!(function(0x110f).as_deref(), Some("f"));
        assert_eq!(function(0x1110), None, "behind it: a stripped one's");
        assert_eq!(at(0x1234, &symbols), Some(("g".to_owned(), 0x1200)));
        assert_eq!(function(0x10ff), None);
        assert_eq!(function(0x9000), None);
    }

    #[test]
    fn one_without_a_size_reaches_to_the_next_of_its_section() {
        let symbols = [
            ("vfork", GLOBAL, 0x1100, 0),
            ("next", GLOBAL, 0x1120, 0x10),
            ("last", GLOBAL, 0x1200, 0),
            ("other", GLOBAL, 0x2000, 0x10),
        ];
        let function = |address| at(address, &symbols).map(|found| found.0);
        assert_eq!(function(0x111f).as_deref(), Some("vfork"));
        assert_eq!(function(0x1130), None, "behind one with a size");
        assert_eq!(function(0x1210), None, "nothing bounds it");
        let exported = in_table(0x111f, &symbols, false);
        assert_eq!(exported, None, "one that is not exported may lie between");
    }

    #[test]
    fn of_several_names_the_public_one_is_told() {
        let symbols = [
            ("__libc_fork", GLOBAL, 0x1100, 0x40),
            ("aaa", LOCAL, 0x1100, 0x40),
            ("fork@@GLIBC_2.2.5", 0x22, 0x1100, 0x40),
            ("wide", GLOBAL, 0x1000, 0x800),
        ];
        assert_eq!(at(0x1110, &symbols), Some(("fork".to_owned(), 0x1100)));
    }

    #[test]
    fn only_code_of_this_file_has_a_name() {
        assert_eq!(at(0x1100, &[("object", 0x11, 0x1100, 8)]), None);
        assert_eq!(at(0x1100, &[("$x", 0, 0x1100, 8)]), None);
    }

    #[test]
    fn names_are_those_of_the_source() {
        let text = |name: &str| legible(name).unwrap();
        assert_eq!(text("do_spawn.constprop.0.isra.12"), "do_spawn");
        assert_eq!(text("f.part.3.cold"), "f");
        assert_eq!(text("main.part"), "main.part");
        assert_eq!(
            text("syscall.rawVforkSyscall.abi0"),
            "syscall.rawVforkSyscall"
        );
        assert_eq!(text("os/exec.(*Cmd).Start"), "os/exec.(*Cmd).Start");
        let rust = "_ZN3std7process7Command5spawn17h0123456789abcdefE";
        assert_eq!(text(rust), "std::process::Command::spawn");
        assert_eq!(text("_ZN10Subprocess5StartEv"), "_ZN10Subprocess5StartEv");
        assert_eq!(legible(""), None);
    }

    proptest! {
        #[test]
        fn any_table_is_searched_without_a_panic(
            table in proptest::collection::vec(any::<u8>(), 0..200),
            address in 0x0f00_u64..0x3100,
        ) {
            for by_next in [false, true] {
                find(&table, &TEXT, address, by_next, |_| Some(b"name".to_vec()));
            }
        }
    }
}
