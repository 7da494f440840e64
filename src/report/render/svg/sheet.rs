//! The sheet that a picture is drawn on: its heading, its texts, its end.

use super::{LINE, MARGIN, escape, label_width};

/// A picture as it grows.
pub(super) struct Sheet {
    title: String,
    size: [f64; 2],
    out: String,
}

/// A picture that may be put on its own or below another.
pub(super) struct Drawing {
    title: String,
    size: [f64; 2],
    /// Its elements, a line each.
    elements: String,
}

impl Drawing {
    /// The picture as a file.
    pub(super) fn svg(&self) -> String {
        let [width, height] = self.size;
        let title = escape(&self.title);
        let elements = &self.elements;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">\n\
             <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n\
             {elements}</svg>\n"
        )
    }

    /// This picture with another one below.
    pub(super) fn above(self, below: &Self) -> Self {
        let [width, height] = self.size;
        let elements = format!(
            "{}<g transform=\"translate(0 {height:.1})\">\n{}</g>\n",
            self.elements, below.elements
        );
        Self {
            title: self.title,
            size: [width.max(below.size[0]), height + below.size[1]],
            elements,
        }
    }
}

impl Sheet {
    /// A sheet with a title and the lines below it.
    pub(super) fn new(size: [f64; 2], title: &str, lines: &[String]) -> Self {
        let mut sheet = Self {
            title: title.to_owned(),
            size,
            out: String::new(),
        };
        let big = "font-size=\"17\" font-weight=\"bold\"";
        sheet.text(MARGIN, MARGIN + LINE, big, title);
        for (index, line) in lines.iter().enumerate() {
            let y = MARGIN + LINE * (index as f64 + 2.2);
            sheet.text(MARGIN, y, "fill=\"#666666\"", line);
        }
        sheet
    }

    /// An element on a line of its own.
    pub(super) fn put(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A text; its attributes stand for themselves.
    pub(super) fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        let text = escape(text);
        let space = if attributes.is_empty() { "" } else { " " };
        self.put(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\"{space}{attributes}>{text}</text>"
        ));
    }

    /// The same around the middle of a place.
    pub(super) fn centred(&mut self, x: f64, y: f64, text: &str) {
        self.text(x, y, "text-anchor=\"middle\"", text);
    }

    /// A mark of the axis that goes up, left of the plot.
    pub(super) fn mark_up(&mut self, left: f64, y: f64, label: &str) {
        self.text(left - 8.0, y + 4.0, "text-anchor=\"end\"", label);
    }

    /// The name of the axis that goes up, along it and around its middle.
    pub(super) fn upright(&mut self, middle: f64, name: &str) {
        let (x, y) = (MARGIN + 4.0, middle);
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {y:.1})\"");
        self.text(x, y, &turned, name);
    }

    /// Ends, and gives the picture.
    pub(super) fn close(self) -> Drawing {
        Drawing {
            title: self.title,
            size: self.size,
            elements: self.out,
        }
    }
}

/// Where the plot begins below the lines of the heading.
pub(super) fn below(lines: &[String]) -> f64 {
    MARGIN + LINE * (lines.len() as f64 + 2.0) + 24.0
}

/// How far a heading reaches; the title is set larger.
pub(super) fn reach(title: &str, lines: &[String]) -> f64 {
    let lines = lines.iter().map(|line| label_width(line));
    MARGIN + lines.fold(1.6 * label_width(title), f64::max)
}
