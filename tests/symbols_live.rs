//! The kernel's own symbols, as this machine shows them.

use std::fs::{self, File};
use std::io::BufReader;

use forktax::profile::symbols::{Symbols, SymbolsError};

#[test]
fn this_kernel_s_symbols_are_read_or_refused_with_a_remedy() {
    let Ok(file) = File::open("/proc/kallsyms") else {
        println!("skipped: /proc/kallsyms cannot be read");
        return;
    };
    let symbols = match Symbols::parse(BufReader::new(file)) {
        Ok(symbols) => symbols,
        Err(error) => {
            println!("skipped: {error}");
            assert!(
                matches!(error, SymbolsError::Hidden | SymbolsError::Empty),
                "{error}"
            );
            let hidden = matches!(error, SymbolsError::Hidden);
            assert_eq!(error.remedy().is_some(), hidden);
            return;
        }
    };
    let text = fs::read_to_string("/proc/kallsyms").unwrap();
    let address_of = |name: &str| {
        let ending = format!(" {name}");
        let line = text.lines().find(|line| line.ends_with(&ending)).unwrap();
        u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
    };
    // Global functions that every kernel since 5.4 has.
    for name in [
        "copy_page_range",
        "exit_mmap",
        "do_exit",
        "unlink_anon_vmas",
    ] {
        let address = address_of(name);
        assert_eq!(symbols.resolve(address), Some(name));
        assert_eq!(symbols.resolve(address + 1), Some(name));
    }
    assert_eq!(symbols.resolve(0), None);
}
