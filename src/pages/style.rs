//! The one stylesheet, and the colours a brand gets in light and in dark.
//!
//! The grounds are ours and fixed; what carries the brand is derived from its one colour so that it can be read on them.

use askama::Template;
use bytes::Bytes;

use super::contrast::{BLACK, EDGE, Rgb, TEXT, WHITE, mix, reach, readable_on};
use super::{Brand, Reply};

/// How long a browser may keep the stylesheet: short, for a brand may change at any reload of the config.
const MAX_AGE_SECONDS: u32 = 300;

/// Every colour of one mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    pub(super) page: Rgb,
    pub(super) card: Rgb,
    pub(super) text: Rgb,
    pub(super) muted: Rgb,
    pub(super) line: Rgb,
    pub(super) field_edge: Rgb,
    pub(super) alert: Rgb,
    pub(super) alert_ground: Rgb,
    /// Links and focus rings: the brand's colour, in a shade that can be read.
    pub(super) accent: Rgb,
    pub(super) button: Button,
}

/// The colours of the one button that matters on a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Button {
    pub(super) ground: Rgb,
    pub(super) text: Rgb,
    pub(super) hover: Rgb,
    pub(super) edge: Rgb,
}

/// The stylesheet of a brand's pages.
#[must_use]
pub fn stylesheet(brand: &Brand) -> Reply {
    let css = Stylesheet { light: Palette::light((&brand.color).into()), dark: Palette::dark((&brand.color).into()) };
    let body = css.render().map_or_else(|_| Bytes::new(), Bytes::from);
    Reply::asset("text/css; charset=utf-8", body, MAX_AGE_SECONDS)
}

/// The colour that a brand's links have on light pages, where its own is too pale to be read there. Its buttons have an edge then.
#[must_use]
pub fn shade_of_links(color: &crate::types::Color) -> Option<String> {
    let (own, palette) = (Rgb::from(color), Palette::light(color.into()));
    (palette.accent != own).then(|| palette.accent.to_string())
}

#[derive(Template)]
#[template(path = "style.css", escape = "none")]
struct Stylesheet {
    light: Palette,
    dark: Palette,
}

impl Palette {
    /// By day the button has exactly the brand's colour; a pale one gets an edge that shows where it ends.
    pub(super) fn light(brand: Rgb) -> Self {
        let (page, card) = (Rgb(0xf4, 0xf5, 0xf7), WHITE);
        Self {
            page,
            card,
            text: Rgb(0x1b, 0x1f, 0x24),
            muted: Rgb(0x56, 0x5e, 0x69),
            line: Rgb(0xe1, 0xe4, 0xe8),
            field_edge: Rgb(0x86, 0x8e, 0x99),
            alert: Rgb(0x9f, 0x1d, 0x17),
            alert_ground: Rgb(0xfd, 0xf0, 0xee),
            accent: reach(brand, BLACK, &[page, card], TEXT),
            button: Button::new(brand, reach(brand, BLACK, &[card], EDGE)),
        }
    }

    /// By night a dark brand colour is lifted until its button stands out from the card.
    pub(super) fn dark(brand: Rgb) -> Self {
        let (page, card) = (Rgb(0x10, 0x13, 0x17), Rgb(0x1a, 0x1e, 0x24));
        let lifted = reach(brand, WHITE, &[card], EDGE);
        Self {
            page,
            card,
            text: Rgb(0xec, 0xee, 0xf1),
            muted: Rgb(0xa6, 0xae, 0xb9),
            line: Rgb(0x2d, 0x33, 0x3b),
            field_edge: Rgb(0x76, 0x7f, 0x8b),
            alert: Rgb(0xff, 0xb4, 0xab),
            alert_ground: Rgb(0x3b, 0x1d, 0x1b),
            accent: reach(brand, WHITE, &[page, card], TEXT),
            button: Button::new(lifted, lifted),
        }
    }

    /// The pairs that are text on a ground, each to be readable.
    #[cfg(test)]
    fn texts(&self) -> [(&'static str, f64); 9] {
        use super::contrast::ratio;
        [
            ("text on card", ratio(self.text, self.card)),
            ("text on page", ratio(self.text, self.page)),
            ("muted on card", ratio(self.muted, self.card)),
            ("muted on page", ratio(self.muted, self.page)),
            ("alert", ratio(self.alert, self.alert_ground)),
            ("accent on card", ratio(self.accent, self.card)),
            ("accent on page", ratio(self.accent, self.page)),
            ("button", ratio(self.button.text, self.button.ground)),
            ("button under the pointer", ratio(self.button.text, self.button.hover)),
        ]
    }
}

impl Button {
    fn new(ground: Rgb, edge: Rgb) -> Self {
        let text = readable_on(ground);
        // Away from its text, so that the contrast only grows under the pointer.
        let away = if text == WHITE { BLACK } else { WHITE };
        Self { ground, text, hover: mix(ground, away, 14), edge }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::contrast::{any_color, ratio};
    use super::*;
    use crate::types::Color;

    proptest! {
        #[test]
        fn every_text_can_be_read_whatever_the_brand_by_day_and_by_night(brand in any_color()) {
            for palette in [Palette::light(brand), Palette::dark(brand)] {
                for (name, found) in palette.texts() {
                    prop_assert!(found >= TEXT, "{} {}", name, found);
                }
                for edge in [palette.button.edge, palette.field_edge, palette.accent] {
                    prop_assert!(ratio(edge, palette.card) >= EDGE);
                }
            }
        }
    }

    #[test]
    fn the_button_keeps_the_brands_own_colour_by_day() {
        assert_eq!(Palette::light(Rgb(0x0b, 0x5f, 0xff)).button.ground, Rgb(0x0b, 0x5f, 0xff));
    }

    #[test]
    fn a_pale_colour_has_a_darker_shade_for_links_and_any_other_keeps_its_own() {
        let shade = |text| shade_of_links(&Color::parse(text).expect("a colour"));
        assert_eq!((shade("#0b5fff"), shade("#000000"), shade("#2f5aae")), (None, None, None));
        assert!(shade("#ffd400").is_some_and(|shade| shade.starts_with("rgb(")) && shade("#ffffff").is_some());
    }

    #[test]
    fn the_stylesheet_holds_both_modes() {
        let brand = Brand {
            title: "Acme".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Color::parse("#0b5fff").expect("a colour"),
        };
        let reply = stylesheet(&brand);
        let css = std::str::from_utf8(&reply.body).expect("UTF-8");
        assert!(css.contains("--button: rgb(11, 95, 255)"), "{css}");
        assert!(css.contains("prefers-color-scheme: dark"));
        assert!(!css.contains("{{") && !css.contains("url("));
        assert_eq!(reply.headers[http::header::CONTENT_TYPE], "text/css; charset=utf-8");
    }
}
