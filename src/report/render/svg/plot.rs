//! Lines over an axis: markers with their intervals, published lines dashed
//! with hollow markers.

use std::io;

use super::sheet::{Drawing, Sheet, below, reach};
use super::{LINE, MARGIN, colour, escape, label_width};
use crate::report::view::{Plot, PlotAxis, PlotPoint, Scale, Series};

const AXIS_WIDTH: f64 = 84.0;
const PLOT_WIDTH: f64 = 620.0;
const PLOT_HEIGHT: f64 = 440.0;
const LEGEND_WIDTH: f64 = 290.0;
const RADIUS: f64 = 4.0;

/// Half the width of a whisker's ends.
const WHISKER: f64 = 4.0;

/// What two marks of the axis below keep between them.
const GAP: f64 = 8.0;

/// The picture.
pub(super) fn render(plot: &Plot) -> io::Result<Drawing> {
    let place = |axis: &PlotAxis| {
        Place::of(axis)
            .ok_or_else(|| io::Error::other(format!("the axis \"{}\" has no two ends", axis.name)))
    };
    let left = MARGIN + AXIS_WIDTH;
    let bottom = below(&plot.lines) + PLOT_HEIGHT;
    let width = left + PLOT_WIDTH + LEGEND_WIDTH;
    let width = width.max(reach(&plot.title, &plot.lines)) + MARGIN;
    let height = bottom + 3.0 * LINE + MARGIN;
    let mut canvas = Canvas {
        left,
        bottom,
        across: place(&plot.across)?,
        up: place(&plot.up)?,
        sheet: Sheet::new([width, height], &plot.title, &plot.lines),
    };
    canvas.axis_up(&plot.up);
    canvas.axis_across(&plot.across);
    // What was measured here is drawn last and so lies above.
    let (published, own): (Vec<_>, Vec<_>) =
        plot.series.iter().partition(|series| series.published);
    for series in published.into_iter().chain(own) {
        canvas.series(series);
    }
    canvas.legend(plot);
    Ok(canvas.sheet.close())
}

/// How the values of an axis become shares of its length.
struct Place {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Place {
    /// `None` unless the ends are finite and apart, and above 0 where only
    /// ratios count.
    fn of(axis: &PlotAxis) -> Option<Self> {
        let [from, to] = axis.range.map(|end| match axis.scale {
            Scale::Linear => end,
            Scale::Logarithmic => end.log10(),
        });
        let is_long = from.is_finite() && to.is_finite() && (to - from).is_finite() && to > from;
        is_long.then_some(Self {
            scale: axis.scale,
            from,
            to,
        })
    }

    /// 0 at the beginning of the axis, 1 at its end; values beyond stay at the
    /// ends, so that a wild interval cannot leave the picture.
    fn share(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
        };
        let share = (value - self.from) / (self.to - self.from);
        if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, 1.0)
        }
    }
}

/// The picture as it grows, and where the plot lies in it.
struct Canvas {
    left: f64,
    bottom: f64,
    across: Place,
    up: Place,
    sheet: Sheet,
}

impl Canvas {
    fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], stroke: &str) {
        self.sheet.put(&format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{stroke}\"/>"
        ));
    }

    fn axis_up(&mut self, axis: &PlotAxis) {
        let (left, right) = (self.left, self.left + PLOT_WIDTH);
        for (value, label) in &axis.ticks {
            let y = self.y(*value);
            self.line([left, y], [right, y], "#DDDDDD");
            self.sheet.mark_up(left, y, label);
        }
        self.sheet
            .upright(self.bottom - PLOT_HEIGHT / 2.0, &axis.name);
        let top = self.bottom - PLOT_HEIGHT;
        self.line([left, self.bottom], [left, top], "#222222");
    }

    /// Marks whose words would run into those before them have none.
    fn axis_across(&mut self, axis: &PlotAxis) {
        let (left, right, bottom) = (self.left, self.left + PLOT_WIDTH, self.bottom);
        self.line([left, bottom], [right, bottom], "#222222");
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &axis.ticks {
            let x = self.x(*value);
            self.line([x, bottom], [x, bottom + 5.0], "#222222");
            let half = label_width(label) / 2.0;
            if x - half >= free {
                self.sheet.centred(x, bottom + 18.0, label);
                free = x + half + GAP;
            }
        }
        let middle = left + PLOT_WIDTH / 2.0;
        let below = bottom + 18.0 + 1.4 * LINE;
        self.sheet.centred(middle, below, &axis.name);
    }

    fn x(&self, value: f64) -> f64 {
        self.left + PLOT_WIDTH * self.across.share(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - PLOT_HEIGHT * self.up.share(value)
    }

    fn series(&mut self, series: &Series) {
        let colour = colour(series.hue);
        let place = |point: &PlotPoint| [self.x(point.across), self.y(point.up.value)];
        let places = series.points.iter().map(place);
        let places: Vec<String> = places.map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        if series.joined && places.len() > 1 {
            self.sheet.put(&format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-width=\"2\"{}/>",
                places.join(" "),
                dashes(series)
            ));
        }
        let marked = series.points.iter().filter(|_| series.marked);
        for point in marked {
            self.whisker(point, colour);
            let (x, y) = (self.x(point.across), self.y(point.up.value));
            self.marker([x, y], series, &point.story);
        }
    }

    fn whisker(&mut self, point: &PlotPoint, colour: &str) {
        let [low, high] = point.up.ci95;
        if low == high {
            return;
        }
        let (x, bottom, top) = (self.x(point.across), self.y(low), self.y(high));
        self.line([x, bottom], [x, top], colour);
        for y in [bottom, top] {
            self.line([x - WHISKER, y], [x + WHISKER, y], colour);
        }
    }

    fn marker(&mut self, [x, y]: [f64; 2], series: &Series, story: &str) {
        let colour = colour(series.hue);
        let fill = if series.published { "#FFFFFF" } else { colour };
        let story = escape(story);
        self.sheet.put(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS:.1}\" fill=\"{fill}\" \
             stroke=\"{colour}\" stroke-width=\"2\"><title>{story}</title></circle>"
        ));
    }

    fn legend(&mut self, plot: &Plot) {
        let x = self.left + PLOT_WIDTH + 24.0;
        let mut y = self.bottom - PLOT_HEIGHT + 8.0;
        for series in &plot.series {
            if series.joined {
                let colour = colour(series.hue);
                self.sheet.put(&format!(
                    "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" \
                     stroke=\"{colour}\" stroke-width=\"2\"{}/>",
                    x + 30.0,
                    dashes(series)
                ));
            }
            if series.marked {
                self.marker([x + 15.0, y], series, &series.name);
            }
            self.sheet.text(x + 38.0, y + 4.0, "", &series.name);
            y += LINE + 2.0;
        }
    }
}

fn dashes(series: &Series) -> &'static str {
    match series.published {
        true => " stroke-dasharray=\"6 4\"",
        false => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Estimate;

    fn axis(scale: Scale, range: [f64; 2]) -> PlotAxis {
        PlotAxis {
            name: "size".to_owned(),
            scale,
            range,
            ticks: vec![(1.0, "1".to_owned()), (10.0, "10".to_owned())],
        }
    }

    fn plot(across: PlotAxis, ci95: Option<[f64; 2]>) -> Plot {
        let point = |across: f64, value: f64| PlotPoint {
            across,
            up: Estimate {
                value,
                ci95: ci95.unwrap_or([value; 2]),
            },
            story: "a <b>".to_owned(),
        };
        Plot {
            title: "nothing & all".to_owned(),
            lines: Vec::new(),
            across,
            up: axis(Scale::Linear, [0.0, 10.0]),
            series: vec![Series {
                name: "fork".to_owned(),
                hue: 99,
                published: false,
                joined: true,
                marked: true,
                points: vec![point(1.0, 0.0), point(10.0, 10.0), point(100.0, 5.0)],
            }],
        }
    }

    #[test]
    fn equal_ratios_are_equally_far_apart() {
        let picture = render(&plot(axis(Scale::Logarithmic, [1.0, 100.0]), None))
            .unwrap()
            .svg();
        let (left, right) = (MARGIN + AXIS_WIDTH, MARGIN + AXIS_WIDTH + PLOT_WIDTH);
        let bottom = MARGIN + 2.0 * LINE + 24.0 + PLOT_HEIGHT;
        let expected = format!(
            "points=\"{left:.1},{bottom:.1} {:.1},{:.1} {right:.1},{:.1}\"",
            f64::midpoint(left, right),
            bottom - PLOT_HEIGHT,
            bottom - PLOT_HEIGHT / 2.0
        );
        assert!(picture.contains(&expected), "{expected}: {picture}");
        assert!(picture.contains("a &lt;b&gt;") && picture.contains("nothing &amp; all"));
    }

    #[test]
    fn unlike_things_are_not_joined() {
        let mut plot = plot(axis(Scale::Linear, [0.0, 100.0]), None);
        assert!(render(&plot).unwrap().svg().contains("<polyline"));
        plot.series[0].joined = false;
        let picture = render(&plot).unwrap().svg();
        assert!(!picture.contains("<polyline"), "{picture}");
        // Three points, and the legend's.
        assert_eq!(picture.matches("<circle").count(), 4, "{picture}");
    }

    #[test]
    fn wild_values_stay_in_the_picture() {
        let wild = Some([f64::NEG_INFINITY, f64::MAX]);
        let picture = render(&plot(axis(Scale::Linear, [0.0, 50.0]), wild))
            .unwrap()
            .svg();
        assert!(
            !picture.contains("inf") && !picture.contains("NaN"),
            "{picture}"
        );
        let right = MARGIN + AXIS_WIDTH + PLOT_WIDTH;
        assert!(picture.contains(&format!("cx=\"{right:.1}\"")), "{picture}");
    }

    #[test]
    fn an_axis_without_ends_is_refused_by_name() {
        for (scale, range) in [
            (Scale::Linear, [1.0, 1.0]),
            (Scale::Linear, [0.0, f64::INFINITY]),
            (Scale::Logarithmic, [0.0, 1.0]),
        ] {
            let refusal = render(&plot(axis(scale, range), None)).err().unwrap();
            assert!(refusal.to_string().contains("\"size\""), "{refusal}");
        }
    }
}
