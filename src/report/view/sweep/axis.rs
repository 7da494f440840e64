//! The axis along which the address spaces of a document differ, in words.

use crate::analysis::sweep::Axis;

use crate::report::view::number::counted;
use crate::report::view::table::Column;

impl Axis {
    /// The column of its sizes.
    pub(in crate::report::view) fn column(self) -> Column {
        let own = "of the spawning process, its own included";
        match self {
            Self::Mappings => Column::key("mappings")
                .explained("VMAs that a fork of the spawning process copies, its own included"),
            Self::Ptes => Column {
                subheader: "PTEs".to_owned(),
                ..Column::key("present")
            },
            Self::Descriptors => {
                Column::key("fds").explained(format!("open file descriptors {own}"))
            }
            Self::Jobs => Column::key("jobs")
                .explained("parents that spawn at once; the times are those of one"),
            Self::Threads => Column::key("threads").explained(format!(
                "{own}: all but one sleep; each has a stack and a guard, two mappings"
            )),
        }
    }

    /// What comes with one more of them.
    pub(in crate::report::view) fn held(self) -> &'static str {
        match self {
            Self::Mappings => "all they hold",
            Self::Ptes => "their page tables",
            Self::Descriptors => "their open files",
            Self::Threads => "their stacks",
            Self::Jobs => "what they wait for",
        }
    }

    /// A size as prose.
    pub(in crate::report::view) fn prose(self, size: u64) -> String {
        match self {
            Self::Mappings => counted(size, "mapping"),
            Self::Ptes => counted(size, "present PTE"),
            Self::Descriptors => counted(size, "descriptor"),
            Self::Threads => counted(size, "thread"),
            Self::Jobs if size == 1 => "one parent alone".to_owned(),
            Self::Jobs => counted(size, "parent") + " at once",
        }
    }
}
