//! The dashboard: what a customer's people did, day by day, in figures, charts and a table.

use askama::Template;
use askama::filters::HtmlSafe;
use http::StatusCode;
use jiff::civil::Date;

use super::chart::{Bar, Chart};
use super::texts::{Sentence, Texts, fill};
use super::views::{Frame, render};
use super::{Look, Reply, when};

/// What a dashboard shows.
#[derive(Clone, Debug)]
pub struct DashboardView<'a> {
    /// The customer's name; nothing for all of them together.
    pub customer: Option<&'a str>,
    /// The customers to pick from, for staff.
    pub picker: Option<Vec<PickView<'a>>>,
    /// Day by day, the oldest first.
    pub days: Vec<DayView>,
    /// How many people were here on these days.
    pub active: u64,
    /// How many people there are, where that is known.
    pub people: Option<u64>,
    /// How many invitations wait, where that is known.
    pub invitations: Option<u64>,
    /// The pages shown most.
    pub pages: Vec<(&'a str, u64)>,
    /// The time zone that days begin in.
    pub zone: &'a str,
}

/// A customer to pick.
#[derive(Clone, Copy, Debug)]
pub struct PickView<'a> {
    /// The customer's id.
    pub id: &'a str,
    /// The customer's name.
    pub name: &'a str,
    /// Whether it is shown.
    pub current: bool,
}

/// One day.
#[derive(Clone, Copy, Debug)]
pub struct DayView {
    /// Which.
    pub date: Date,
    /// Requests that passed.
    pub requests: u64,
    /// Requests that were refused.
    pub refusals: u64,
    /// Log-ins.
    pub logins: u64,
    /// People who were here.
    pub people: u64,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage<'a> {
    t: &'static Texts,
    frame: Frame<'a>,
    lead: Sentence<'a>,
    picker: &'a Option<Vec<PickView<'a>>>,
    figures: Vec<Figure>,
    charts: Vec<DrawnChart>,
    rows: Vec<Row>,
    pages: Vec<PageRow<'a>>,
    zone: String,
}

struct Figure {
    name: &'static str,
    value: String,
}

/// A chart, ready to be placed.
#[derive(Template)]
#[template(path = "chart.html")]
pub(super) struct DrawnChart {
    id: &'static str,
    title: &'static str,
    /// What its two parts are called, where it has two.
    parts: Option<(&'static str, &'static str)>,
    svg: String,
    summary: String,
}

/// True because its own template escapes every part, and a chart what it draws.
impl HtmlSafe for DrawnChart {}

struct Row {
    day: String,
    requests: String,
    refusals: String,
    people: String,
    logins: String,
}

struct PageRow<'a> {
    name: &'a str,
    requests: String,
}

/// The dashboard of a customer, or of all.
#[must_use]
pub fn dashboard(look: Look<'_>, view: &DashboardView<'_>) -> Reply {
    let d = &look.texts().dashboard;
    let number = |number: u64| number_in(look, number);
    let sum = |of| total(&view.days, of);
    let (requests, refusals, logins) = (sum(|day| day.requests), sum(|day| day.refusals), sum(|day| day.logins));
    let active = match view.people {
        Some(all) => fill(d.people_of, &[("active", &number(view.active)), ("all", &number(all))]),
        None => number(view.active),
    };
    let mut figures = vec![
        Figure { name: d.people, value: active },
        Figure { name: d.logins, value: number(logins) },
        Figure { name: d.requests, value: number(requests.saturating_add(refusals)) },
        Figure { name: d.refusals, value: number(refusals) },
    ];
    if let Some(invitations) = view.invitations {
        figures.push(Figure { name: d.invitations, value: number(invitations) });
    }
    let rows = view.days.iter().rev().map(|day| Row {
        day: day_in(look, day.date),
        requests: number(day.requests),
        refusals: number(day.refusals),
        people: number(day.people),
        logins: number(day.logins),
    });
    render(
        StatusCode::OK,
        &DashboardPage {
            t: look.texts(),
            frame: Frame { wide: true, ..Frame::new(look, d.heading) },
            lead: match view.customer {
                Some(customer) => Sentence::new(d.of_customer, &[("customer", customer)]),
                None => Sentence::new(d.of_all, &[]),
            },
            picker: &view.picker,
            figures,
            charts: charts(look, &view.days, view.active),
            rows: rows.collect(),
            pages: view.pages.iter().map(|(name, count)| PageRow { name, requests: number(*count) }).collect(),
            zone: fill(d.zone, &[("zone", view.zone)]),
        },
    )
}

/// What was used on some days as charts: requests with refusals, people, and log-ins.
pub(super) fn charts(look: Look<'_>, days: &[DayView], active: u64) -> Vec<DrawnChart> {
    let d = &look.texts().dashboard;
    let number = |number: u64| number_in(look, number);
    let sum = |of| total(days, of);
    let (requests, refusals, logins) = (sum(|day| day.requests), sum(|day| day.refusals), sum(|day| day.logins));
    let told = fill(d.requests_told, &[("allowed", &number(requests)), ("refused", &number(refusals))]);
    let logins_told = fill(d.told, &[("number", &number(logins))]);
    let people_told = fill(d.told, &[("number", &number(active))]);
    let charts = [
        ("requests", d.requests_by_day, told, Of { main: |day| day.requests, on_top: |day| day.refusals }),
        ("people", d.people_by_day, people_told, Of { main: |day| day.people, on_top: |_| 0 }),
        ("logins", d.logins_by_day, logins_told, Of { main: |day| day.logins, on_top: |_| 0 }),
    ];
    charts.into_iter().map(|(id, title, told, of)| draw(look, days, id, title, &told, &of)).collect()
}

/// What the dashboard is called, for links to it.
#[must_use]
pub(super) const fn dashboard_label(look: Look<'_>) -> &'static str {
    look.texts().dashboard.heading
}

fn total(days: &[DayView], of: fn(&DayView) -> u64) -> u64 {
    days.iter().map(of).fold(0, u64::saturating_add)
}

/// What a chart's bars are made of.
struct Of {
    main: fn(&DayView) -> u64,
    on_top: fn(&DayView) -> u64,
}

fn draw(look: Look<'_>, days: &[DayView], id: &'static str, title: &'static str, told: &str, of: &Of) -> DrawnChart {
    let d = &look.texts().dashboard;
    let sum = |day: &DayView| (of.main)(day).saturating_add((of.on_top)(day));
    // Of equal days the first, which is the one that the chart names.
    let most = days.iter().rev().max_by_key(|day| sum(day)).filter(|day| sum(day) > 0);
    let most =
        most.map(|day| fill(d.most, &[("day", &day_in(look, day.date)), ("number", &number_in(look, sum(day)))]));
    let summary = match most {
        Some(most) => format!("{told} {most}"),
        None => told.to_owned(),
    };
    let bars: Vec<_> = days
        .iter()
        .map(|day| Bar { day: short_day_in(look, day.date), main: (of.main)(day), on_top: (of.on_top)(day) })
        .collect();
    let number = |number| number_in(look, number);
    let svg = Chart { id, title, summary: &summary, bars: &bars, number: &number }.svg();
    let parts = (id == "requests").then_some((d.allowed, d.refusals));
    DrawnChart { id, title, parts, svg, summary }
}

/// A number as the reader writes it.
fn number_in(look: Look<'_>, number: u64) -> String {
    when::number(look.language, number)
}

/// A day as the reader writes it.
fn day_in(look: Look<'_>, date: Date) -> String {
    when::day(look.language, date)
}

/// A day as there is room for it below a chart.
fn short_day_in(look: Look<'_>, date: Date) -> String {
    when::day_of_month(look.language, date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Brand;
    use crate::types::{Color, Language};

    const HOSTILE: &str = "<script>alert('x')</script>\"><img src=x>";

    fn view(customer: Option<&str>) -> DashboardView<'_> {
        let days = (1..=30).map(|day| DayView {
            date: jiff::civil::date(2026, 3, day),
            requests: u64::from(day.unsigned_abs()) * 100,
            refusals: u64::from(day % 7 == 0) * 50,
            logins: 3,
            people: 5,
        });
        DashboardView {
            customer,
            picker: Some(vec![PickView { id: HOSTILE, name: HOSTILE, current: true }]),
            days: days.collect(),
            active: 7,
            people: Some(1200),
            invitations: Some(2),
            pages: vec![(HOSTILE, 3)],
            zone: "Europe/Sofia",
        }
    }

    #[test]
    fn the_dashboard_tells_its_numbers_in_every_language_and_escapes_what_it_shows() {
        let brand = Brand {
            title: "Acme".to_owned(),
            logo: None,
            logo_dark: None,
            icon: None,
            color: Color::parse("#0b5fff").expect("a colour"),
        };
        for language in Language::ALL {
            let look = Look { brand: &brand, language };
            for view in
                [view(Some(HOSTILE)), view(None), DashboardView { days: Vec::new(), pages: Vec::new(), ..view(None) }]
            {
                let reply = dashboard(look, &view);
                let body = std::str::from_utf8(&reply.body).expect("UTF-8");
                assert_eq!(reply.status, 200);
                assert!(!body.contains("<script") && !body.contains("<img"), "{body}");
                assert!(
                    !body.contains("style=\"") && !body.contains("{customer}") && !body.contains("{number}"),
                    "{body}"
                );
                assert_eq!(body.matches("role=\"img\"").count(), 3);
                assert_eq!(body.matches("<th scope=\"row\">").count(), view.days.len());
            }
        }
    }
}
