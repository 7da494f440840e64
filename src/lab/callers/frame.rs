//! What is told of a call's way: frames from the system call outwards, and why there are
//! no more of them.
//!
//! Names are those of files that anybody may have written, as they stand there; only
//! [`Frame`]'s text has passed [`harmless`]. Nothing is guessed: a name is there if a symbol
//! says that the address belongs to it.

use std::fmt;
use std::sync::Arc;

use crate::units::harmless;

/// The most frames of a chain.
pub const MOST: usize = 12;

/// The longest text of a frame's part.
const LONGEST: usize = 200;

/// A place in a program's code that a call came through. It is the same for all processes
/// that have mapped the file, wherever they did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The file's name, such as `libc.so.6`; absent for code that lies in no file.
    pub module: Option<String>,
    /// Its path, as the process sees it.
    pub path: Option<String>,
    /// The function, by the file's symbols: of Rust as it stands in the source, all others
    /// as the linker knows them.
    pub function: Option<String>,
    /// How far into the function the call is. Without one, its address in the file as
    /// `objdump` tells it; without a file, in the process.
    pub offset: u64,
}

impl fmt::Display for Frame {
    /// `posix_spawn (libc.so.6)`, `libc.so.6+0x9f3c1`, `0x7f3b5c0de000 (in no file)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harmless = |text: &str| harmless(text, LONGEST);
        match (&self.function, &self.module) {
            (Some(function), Some(module)) => {
                write!(f, "{} ({})", harmless(function), harmless(module))
            }
            (Some(function), None) => f.write_str(&harmless(function)),
            (None, Some(module)) => write!(f, "{}+{:#x}", harmless(module), self.offset),
            (None, None) => write!(f, "{:#x} (in no file)", self.offset),
        }
    }
}

/// The way of a call, from the function that made the system call outwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its frames; they are shared, since programs call from few places.
    pub frames: Vec<Arc<Frame>>,
    /// Why there are no more.
    pub end: End,
}

/// Why a chain has no more frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Nobody called its last function: the program or thread begins there.
    Outermost,
    /// There are more frames than are told ([`MOST`]).
    Cut,
    /// Nothing says how the last frame's code keeps its caller: it has neither unwind
    /// information nor, by what its function begins with, a frame pointer.
    NoUnwinding,
    /// The last frame is code that lies in no file: made at run time, or the kernel's own.
    NoFile,
    /// Memory or files of the process could not be read.
    Unreadable,
    /// What should be the last frame's return address is none.
    Astray,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_by_its_function_or_else_its_place_and_steers_no_terminal() {
        let frame = |function: Option<&str>, module: Option<&str>| Frame {
            function: function.map(str::to_owned),
            module: module.map(str::to_owned),
            path: None,
            offset: 0x1f,
        };
        let text = |function, module| frame(function, module).to_string();
        let both = text(Some("posix_spawn"), Some("libc.so.6"));
        assert_eq!(both, "posix_spawn (libc.so.6)");
        assert_eq!(text(None, Some("sh")), "sh+0x1f");
        assert_eq!(text(None, None), "0x1f (in no file)");
        let evil = text(Some("a\u{1b}[2Jb"), Some("c\nd"));
        assert_eq!(evil, "a [2Jb (c d)");
    }
}
