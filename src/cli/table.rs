//! Tables for terminals.

use super::paint::{Paint, cut, tame};

/// No cell is wider.
const MOST: usize = 48;

/// A table with a head, each column as wide as its widest cell. Cells hold what tables and people wrote, so they are tamed.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cut(&tame(cell), MOST)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{}\n", paint.title(line(&mut head.iter().copied())));
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells_and_cells_are_tame() {
        let rows =
            vec![vec!["ann@example.com".to_owned(), "x\u{1b}[2J".to_owned()], vec!["é".to_owned(), String::new()]];
        let text = table(&["who", "what"], &rows, Paint::plain());
        assert_eq!(text, "who              what\nann@example.com  x\\u{1b}[2J\né\n");
    }
}
