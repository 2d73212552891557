//! Invitations: records whose person has not come yet.

use axum::extract::{Extension, Query, State};
use http::Method;
use serde_json::Value;

use super::outline::{self, Column};
use super::records::{self, Search};
use super::{Room, apps_and_all, ask, encode, failed, may_change, page, query, record};
use crate::pages::Reply;
use crate::pages::console::{Block, Cell, ConsolePage, FieldKind, Form, FormField};
use crate::state::visit::Visit;

const COLUMNS: [Column; 7] = [
    ("Address", "email"),
    ("App", "app"),
    ("Customer", "customer"),
    ("Role", "role"),
    ("State", "state"),
    ("Until", "expires"),
    ("Invited by", "made_by"),
];

pub(super) async fn list(State(room): Room, Extension(visit): Extension<Visit>, Query(search): Query<Search>) -> Reply {
    let form = Form::search(
        "/invitations",
        "Show",
        vec![
            FormField::line("app", "App", search.app.clone()).of(FieldKind::Choice(apps_and_all(&room))),
            FormField::line("customer", "Customer", search.customer.clone()),
            FormField::line("q", "Address or name", search.q.clone()),
        ],
    );
    let mut blocks: Vec<_> = record::told(&search.done).into_iter().collect();
    let may_change = may_change(&visit);
    if may_change {
        let make = query(&[("app", &search.app), ("customer", &search.customer)]);
        let make = Cell::link(format!("/records/new?{}", make.trim_start_matches('&')), "Invite somebody");
        blocks.push(Block::Facts(vec![("Somebody else".to_owned(), make)]));
    }
    blocks.push(Block::Form(form));
    let search = Search { state: "invited".to_owned(), ..search };
    let (wanted, cursor) = (search.query(), query(&[("cursor", &search.cursor)]));
    match ask(&room, &visit, Method::GET, &format!("/api/v1/records?limit=100{wanted}{cursor}"), None).await {
        Ok(answer) => {
            let mut columns = COLUMNS.to_vec();
            if may_change {
                columns.extend([("Mail", ""), ("End", "")]);
            }
            let row = |item: &Value| {
                let text = |name: &str| outline::text_of(item.get(name));
                let mut cells = records::cells(&room, &visit, item, &COLUMNS);
                if may_change {
                    cells.push(record::resend_button(&text("id"), &text("email")));
                    let about = format!("Withdraw that of {}", text("email"));
                    cells.push(Cell::link(format!("/records/{}/remove", encode(&text("id"))), about));
                }
                cells
            };
            let rows = outline::items(&answer).iter().map(row).collect();
            let mut table =
                outline::table("Invitations that nobody has accepted", &columns, rows, "Nobody is invited.");
            let next = outline::text_of(answer.get("next"));
            table.more = (!next.is_empty()).then(|| format!("/invitations?cursor={}{wanted}", encode(&next)));
            blocks.push(Block::Table(table));
        }
        Err(failure) => blocks.push(failed(&failure)),
    }
    page(&visit, &ConsolePage { heading: "Invitations".to_owned(), section: "/invitations", blocks })
}
