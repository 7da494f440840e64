//! What a process has that no parent of the card had: there is no price for it.

use super::forecast;
use crate::analysis::replica::Blueprint;
use crate::analysis::replica::counts::{copies_entries, fan_out, pages};
use crate::model::{CardPrices, Counts, MappingFlag, ShapeMapping, ShapeReservation};

/// What of this makes a forecast of so many nanoseconds unfounded, in words. What the card
/// has a like price for, by which it is off by less than the card by itself, does not.
pub fn unpriced(built: &Blueprint, prices: &CardPrices, total_ns: f64) -> Vec<&'static str> {
    let reserved = |reservation| built.facts.reservations.contains(&reservation);
    let copied = || {
        built
            .mappings
            .iter()
            .filter(|mapping| copies_entries(mapping))
    };
    let of = |counts: &Counts| forecast(prices, counts)[1];
    let matters = |counts: Counts| {
        let without = of(&Counts::default());
        of(&counts) - without > prices.grade.total.loo_p90 * total_ns
    };
    let guards = copied().map(|mapping| pages(&mapping.guards)).sum();
    let zeros: u64 = copied().map(|mapping| pages(&mapping.huge_zero)).sum();
    let pinned = copied().any(|mapping| !mapping.pinned.is_empty());
    let all = [
        (
            pinned || reserved(ShapeReservation::PinnedElsewhere),
            "pinned pages",
        ),
        (
            matters(Counts {
                ptes: guards,
                ..Counts::default()
            }),
            "guards",
        ),
        (
            matters(Counts {
                huge_entries: zeros / fan_out(built.facts.page_size),
                ..Counts::default()
            }),
            "huge pages of zeros",
        ),
        (
            matters(Counts {
                anon_vmas: sharing(&built.mappings),
                ..Counts::default()
            }),
            "anon_vmas that neighbours share",
        ),
        (
            reserved(ShapeReservation::NeverExecuted)
                || built.mappings.iter().any(|mapping| mapping.generations > 0),
            "links to anon_vmas of ancestors",
        ),
        (
            reserved(ShapeReservation::UserfaultForks),
            "a reader of userfaultfd",
        ),
    ];
    let held = all.into_iter().filter(|(holds, _)| *holds);
    held.map(|(_, what)| what).collect()
}

/// How many mappings share the `anon_vma` of the one before them (mm/vma.c,
/// `find_mergeable_anon_vma`), by all that is seen.
fn sharing(mappings: &[ShapeMapping]) -> u64 {
    let shares = |pair: &&[ShapeMapping]| match pair {
        [one, next] => {
            let has_own = |mapping: &ShapeMapping| {
                copies_entries(mapping) && !(mapping.own.is_empty() && mapping.huge.is_empty())
            };
            let of_fork = |mapping: &ShapeMapping| {
                [MappingFlag::WipeOnFork, MappingFlag::NotReserved].map(|flag| mapping.has(flag))
            };
            one.end_page() == next.first_page
                && (one.content, &one.name) == (next.content, &next.name)
                && one.permissions != next.permissions
                && of_fork(one) == of_fork(next)
                && has_own(one)
                && has_own(next)
        }
        _ => false,
    };
    mappings.windows(2).filter(shares).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::tests::{HIGH, TABLE, anonymous, shape};
    use crate::model::{Availability, CardTerm, Errors, Grade, Term};

    /// A card with prices of these terms, of which nine of ten forecasts are off by a fifth
    /// at most.
    fn card() -> CardPrices {
        let priced = [
            (Term::AnonVma, 1_000.0),
            (Term::Pte, 100.0),
            (Term::HugeEntry, 1_000.0),
        ];
        let terms = priced.map(|(term, ns)| CardTerm {
            term,
            call_ns: [ns; 2],
            after_ns: [0.0; 2],
        });
        let errors = Errors {
            r_squared: 1.0,
            loo_median: 0.1,
            loo_p90: 0.2,
            validation_median: Availability::not_reached(),
            validation_worst: Availability::not_reached(),
        };
        CardPrices {
            terms: terms.to_vec(),
            knee_bytes: None,
            levels_off: false,
            instead: Vec::new(),
            largest: None,
            grade: Grade {
                parents: 20,
                call: errors.clone(),
                total: errors,
            },
            measured_unix_s: 0,
        }
    }

    /// What of these mappings, every other of them read only, a forecast of 100 us lacks.
    fn lacking(
        mut mappings: Vec<ShapeMapping>,
        reserved: &[ShapeReservation],
    ) -> Vec<&'static str> {
        for mapping in mappings.iter_mut().skip(1).step_by(2) {
            mapping.permissions = "r--p".to_owned();
        }
        let mut whole = shape(mappings);
        whole.process.reservations = reserved.to_vec();
        let built = Blueprint::of(&whole, &shape(Vec::new()));
        unpriced(&built, &card(), 100e3)
    }

    fn in_a_row(count: u64, distance: u64) -> Vec<ShapeMapping> {
        let each = (0..count).map(|at| anonymous(HIGH + at * distance, 8, &[[0, 1]]));
        each.collect()
    }

    #[test]
    fn neighbours_that_share_an_anon_vma_matter_where_they_are_many() {
        assert_eq!(
            lacking(in_a_row(100, 8), &[]),
            ["anon_vmas that neighbours share"]
        );
        // A library's variables, and mappings that are apart.
        assert!(lacking(in_a_row(10, 8), &[]).is_empty());
        assert!(lacking(in_a_row(100, 16), &[]).is_empty());
    }

    #[test]
    fn what_has_a_like_price_matters_beyond_the_cards_own_error() {
        let with = |guards: u64, zeros: u64| {
            let mut one = anonymous(HIGH, 1 << 20, &[[0, 1]]);
            one.guards = vec![[TABLE, guards]];
            one.huge_zero = vec![[8 * TABLE, zeros * TABLE]];
            lacking(vec![one], &[])
        };
        assert!(with(199, 19).is_empty());
        assert_eq!(with(300, 30), ["guards", "huge pages of zeros"]);
    }

    #[test]
    fn pins_and_ancestors_have_no_price_however_few_they_are() {
        let mut one = anonymous(HIGH, 8, &[[0, 4]]);
        one.pinned = vec![[0, 1]];
        assert_eq!(
            lacking(vec![one], &[ShapeReservation::NeverExecuted]),
            ["pinned pages", "links to anon_vmas of ancestors"]
        );
    }
}
