//! The answer in a few sentences, and none that the intervals do not support.

use super::costs::parents;
use super::names::line_name;
use crate::analysis::reproduce::spaces::{
    Cost, Grown, Over, Per, Study, certain, grown, ratio_spans,
};
use crate::model::{Part, SpawnMethod};
use crate::report::view::grouped::grouped;
use crate::report::view::number::{Unit, prose, significant};

/// The sentences.
pub(super) fn sentences(study: &Study<'_>, costs: &[Cost<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(scaled(study));
    sentences.extend(copied(costs));
    sentences.extend(alone(costs));
    sentences.extend(flat(study, costs));
    sentences.extend(ratios(study));
    sentences
}

fn scaled(study: &Study<'_>) -> Option<String> {
    if study.is_whole() {
        return None;
    }
    let because = study.reproduction.scaled_because.as_ref();
    let because = because.map_or(String::new(), |because| format!(" ({because})"));
    Some(format!(
        "The parents were built at {} of the published sizes{because}: compare the costs on one \
         scale, not the times.",
        study.share()
    ))
}

/// Fork's costs, each with the published ones over the same parents.
fn copied(costs: &[Cost<'_>]) -> Vec<String> {
    let forks = |cost: &&Cost<'_>| {
        cost.method == SpawnMethod::Fork && !matches!(cost.per, Per::Alone(_) | Per::BasePage)
    };
    let forks = costs.iter().filter(forks);
    let alike = forks.map(|cost| ((parents(&cost.over), cost.per), cost));
    let alike = grouped(alike).into_iter();
    alike.filter_map(|(_, lines)| copy(&lines)).collect()
}

/// Costs that the published lines share.
fn copy(lines: &[&Cost<'_>]) -> Option<String> {
    let cost = lines.first()?;
    let [call, total] = &cost.here;
    let (call, total) = (certain(call)?, certain(total)?);
    let (unit, noun) = (cost.per.unit(), cost.per.noun());
    let mut sentence = match cost.over {
        Over::Whole(_) => format!(
            "With {}, the whole fork takes {} a {noun} here in the call and {} in total",
            parents(&cost.over),
            unit.prose(call),
            unit.prose(total)
        ),
        Over::Growth(..) | Over::Layouts => format!(
            "From {}, each further {noun} costs fork {} in the call here and {} in total",
            parents(&cost.over),
            unit.prose(call),
            unit.prose(total)
        ),
    };
    let published: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let published = unit.prose(*line.published.measured()?);
            let many = lines.len() > 1;
            let series = line.series.filter(|_| many);
            Some(series.map_or(published.clone(), |series| {
                format!("{published} ({})", line_name(series))
            }))
        })
        .collect();
    if !published.is_empty() {
        let part = match cost.part {
            Part::Call => "in the call",
            Part::Total => "in total",
        };
        sentence += &format!("; published, {part}: {}", published.join(", "));
    }
    Some(sentence + ".")
}

/// An entry and a table, where both are more than nothing.
fn alone(costs: &[Cost<'_>]) -> Option<String> {
    let mut alone = costs
        .iter()
        .filter(|cost| matches!(cost.per, Per::Alone(_)))
        .map(|cost| Some((certain(&cost.here[0])?, cost.per.unit())));
    let ((entry, unit), (table, _)) = (alone.next()??, alone.next()??);
    Some(format!(
        "Dense and scattered parents together say that the call pays {} for a PTE and {} for \
         each page-table page.",
        unit.prose(entry),
        prose(table)
    ))
}

/// The methods that copy nothing: whether they stay flat.
fn flat(study: &Study<'_>, costs: &[Cost<'_>]) -> Vec<String> {
    let others = costs.iter().filter(|cost| cost.method != SpawnMethod::Fork);
    let told = others.filter_map(|cost| {
        let (name, span) = (cost.method.name(), parents(&cost.over));
        Some(match grown(study, cost)? {
            Grown::Flat { change, of } => {
                let unit = Unit::of_one(of);
                let change = unit.entry(change).plain();
                format!(
                    "{name} stays flat: from {span}, its total changes by {change} {}, of {}.",
                    unit.name,
                    unit.prose(of)
                )
            }
            Grown::By { change, of } => format!(
                "{name} is not flat: from {span}, its total grows by {}.",
                Unit::of_one(of).prose(change.value)
            ),
        })
    });
    told.collect()
}

/// This host's times over the published ones, line by line.
fn ratios(study: &Study<'_>) -> Option<String> {
    let clauses: Vec<String> = ratio_spans(study)
        .into_iter()
        .map(|span| {
            let series = span.series.map_or(String::new(), |series| {
                format!(" against {}", line_name(series))
            });
            let [low, high] = [span.low, span.high].map(significant);
            let name = span.method.name();
            if low == high {
                format!("{name}{series} {low}")
            } else {
                format!("{name}{series} {low} to {high}")
            }
        })
        .collect();
    (!clauses.is_empty()).then(|| {
        format!(
            "Here over published: {}. Such a ratio compares hosts and programs, not kernels alone.",
            clauses.join(", ")
        )
    })
}
