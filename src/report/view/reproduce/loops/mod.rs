//! A study of programs that spawn in a loop: its figures, this host's beside
//! them, and what this host says of its claims.

mod changes;
mod chart;
mod claims;
mod differences;
mod names;
mod parents;
mod prose;
mod remarks;
mod time;

pub(super) use chart::chart;

use crate::analysis::reproduce::loops::{Programs, is_control};
use crate::model::{Availability, Loop, LoopSystem, Order, Program, ReproduceOrder};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{counted, integer, significant};
use crate::report::view::reproduce::source;
use crate::report::view::table::{Column, Table};
use crate::report::view::{Answers, Section};

/// Makes a table, and notes why figures are missing from it.
type Maker = fn(&Programs<'_>, &mut Footnotes) -> Table;

impl<'a> Programs<'a> {
    /// The tables in the order of reading, and what they say in a few sentences.
    pub(super) fn answers(&self, footnotes: &mut Footnotes) -> Answers {
        let makers: [(&str, Maker); 5] = [
            ("time", time::real),
            ("cpu", time::cpu),
            ("parents", parents::spaces),
            ("calls", parents::calls),
            ("differences", differences::table),
        ];
        let table = |(name, make): (_, Maker)| {
            let table = footnotes.under_next(self.document, |notes| make(self, notes));
            Section::table(name, table)
        };
        let mut sections = vec![source::section(self.study, self.how_repeated())];
        sections.extend(makers.into_iter().map(table));
        let title = "What the study supposed, tested here";
        sections.push(Section::lines("claims", title, claims::lines(self)));
        let title = format!("What has changed since {}", self.study.source.year);
        sections.push(Section::lines("changes", &title, changes::lines(self)));
        (sections, changes::in_short(self))
    }

    /// The columns that name a row, a program.
    fn grid<'g>(&self) -> Grid<'g, &'a Loop>
    where
        'a: 'g,
    {
        Grid::new()
            .placed(|row: &&Loop, _| (names::key(row.system).to_owned(), None))
            .column(Column::name("#"), |row| names::key(row.system))
            .column(Column::name("program"), |row| names::program(row.system))
    }

    /// The table of all programs, with a rule where the study's own end.
    fn table(&self, grid: Grid<'_, &'a Loop>, title: &str, notes: &mut Footnotes) -> Table {
        let mut rows = self.loops.rows.iter();
        let first = rows.position(|row| is_control(row.system));
        let rule = first.filter(|first| *first > 0);
        grid.table(title, &self.loops.rows, notes).ruled(rule)
    }

    /// What the children execute, as it was typed.
    fn spawned(&self) -> String {
        match &self.document.plan.program {
            Program::Embedded => "the embedded program".to_owned(),
            Program::Path { argv, .. } => argv.join(" "),
        }
    }

    /// The size of what was built, the interpreter and the loops.
    fn how_repeated(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.study.scale < 1.0 {
            let because = self.study.scaled_because.as_deref();
            let because = because.map_or(String::new(), |because| format!(": {because}"));
            let share = significant(self.study.scale);
            lines.push(format!("built to {share} of its sizes{because}"));
        }
        lines.push(match &self.loops.interpreter {
            Availability::Measured(found) => {
                format!("here: Python {} ({})", found.version, found.path)
            }
            Availability::Missing(missing) => {
                format!("here: no interpreter: {}", missing.in_words())
            }
        });
        if let Order::Reproduce(ReproduceOrder {
            loops: Some(order), ..
        }) = &self.document.plan.order
        {
            lines.push(format!(
                "loops of {}, {} the longer one{}",
                counted(order.iterations, "run"),
                integer(order.long_iterations),
                self.timed(),
            ));
        }
        lines
    }

    /// How often the loops were timed; a row that failed on its way says so itself.
    fn timed(&self) -> String {
        let of = |is_long: bool| {
            let rows = self.loops.rows.iter();
            let rows = rows.filter(|row| (row.system == LoopSystem::PythonPopenLong) == is_long);
            let whole = rows.filter(|row| row.failed.is_none());
            let runs = whole.filter_map(|row| Some(row.here.measured()?.runs.len() as u64));
            times(&runs.collect::<Vec<_>>())
        };
        match (of(false), of(true)) {
            (Some(each), Some(long)) if each != long => {
                format!("; timed {each} each, the longer one {long}, by turns")
            }
            (Some(each), _) => format!("; timed {each} each, by turns"),
            (None, Some(long)) => format!("; timed {long}"),
            (None, None) => String::new(),
        }
    }
}

/// "7 times", or "2 to 3 times" where some had a turn less; `None` without any.
fn times(runs: &[u64]) -> Option<String> {
    let (least, most) = (runs.iter().min()?, runs.iter().max()?);
    let times = counted(*most, "time");
    Some(if least == most {
        times
    } else {
        format!("{} to {times}", integer(*least))
    })
}
