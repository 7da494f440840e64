//! Stacked bars with an axis and a legend.

use super::sheet::{Drawing, Sheet, below, reach};
use super::{CHARACTER, DARK, LINE, MARGIN, colour, escape, label_width};
use crate::report::view::{Bar, Chart, Segment};
use crate::units::harmless;

const AXIS_WIDTH: f64 = 64.0;
/// The room of a bar that stands alone, and its width.
const ALONE: [f64; 2] = [210.0, 170.0];
/// The same of a bar in a group.
const GROUPED: [f64; 2] = [62.0, 50.0];
/// Between two groups.
const GAP: f64 = 28.0;
const LEGEND_WIDTH: f64 = 330.0;
/// The most characters below a group; each word may take a line.
const LONGEST_NAME: usize = 120;
const PLOT_HEIGHT: f64 = 440.0;

/// The picture.
pub(super) fn render(chart: &Chart) -> Drawing {
    let places = places(chart);
    let groups = groups(chart, &places);
    let last = places.last();
    let bars_width = last.map_or(0.0, |place| place.slot + place.slot_width);
    let left = MARGIN + AXIS_WIDTH;
    let right = left + bars_width;
    let bottom = below(&chart.lines) + PLOT_HEIGHT;
    let width = (right + LEGEND_WIDTH).max(reach(&chart.title, &chart.lines)) + MARGIN;
    let names = groups.iter().map(|group| group.lines.len());
    let height = bottom + (2 + names.max().unwrap_or(0)) as f64 * LINE + MARGIN;
    let mut canvas = Canvas {
        chart,
        left,
        right,
        bottom,
        scale: scale(chart),
        sheet: Sheet::new([width, height], &chart.title, &chart.lines),
    };
    canvas.axis();
    for (bar, place) in chart.bars.iter().zip(&places) {
        canvas.bar(bar, place);
    }
    for group in &groups {
        canvas.group(group);
    }
    canvas.legend();
    canvas.sheet.close()
}

/// Where a bar stands, from the left end of the plot.
struct Place {
    slot: f64,
    slot_width: f64,
    width: f64,
}

impl Place {
    fn left(&self) -> f64 {
        self.slot + (self.slot_width - self.width) / 2.0
    }
}

/// The places of all bars: those of a group stand close together.
fn places(chart: &Chart) -> Vec<Place> {
    let mut right = 0.0;
    let mut places = Vec::new();
    for (index, bar) in chart.bars.iter().enumerate() {
        let [slot_width, width] = if bar.group.is_empty() { ALONE } else { GROUPED };
        if index > 0 && chart.bars[index - 1].group != bar.group {
            right += GAP;
        }
        // A group of one takes the room of two, so that its name has it too.
        let mates = chart.bars.iter().filter(|mate| mate.group == bar.group);
        let alone = !bar.group.is_empty() && mates.count() == 1;
        let margin = if alone { slot_width / 2.0 } else { 0.0 };
        places.push(Place {
            slot: right + margin,
            slot_width,
            width,
        });
        right += slot_width + 2.0 * margin;
    }
    places
}

/// The name of a group in lines, and the middle of its bars.
struct Group {
    lines: Vec<String>,
    middle: f64,
}

fn groups(chart: &Chart, places: &[Place]) -> Vec<Group> {
    let grouped = chart.bars.iter().zip(places);
    let grouped: Vec<_> = grouped.filter(|(bar, _)| !bar.group.is_empty()).collect();
    let group = |bars: &[(&Bar, &Place)]| {
        let ((bar, first), (_, last)) = (bars.first()?, bars.last()?);
        let right = last.slot + last.slot_width;
        let room = (right - first.slot).max(2.0 * GROUPED[0]) + GAP / 2.0;
        Some(Group {
            lines: broken(&harmless(&bar.group, LONGEST_NAME), room),
            middle: f64::midpoint(first.slot, right),
        })
    };
    let groups = grouped.chunk_by(|a, b| a.0.group == b.0.group);
    groups.filter_map(group).collect()
}

/// Words in lines that fit a width, as far as single words do.
fn broken(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let fits = |line: &&mut String| label_width(line) + label_width(word) + CHARACTER <= room;
        match lines.last_mut().filter(fits) {
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Pixels for one unit of the axis; 0 for a chart without any height.
fn scale(chart: &Chart) -> f64 {
    let scale = PLOT_HEIGHT / chart.height();
    if scale > 0.0 && scale.is_finite() {
        scale
    } else {
        0.0
    }
}

/// The picture as it grows, and where the plot lies in it.
struct Canvas<'a> {
    chart: &'a Chart,
    left: f64,
    right: f64,
    bottom: f64,
    scale: f64,
    sheet: Sheet,
}

impl Canvas<'_> {
    fn axis(&mut self) {
        let (left, right) = (self.left, self.right);
        for (value, label) in self.chart.ticks() {
            let y = self.bottom - value * self.scale;
            let stroke = if value == 0.0 { "#222222" } else { "#DDDDDD" };
            self.sheet.put(&format!(
                "<line x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" \
                 stroke=\"{stroke}\"/>"
            ));
            self.sheet.mark_up(left, y, &label);
        }
        self.sheet
            .upright(self.bottom - PLOT_HEIGHT / 2.0, &self.chart.axis);
    }

    fn bar(&mut self, bar: &Bar, place: &Place) {
        let (x, width) = (self.left + place.left(), place.width);
        let mut y = self.bottom;
        for segment in &bar.segments {
            let height = segment.value * self.scale;
            y -= height;
            self.segment(segment, [x, y, width, height]);
        }
        let top = y.min(self.bottom - bar.total * self.scale);
        let middle = x + width / 2.0;
        let bold = "text-anchor=\"middle\" font-weight=\"bold\"";
        self.sheet.text(middle, top - 8.0, bold, &bar.label);
        if !bar.name.is_empty() {
            self.sheet.text(middle, self.bottom + LINE, bold, &bar.name);
        }
    }

    fn segment(&mut self, segment: &Segment, [x, y, width, height]: [f64; 4]) {
        let colour = self.colour(segment.kind);
        let story = escape(&segment.story);
        // The white edge parts neighbours, but would swallow what is thin.
        let edge = match height >= 2.0 {
            true => " stroke=\"#FFFFFF\"",
            false => "",
        };
        self.sheet.put(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{colour}\"{edge}><title>{story}</title></rect>"
        ));
        if height >= 16.0 && label_width(&segment.label) <= width - 8.0 {
            let ink = match DARK.contains(&colour) {
                true => "#FFFFFF",
                false => "#222222",
            };
            let attributes = format!("text-anchor=\"middle\" fill=\"{ink}\"");
            let (middle, base) = (x + width / 2.0, y + height / 2.0 + 4.0);
            self.sheet.text(middle, base, &attributes, &segment.label);
        }
    }

    /// The name of a group below its bars.
    fn group(&mut self, group: &Group) {
        for (index, line) in group.lines.iter().enumerate() {
            let y = self.bottom + LINE * (index as f64 + 2.0);
            self.sheet.centred(self.left + group.middle, y, line);
        }
    }

    /// The legend beside the bars, in their order: what is on top comes first.
    fn legend(&mut self) {
        let x = self.right + 16.0;
        let mut y = self.bottom - PLOT_HEIGHT;
        for (kind, entry) in self.chart.legend.iter().enumerate().rev() {
            let drawn = self.chart.bars.iter().flat_map(|bar| &bar.segments);
            if !drawn.into_iter().any(|segment| segment.kind == kind) {
                continue;
            }
            let colour = self.colour(kind);
            self.sheet.put(&format!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"14.0\" height=\"14.0\" fill=\"{colour}\"/>"
            ));
            self.sheet.text(x + 22.0, y + 11.5, "", &entry.name);
            y += LINE + 4.0;
        }
    }

    fn colour(&self, kind: usize) -> &'static str {
        let hue = self.chart.legend.get(kind).map_or(0, |kind| kind.hue);
        colour(hue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_without_height_is_drawn_flat() {
        let chart = Chart {
            title: "nothing".to_owned(),
            lines: Vec::new(),
            axis: "time of one spawn (ns)".to_owned(),
            legend: Vec::new(),
            bars: vec![Bar {
                group: String::new(),
                name: "fork".to_owned(),
                total: 0.0,
                label: "0 ns".to_owned(),
                segments: Vec::new(),
            }],
        };
        let picture = render(&chart).svg();
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(
            !picture.contains("NaN") && !picture.contains("inf"),
            "{picture}"
        );
    }
}
