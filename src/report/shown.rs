//! What of a report is shown, and how wide.

use super::view::{Block, CAVEATS, IN_SHORT, LEGEND, ON_DEMAND, Section, section_names};
use super::{Format, ReportError, Subject};

/// The width of a text that is not for a terminal.
pub const WIDTH: usize = 100;

/// When it is said what the columns mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Legend {
    /// Below the whole report, and not below single sections.
    #[default]
    Auto,
    /// Below every table that is shown.
    Always,
    /// Nowhere.
    Never,
}

/// What of a report is shown: by default all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Nothing but the verdict and the caveats.
    pub brief: bool,
    /// Whether the columns are explained.
    pub legend: Legend,
    /// The sections that are wanted, by name; none for all.
    pub sections: Vec<String>,
    /// What no line of a text exceeds, unless it is one long word.
    pub width: usize,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            brief: false,
            legend: Legend::Auto,
            sections: Vec::new(),
            width: WIDTH,
        }
    }
}

impl Shown {
    /// Refuses a section that no report of this subject has, and a choice among what has
    /// no sections.
    ///
    /// # Errors
    /// [`ReportError::NoSection`] and [`ReportError::Whole`].
    pub fn check(&self, subject: Subject, format: Format) -> Result<(), ReportError> {
        let all = Self {
            width: self.width,
            ..Self::default()
        };
        if *self != all && !matches!(format, Format::Table | Format::Markdown) {
            return Err(ReportError::Whole {
                format: format.name(),
            });
        }
        let names = section_names(subject);
        let mut wanted = self.sections.iter();
        match wanted.find(|name| !names.contains(&name.as_str())) {
            Some(name) => Err(ReportError::NoSection {
                name: name.clone(),
                subject: subject.name(),
                names: names.join(", "),
            }),
            None => Ok(()),
        }
    }

    /// What is shown of these sections. That there are caveats is said in any case.
    pub(super) fn choose(&self, mut sections: Vec<Section>) -> Vec<Block> {
        let caveats = sections.iter().find(|section| section.name == CAVEATS);
        let caveats = caveats.map_or(0, |section| section.block.len());
        sections.retain(|section| self.shows(section.name));
        fit_legend(&mut sections);
        let below = sections.iter().any(|section| section.name == CAVEATS);
        if let Some(line) = pointer(caveats, below) {
            match sections.first_mut() {
                Some(first) if first.name == IN_SHORT => first.block.say(line),
                _ if below => {}
                _ => sections.push(Section::lines(IN_SHORT, "", vec![line])),
            }
        }
        let mut blocks: Vec<Block> = sections.into_iter().map(|section| section.block).collect();
        blocks.retain(|block| block.len() > 0);
        blocks
    }

    fn shows(&self, name: &str) -> bool {
        let named = self.sections.iter().any(|wanted| wanted == name);
        if self.brief {
            return [IN_SHORT, CAVEATS].contains(&name);
        }
        match (name, self.legend) {
            (LEGEND, Legend::Never) => false,
            (LEGEND, Legend::Always) => true,
            _ => named || self.sections.is_empty() && !ON_DEMAND.contains(&name),
        }
    }
}

/// Leaves out of the legend what no table that is shown has.
fn fit_legend(sections: &mut [Section]) {
    let columns = sections.iter().filter_map(|section| match &section.block {
        Block::Table(table) => Some(&table.columns),
        _ => None,
    });
    let legends = columns.flatten().filter_map(|column| column.legend.clone());
    let known: Vec<(String, String)> = legends.collect();
    let last = sections.last_mut().filter(|last| last.name == LEGEND);
    if let Some(Block::Legend { terms, .. }) = last.map(|last| &mut last.block) {
        terms.retain(|term| term.0 == "±" || known.is_empty() || known.contains(term));
    }
}

/// "2 caveats below", or how to see them.
fn pointer(caveats: usize, below: bool) -> Option<String> {
    let place = match below {
        true => "below",
        false => "not shown here: add --section caveats",
    };
    match caveats {
        0 => None,
        1 => Some(format!("1 caveat {place}")),
        more => Some(format!("{more} caveats {place}")),
    }
}
