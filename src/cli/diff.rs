//! What changed between two texts, line by line, as `diff -u` shows it.

use std::fmt::Write as _;

/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;

/// One line of the way from the one text to the other.
#[derive(Clone, Copy)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The difference, without the lines that name the files; empty where there is none. The table it is found with has a cell for each
/// pair of lines, so it is for short texts.
pub(super) fn unified(before: &str, after: &str) -> String {
    let lines = compare(&before.lines().collect::<Vec<_>>(), &after.lines().collect::<Vec<_>>());
    let is_change = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut text = String::new();
    let mut from = 0;
    while let Some(first) = lines.iter().skip(from).position(is_change).map(|at| from + at) {
        // A hunk goes on until so many lines in a row are the same that two hunks are shorter.
        let mut last = first;
        while let Some(next) = lines.iter().skip(last + 1).position(is_change).filter(|same| *same <= 2 * AROUND) {
            last += 1 + next;
        }
        let start = first.saturating_sub(AROUND).max(from);
        let end = (last + 1 + AROUND).min(lines.len());
        write_hunk(&mut text, &lines, start, end);
        from = end;
    }
    text
}

fn write_hunk(text: &mut String, lines: &[Line<'_>], start: usize, end: usize) {
    let of_before = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::New(_))).count();
    let of_after = |lines: &[Line<'_>]| lines.iter().filter(|line| !matches!(line, Line::Gone(_))).count();
    let (head, hunk) = (lines.get(..start).unwrap_or_default(), lines.get(start..end).unwrap_or_default());
    let range = |before: usize, length: usize| match length {
        // POSIX: an empty range names the line before it.
        0 => format!("{before},0"),
        1 => format!("{}", before + 1),
        _ => format!("{},{length}", before + 1),
    };
    let (old, new) = (range(of_before(head), of_before(hunk)), range(of_after(head), of_after(hunk)));
    // Writing to a string does not fail.
    let _ = writeln!(text, "@@ -{old} +{new} @@");
    for line in hunk {
        let _ = match line {
            Line::Same(line) => writeln!(text, " {line}"),
            Line::Gone(line) => writeln!(text, "-{line}"),
            Line::New(line) => writeln!(text, "+{line}"),
        };
    }
}

/// The shortest way from the one to the other: by their longest common subsequence.
fn compare<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<Line<'a>> {
    let width = after.len() + 1;
    // `common[i * width + j]`: how many lines the rests from `i` and `j` on have in common.
    let mut common = vec![0_u32; (before.len() + 1) * width];
    let cell = |common: &[u32], row: usize, column: usize| common.get(row * width + column).copied().unwrap_or(0);
    for (row, old) in before.iter().enumerate().rev() {
        for (column, new) in after.iter().enumerate().rev() {
            let best = if old == new {
                cell(&common, row + 1, column + 1) + 1
            } else {
                cell(&common, row + 1, column).max(cell(&common, row, column + 1))
            };
            if let Some(place) = common.get_mut(row * width + column) {
                *place = best;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (before.get(row), after.get(column)) {
            (Some(old), Some(new)) if old == new => {
                lines.push(Line::Same(old));
                (row, column) = (row + 1, column + 1);
            }
            (Some(old), new) if new.is_none() || cell(&common, row + 1, column) >= cell(&common, row, column + 1) => {
                lines.push(Line::Gone(old));
                row += 1;
            }
            (_, Some(new)) => {
                lines.push(Line::New(new));
                column += 1;
            }
            (Some(old), None) => {
                lines.push(Line::Gone(old));
                row += 1;
            }
            (None, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_as_diff_shows_it() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n";
        let after = "a\nb\nc\nD\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n";
        assert_eq!(
            unified(before, after),
            "@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+D\n e\n f\n g\n@@ -11,3 +11,4 @@\n k\n l\n m\n+n\n"
        );
        assert_eq!(unified("a\nb\nc\nd\ne\nf\n", "A\nb\nc\nd\ne\nF\n").matches("@@").count(), 2, "one hunk");
        assert_eq!(unified("a\n", "a\n"), "");
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    }
}
