//! Charts: numbers by day as bars, drawn on the server.
//!
//! A chart is one `<svg>` of fluid width and fixed height: places across are percentages, so that letters and patterns
//! keep their size on any screen. What is told by colour is told by pattern too, the highest day carries its number, and
//! a reader who sees nothing hears the summary and finds the numbers in a table (WCAG 2.2, 1.1.1 and 1.4.1). No script,
//! and no style beside the stylesheet's: the policy of our pages allows neither.

use std::fmt::Write as _;

/// How high the place for bars is, in pixels.
const HEIGHT: u32 = 150;
/// Room above the bars, for the number of the highest.
const ABOVE: u32 = 18;
/// Room below, for the days.
const BELOW: u32 = 22;
/// Room at the left for the numbers of the lines, in percent of the width; enough on a phone too.
const LEFT: f64 = 13.0;
/// How much of a day's place its bar takes.
const BAR: f64 = 0.72;
/// The smallest bar that is not nothing, in pixels.
const LEAST: f64 = 2.0;

/// One day of a chart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Bar {
    /// The day, short, for the axis.
    pub(super) day: String,
    /// The lower part, drawn full.
    pub(super) main: u64,
    /// What stands on top of it, drawn hatched.
    pub(super) on_top: u64,
}

/// What a chart tells.
#[derive(Clone, Copy)]
pub(super) struct Chart<'a> {
    /// A name for it that no other part of the page has.
    pub(super) id: &'a str,
    /// What it shows, in a few words.
    pub(super) title: &'a str,
    /// What it tells, in a sentence or two.
    pub(super) summary: &'a str,
    /// The days, the oldest first.
    pub(super) bars: &'a [Bar],
    /// How numbers are written for its reader.
    pub(super) number: &'a dyn Fn(u64) -> String,
}

impl Chart<'_> {
    /// The chart as an element of a page.
    pub(super) fn svg(&self) -> String {
        let highest = self.bars.iter().map(|bar| bar.main.saturating_add(bar.on_top)).max().unwrap_or(0);
        let top = rounded_up(highest);
        let id = self.id;
        let whole = ABOVE + HEIGHT + BELOW;
        let mut svg = String::with_capacity(4096);
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<svg class=\"chart\" role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-desc\" width=\"100%\" height=\"{whole}\">\
             <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>\
             <defs><pattern id=\"{id}-hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"ground\" width=\"5\" height=\"5\"/>\
             <rect class=\"stroke\" width=\"2\" height=\"5\"/></pattern></defs>",
            escaped(self.title),
            escaped(self.summary)
        );
        for line in [0, 1, 2] {
            self.line(&mut svg, top, line);
        }
        let place = (100.0 - LEFT) / count(self.bars.len().max(1));
        let mut has_named_highest = false;
        for (number, bar) in self.bars.iter().enumerate() {
            let left = LEFT + place * count(number) + place * (1.0 - BAR) / 2.0;
            let middle = LEFT + place * (count(number) + 0.5);
            let sum = bar.main.saturating_add(bar.on_top);
            let main = height(bar.main, top);
            let least = if bar.on_top > 0 { LEAST } else { 0.0 };
            let on_top = (height(sum, top) - main).max(least);
            let ground = f64::from(ABOVE + HEIGHT);
            rect(&mut svg, "main", None, left, place * BAR, ground - main, main);
            rect(&mut svg, "on-top", Some(id), left, place * BAR, ground - main - on_top, on_top);
            if sum == highest && highest > 0 && !has_named_highest {
                has_named_highest = true;
                let anchor = anchor(number, self.bars.len());
                let y = (ground - main - on_top - 5.0).max(12.0);
                let text = escaped(&(self.number)(sum));
                let _ = write!(
                    svg,
                    "<text class=\"peak\" x=\"{middle:.2}%\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
                );
            }
            if is_named(number, self.bars.len()) {
                let anchor = anchor(number, self.bars.len());
                let y = ABOVE + HEIGHT + 16;
                let text = escaped(&bar.day);
                let _ = write!(svg, "<text x=\"{middle:.2}%\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
            }
        }
        svg.push_str("</svg>");
        svg
    }

    /// A line across, with its number: at the ground, half-way, and at the top.
    fn line(&self, svg: &mut String, top: u64, halves: u32) {
        let y = ABOVE + HEIGHT - HEIGHT * halves / 2;
        let value = (self.number)(top / 2 * u64::from(halves));
        let label = LEFT - 1.5;
        let text = escaped(&value);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}%\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\
             <text x=\"{label}%\" y=\"{}\" text-anchor=\"end\">{text}</text>",
            y + 4
        );
    }
}

fn rect(svg: &mut String, class: &str, hatch: Option<&str>, x: f64, width: f64, y: f64, height: f64) {
    if height > 0.0 {
        let fill = hatch.map(|id| format!(" fill=\"url(#{id}-hatch)\"")).unwrap_or_default();
        let _ = write!(
            svg,
            "<rect class=\"{class}\"{fill} x=\"{x:.2}%\" width=\"{width:.2}%\" y=\"{y:.1}\" height=\"{height:.1}\"/>"
        );
    }
}

/// The first, the last, and the one in the middle: as many as a phone has room for.
const fn is_named(number: usize, of: usize) -> bool {
    number == 0 || number + 1 == of || (of > 4 && number == of / 2)
}

/// Text at the ends stays inside.
const fn anchor(number: usize, of: usize) -> &'static str {
    match number {
        0 => "start",
        _ if number + 1 == of => "end",
        _ => "middle",
    }
}

/// How high a number stands, in pixels.
fn height(value: u64, top: u64) -> f64 {
    if value == 0 {
        return 0.0;
    }
    (f64::from(HEIGHT) * large(value) / large(top.max(1))).max(LEAST)
}

/// An even number, with one or two digits and zeros behind, that is no less: what lines are easily read by.
fn rounded_up(value: u64) -> u64 {
    let mut unit: u64 = 1;
    while value / unit >= 10 {
        unit = unit.saturating_mul(10);
    }
    let steps = [2, 4, 6, 8, 10];
    steps.iter().map(|step| unit.saturating_mul(*step)).find(|top| *top >= value).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "it is drawn a hundred pixels high")]
fn large(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "there are some dozens of days")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A text inside an element or an attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(bars: &[Bar]) -> String {
        Chart { id: "requests", title: "A & B", summary: "<b>", bars, number: &|number| number.to_string() }.svg()
    }

    fn bar(day: &str, main: u64, on_top: u64) -> Bar {
        Bar { day: day.to_owned(), main, on_top }
    }

    #[test]
    fn lines_stand_at_round_numbers() {
        for (highest, top) in [(0, 2), (1, 2), (2, 2), (3, 4), (9, 10), (10, 20), (41, 60), (99, 100), (1234, 2000)] {
            assert_eq!(rounded_up(highest), top, "{highest}");
        }
        assert_eq!(rounded_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_chart_tells_itself_without_colour_and_without_eyes() {
        let svg = chart(&[bar("1 Mar", 10, 2), bar("2 Mar", 0, 0), bar("3 Mar", 1, 40)]);
        assert!(svg.contains("role=\"img\" aria-labelledby=\"requests-title\" aria-describedby=\"requests-desc\""));
        assert!(
            svg.contains("<title id=\"requests-title\">A &amp; B</title><desc id=\"requests-desc\">&lt;b&gt;</desc>")
        );
        assert_eq!(svg.matches("class=\"main\"").count(), 2, "nothing is drawn of nothing");
        assert_eq!(svg.matches("url(#requests-hatch)").count(), 2, "{svg}");
        assert_eq!(svg.matches("class=\"peak\"").count(), 1);
        assert!(svg.contains(">41</text>") && svg.contains(">60</text>") && svg.contains(">30</text>"), "{svg}");
        assert!(svg.contains(">1 Mar</text>") && svg.contains(">3 Mar</text>") && !svg.contains(">2 Mar</text>"));
        assert!(!svg.contains("style="), "the policy of our pages forbids it");
    }

    #[test]
    fn a_chart_of_nothing_is_one_too() {
        assert!(chart(&[]).ends_with("</svg>"));
        let empty = chart(&[bar("a", 0, 0)]);
        assert!(!empty.contains("class=\"main\"") && !empty.contains("class=\"peak\""));
    }

    proptest::proptest! {
        #[test]
        fn any_numbers_can_be_drawn(numbers in proptest::collection::vec(proptest::prelude::any::<(u64, u64)>(), 0..40)) {
            let bars: Vec<_> = numbers.iter().map(|(main, on_top)| bar("d", *main, *on_top)).collect();
            let svg = chart(&bars);
            proptest::prop_assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("y=\"-"));
        }
    }
}
