//! What customers use: figures, charts, and the numbers that they are drawn from.

use axum::extract::{Extension, Query, State};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::outline::{self, Column};
use super::{Room, apps, ask, encode, failed, forms, missing, page, query};
use crate::pages::console::{Block, Cell, Charts, ConsolePage, FieldKind, Form, FormField, Tone};
use crate::pages::{DayView, Reply};
use crate::state::visit::Visit;

const SECTION: &str = "/usage";
const DAYS: [Column; 5] =
    [("Day", "date"), ("Allowed", "requests"), ("Refused", "refusals"), ("People", "people"), ("Log-ins", "logins")];
const PAGES: [Column; 2] = [("Page", "page"), ("Requests", "requests")];
const CUSTOMERS: [Column; 3] = [("Customer", "customer"), ("Called", "name"), ("Requests", "requests")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    app: String,
    customer: String,
}

/// The last 30 days.
pub(super) async fn show(State(room): Room, Extension(visit): Extension<Visit>, Query(asked): Query<Asked>) -> Reply {
    let (app, _) = forms::choose_app(&room, &asked.app, SECTION, &[]);
    let Some(app) = app else { return missing(&visit, SECTION, "The config has no app.") };
    let target = format!("/api/v1/usage?app={}{}", encode(&app), query(&[("customer", &asked.customer)]));
    let (form, rest) = match ask(&room, &visit, Method::GET, &target, None).await {
        Ok(told) => {
            (form(apps(&room), &app, &asked.customer, members(&told, "customers")), blocks(&told, &app, &asked))
        }
        Err(failure) => (form(apps(&room), &app, &asked.customer, &[]), vec![failed(&failure)]),
    };
    let blocks = [Block::Form(form)].into_iter().chain(rest).collect();
    page(&visit, &ConsolePage { heading: "Usage".to_owned(), section: SECTION, blocks })
}

/// Which app, and which customer of those that used it.
fn form(apps: Vec<(String, String)>, app: &str, chosen: &str, customers: &[Value]) -> Form {
    let choice = |item: &Value| {
        let (id, name) = (outline::text_of(item.get("customer")), outline::text_of(item.get("name")));
        let shown = if name.is_empty() { id.clone() } else { format!("{name} ({id})") };
        (id, shown)
    };
    let mut choices = vec![(String::new(), "all together".to_owned())];
    choices.extend(customers.iter().map(choice));
    if !choices.iter().any(|(id, _)| id == chosen) {
        choices.push((chosen.to_owned(), chosen.to_owned()));
    }
    Form::search(
        SECTION,
        "Show",
        vec![
            FormField::line("app", "App", app).of(FieldKind::Choice(apps)),
            FormField::line("customer", "Customer", chosen).of(FieldKind::Choice(choices)),
        ],
    )
}

fn members<'a>(told: &'a Value, name: &str) -> &'a [Value] {
    told.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(item: &Value, name: &str) -> u64 {
    item.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn blocks(told: &Value, app: &str, asked: &Asked) -> Vec<Block> {
    let days = members(told, "days");
    let sum = |name: &str| days.iter().map(|day| number(day, name)).fold(0, u64::saturating_add);
    let active = number(told, "active");
    let people = told.get("people").and_then(Value::as_u64);
    let invitations = told.get("invitations").and_then(Value::as_u64);
    let of_all = |count: u64| people.map_or_else(|| count.to_string(), |all| format!("{count} of {all}"));
    let mut blocks = Vec::new();
    if people.is_none() {
        let what = "A list cannot be read, so how many people there are cannot be told.";
        blocks.push(Block::Notice(Tone::Warning, what.to_owned()));
    }
    let mut facts = vec![
        ("Active people in 30 days".to_owned(), Cell::text(of_all(active))),
        ("Log-ins".to_owned(), Cell::text(sum("logins").to_string())),
        ("Requests".to_owned(), Cell::text(sum("requests").saturating_add(sum("refusals")).to_string())),
        ("Refused".to_owned(), Cell::text(sum("refusals").to_string())),
    ];
    if let Some(count) = invitations {
        let wanted = query(&[("app", app), ("customer", &asked.customer)]);
        let to = format!("/invitations?{}", wanted.trim_start_matches('&'));
        facts.push(("Invitations that wait".to_owned(), Cell::link(to, count.to_string())));
    }
    blocks.push(Block::Facts(facts));
    let day = |day: &Value| {
        Some(DayView {
            date: day.get("date")?.as_str()?.parse().ok()?,
            requests: number(day, "requests"),
            refusals: number(day, "refusals"),
            logins: number(day, "logins"),
            people: number(day, "people"),
        })
    };
    blocks.push(Block::Charts(Charts { days: days.iter().filter_map(day).collect(), active }));
    let rows = members(told, "pages").iter().map(|page| outline::row(page, &PAGES)).collect();
    blocks.push(Block::Table(outline::table("Pages shown most", &PAGES, rows, "No page was shown.")));
    if asked.customer.is_empty() {
        let row = |item: &Value| {
            let mut cells = outline::row(item, &CUSTOMERS);
            let id = outline::text_of(item.get("customer"));
            if let Some(first) = cells.first_mut() {
                *first = Cell::link(format!("/usage?app={}&customer={}", encode(app), encode(&id)), id);
            }
            cells
        };
        let rows = members(told, "customers").iter().map(row).collect();
        blocks.push(Block::Table(outline::table("Customers, by requests", &CUSTOMERS, rows, "No customer was here.")));
    }
    let rows = days.iter().rev().map(|day| outline::row(day, &DAYS)).collect();
    blocks.push(Block::Table(outline::table("The numbers, day by day", &DAYS, rows, "None.")));
    let zone = outline::text_of(told.get("time_zone"));
    blocks
        .push(Block::Text(format!("A day begins at midnight in time zone {zone}. Neither staff nor previews count.")));
    blocks
}
