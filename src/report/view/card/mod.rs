//! The price list of a host as tables and sentences: one file an answer.

mod chart;
mod child;
mod design;
mod figures;
mod grade;
mod names;
mod others;
mod terms;
mod words;

use crate::analysis::card::{Charged, Tried};
use crate::model::Missing;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::picture::Picture;
use crate::report::view::table::Table;
use crate::report::view::{Answers, Section};

/// Makes a table, and notes why figures are missing from it.
type Maker = fn(&Charged<'_>, &mut Footnotes) -> Table;

impl Charged<'_> {
    /// The tables in the order of reading, and what they say in a few sentences.
    pub(super) fn answers(&self, footnotes: &mut Footnotes) -> Answers {
        let fit = self.fit();
        let makers: [(&str, Maker); 10] = [
            ("prices", terms::table),
            ("beside", others::parents),
            ("methods", others::spawns),
            ("programs", child::programs),
            ("faults", child::faults),
            ("grade", grade::table),
            ("unseen", design::unseen),
            ("unseen", design::unseen_times),
            ("design", design::fitted),
            ("design", design::fitted_times),
        ];
        let table = |(name, make): (_, Maker)| {
            let table = footnotes.under_next(self.document, |notes| make(self, notes));
            Section::table(name, table)
        };
        let mut sections: Vec<Section> = makers.into_iter().map(table).collect();
        sections.insert(1, Section::new("work", terms::legend(self)));
        let title = "Left out of the design";
        sections.push(Section::lines("left-out", title, design::left_out(self)));
        (sections, words::sentences(self, fit.as_ref()))
    }

    /// The picture, or why there is none.
    pub(super) fn picture(&self) -> Result<Picture, Missing> {
        let Some(plot) = chart::forecasts(self) else {
            let missing = self.prices().grade.missing().cloned();
            return Err(missing.unwrap_or_else(Missing::not_reached));
        };
        let fit = self.fit();
        let shares = fit.and_then(|fit| chart::shares(self, &fit));
        Ok(match shares {
            Some(shares) => Picture::Both(plot, shares),
            None => Picture::Lines(plot),
        })
    }
}

impl Tried<'_> {
    /// What the parent is called in a table.
    fn key(self) -> String {
        (self.index + 1).to_string()
    }

    /// The same for a footnote.
    fn name(self) -> String {
        format!("parent {}", self.key())
    }
}
