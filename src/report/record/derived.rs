//! What follows from the figures of a document: what fork costs beyond the baseline and
//! what one more of anything adds, and the costs of a study on one scale.

use super::{Record, json, walk};
use crate::analysis::reproduce::spaces::{Cost, Over, Study, costs as on_one_scale};
use crate::analysis::sweep::{Extra, Group, Sizes, added_by_one};
use crate::model::{Document, SpawnMethod};
use crate::stats::Estimate;

/// What fork costs beyond the baseline at each size, and what one more adds to it; along
/// descriptors and threads, what one more adds to each method.
pub(super) fn extra(about: &Record, document: &Document, into: &mut Vec<Record>) {
    let sizes = Sizes::of(document);
    let about = Record {
        kind: "extra",
        ..about.clone()
    };
    let mut add = |about: &Record, name: &str, unit: &str, found: Option<Estimate>| {
        if let Some(found) = found.and_then(Estimate::sound) {
            walk(&about.clone().in_unit(unit), name, &json(&found), into);
        }
    };
    let of_one = format!("ns/{}", sizes.axis.noun());
    if let Some(extra) = Extra::of(document, &sizes) {
        let beyond = Record {
            method: SpawnMethod::Fork.name().to_owned(),
            ..about.clone()
        };
        let name = |figure: &str| format!("beyond.{}.{figure}", extra.baseline.name());
        for point in &extra.points {
            let mut groups = sizes.groups.iter();
            let is_it = |group: &&Group<'_>| sizes.axis.size(group.space) == point.size;
            let group = groups.find(is_it);
            let key = group.map(|group| group.space.request.key());
            let beyond = beyond.clone().from(&key.unwrap_or_default());
            add(&beyond, &name("total_ns"), "ns", Some(point.extra()));
            add(&beyond, &name("call_ns"), "ns", point.in_call());
            add(&beyond, &name("after_ns"), "ns", point.after_call());
            let growth = extra.growth(point);
            let share = growth.and_then(|growth| growth.share);
            add(&beyond, &name("call_share_of_growth"), "1", share);
        }
        let [call, after] = extra.slopes().map_or([None; 2], |slopes| slopes.map(Some));
        add(&beyond, &name("one_more.call"), &of_one, call);
        add(&beyond, &name("one_more.after"), &of_one, after);
    }
    for (method, slope) in added_by_one(document, &sizes) {
        let about = Record {
            method: method.name().to_owned(),
            ..about.clone()
        };
        add(&about, "one_more.total", &of_one, Some(slope));
    }
}

/// The costs of a study on one scale, published and here.
pub(super) fn costs(about: &Record, study: &Study<'_>, into: &mut Vec<Record>) {
    for cost in on_one_scale(study) {
        let name = |figure: &str| {
            let parts = [
                &over(&cost),
                cost.per.noun(),
                cost.series.unwrap_or_default(),
                figure,
            ];
            let parts = parts.iter().filter(|part| !part.is_empty());
            parts.copied().collect::<Vec<&str>>().join(".")
        };
        let about = Record {
            kind: "costs",
            method: cost.method.name().to_owned(),
            unit: format!("ns/{}", cost.per.noun()),
            ..about.clone()
        };
        let [call, total] = &cost.here;
        walk(&about, &name("published"), &json(&cost.published), into);
        walk(&about, &name("call"), &json(call), into);
        walk(&about, &name("total"), &json(total), into);
        let about = about.in_unit("1");
        let ratio = cost.over_published();
        walk(&about, &name("over_published"), &json(&ratio), into);
    }
}

/// What a cost was taken over.
fn over(cost: &Cost<'_>) -> String {
    match &cost.over {
        Over::Growth(small, large) => format!("{} to {}", small.point.name, large.point.name),
        Over::Whole(parent) => parent.point.name.clone(),
        Over::Layouts => "dense and scattered".to_owned(),
    }
}
