//! The sample app: an ordinary little order portal that stands behind the gateway in the demo.
//!
//! It knows nothing of the gateway. It has no log-in, no sessions and no roles of its own: it reads who is there from five
//! request headers, as thousands of in-house apps do, and shows the orders of the customer named in them. It is careless on
//! purpose in one place: `/customers/{id}/statement` shows whichever customer the path names, so that the demo's rule for
//! that path is the only thing in the way, and can be seen working.

use axum::Json;
use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::app_pages::{Admin, Dashboard, Missing, OrderPage, Orders, Prices, Reports, Statement, page};
use super::orders::{self, Line, Order};

/// Every page and every JSON answer of the sample app.
pub fn router() -> Router {
    Router::new()
        .route("/", get(dashboard))
        .route("/orders", get(order_list))
        .route("/orders/{number}", get(order))
        .route("/orders/{number}/prices", get(prices))
        .route("/customers/{id}/statement", get(statement))
        .route("/admin/people", get(people))
        .route("/reports", get(reports))
        .route("/api/orders", get(api_orders))
        .route("/api/orders/{number}", get(api_order))
        .route("/assets/app.css", get(style))
        .route("/assets/icon.svg", get(icon))
        .fallback(|visitor: Visitor| async move { missing(&visitor, "There is no such page.") })
}

/// Who the headers say is there. No address means that nobody let this person in, and the app refuses.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) role: String,
    /// Absent for staff, who see every customer.
    pub(super) customer: Option<String>,
    pub(super) customer_name: String,
    /// The headers a page shows at its foot, as they arrived.
    pub(super) received: Vec<(String, String)>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let headers = &parts.headers;
        let Some(email) = value(headers, "x-access-email") else {
            return Err((
                StatusCode::UNAUTHORIZED,
                "no X-Access-Email header: this app is reached through its gateway\n",
            ));
        };
        let customer = value(headers, "x-access-customer");
        Ok(Visitor {
            name: value(headers, "x-access-name").unwrap_or_else(|| email.clone()),
            role: value(headers, "x-access-role").unwrap_or_default(),
            customer_name: value(headers, "x-access-customer-name")
                .or_else(|| customer.clone())
                .unwrap_or_else(|| "All customers".to_owned()),
            email,
            customer,
            received: received(headers),
        })
    }
}

/// One header's text. Anything beyond ASCII arrives percent-encoded, so that is undone here.
fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// The headers worth showing, still as they arrived.
fn received(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = |name: &str| {
        name.starts_with("x-access-")
            || name.starts_with("x-forwarded-")
            || name == "forwarded"
            || name == "x-request-id"
    };
    let mut list: Vec<_> = headers
        .iter()
        .filter(|(name, _)| told(name.as_str()))
        .map(|(name, value)| (spelled(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    list.sort();
    list
}

/// `x-access-email` as people write it: `X-Access-Email`.
fn spelled(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|letter| {
            let shown = if start { letter.to_ascii_uppercase() } else { letter };
            start = letter == '-';
            shown
        })
        .collect()
}

async fn dashboard(visitor: Visitor) -> Response {
    let orders = orders::orders_of(visitor.customer.as_deref());
    page(&visitor, "Dashboard", "/", &Dashboard::new(&visitor, &orders))
}

async fn order_list(visitor: Visitor) -> Response {
    let orders = orders::orders_of(visitor.customer.as_deref());
    page(&visitor, "Orders", "/orders", &Orders { orders: &orders, everybody: visitor.customer.is_none() })
}

async fn order(visitor: Visitor, Path(number): Path<String>) -> Response {
    match find(&visitor, &number) {
        Some(order) => page(&visitor, &format!("Order {}", order.number), "/orders", &OrderPage { order }),
        None => missing(&visitor, "You have no order of that number."),
    }
}

async fn prices(visitor: Visitor, Path(number): Path<String>) -> Response {
    match find(&visitor, &number) {
        Some(order) => page(&visitor, &format!("Prices of order {}", order.number), "/orders", &Prices { order }),
        None => missing(&visitor, "You have no order of that number."),
    }
}

/// Careless on purpose: it believes the path, and looks at no header. See the head of this file.
async fn statement(visitor: Visitor, Path(id): Path<String>) -> Response {
    let Some(customer) = orders::customer(&id) else {
        return missing(&visitor, "There is no such customer.");
    };
    let orders = orders::orders_of(Some(customer.id));
    page(&visitor, &format!("Statement of {}", customer.name), "/customers", &Statement { customer, orders: &orders })
}

async fn people(visitor: Visitor) -> Response {
    let people = orders::people_of(visitor.customer.as_deref());
    page(&visitor, "People", "/admin/people", &Admin { people: &people })
}

async fn reports(visitor: Visitor) -> Response {
    let orders = orders::orders_of(visitor.customer.as_deref());
    page(&visitor, "Reports", "/reports", &Reports::new(&orders))
}

fn missing(visitor: &Visitor, what: &str) -> Response {
    let mut answer = page(visitor, "Not found", "", &Missing { what });
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

fn find(visitor: &Visitor, number: &str) -> Option<&'static Order> {
    orders::order_of(visitor.customer.as_deref(), number.parse().ok()?)
}

/// An order in the JSON list: what and when, but no amounts.
#[derive(Serialize)]
struct OrderSummary {
    number: u32,
    customer: &'static str,
    date: &'static str,
    status: &'static str,
    lines: usize,
}

impl From<&Order> for OrderSummary {
    fn from(order: &Order) -> Self {
        OrderSummary {
            number: order.number,
            customer: order.customer,
            date: order.date,
            status: order.status.word(),
            lines: order.lines.len(),
        }
    }
}

/// One order in JSON, with its amounts.
#[derive(Serialize)]
struct OrderDetail {
    #[serde(rename = "order")]
    summary: OrderSummary,
    items: Vec<Item>,
    total_cents: u64,
}

#[derive(Serialize)]
struct Item {
    item: &'static str,
    quantity: u64,
    unit_cents: u64,
    amount_cents: u64,
}

impl From<&Line> for Item {
    fn from(line: &Line) -> Self {
        Item { item: line.item, quantity: line.quantity, unit_cents: line.unit(), amount_cents: line.cents() }
    }
}

async fn api_orders(visitor: Visitor) -> Json<Vec<OrderSummary>> {
    Json(orders::orders_of(visitor.customer.as_deref()).into_iter().map(OrderSummary::from).collect())
}

async fn api_order(visitor: Visitor, Path(number): Path<String>) -> Response {
    match find(&visitor, &number) {
        Some(order) => Json(OrderDetail {
            summary: order.into(),
            items: order.lines.iter().map(Item::from).collect(),
            total_cents: order.cents(),
        })
        .into_response(),
        None => (StatusCode::NOT_FOUND, Json(serde_json::json!({ "error": "not_found" }))).into_response(),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], include_str!("app.css"))
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"))], include_str!("northwind.svg"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    /// Asks the app as somebody, and gives back the status and the text.
    async fn ask(path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    const PRIYA: &[(&str, &str)] = &[
        ("x-access-email", "priya@acme.example"),
        ("x-access-name", "Priya Raman"),
        ("x-access-customer", "1001"),
        ("x-access-customer-name", "Acme Industries"),
        ("x-access-role", "prices"),
    ];
    const STAFF: &[(&str, &str)] = &[("x-access-email", "ann@northwind.example"), ("x-access-role", "staff")];

    #[tokio::test]
    async fn nobody_is_served_without_an_identity() {
        for path in ["/", "/orders", "/api/orders", "/nothing/here"] {
            assert_eq!(ask(path, &[]).await.0, StatusCode::UNAUTHORIZED, "{path}");
        }
    }

    #[tokio::test]
    async fn every_page_greets_the_person_and_shows_the_headers() {
        for path in [
            "/",
            "/orders",
            "/orders/2051",
            "/orders/2051/prices",
            "/customers/1001/statement",
            "/admin/people",
            "/reports",
        ] {
            let (status, body) = ask(path, PRIYA).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            for part in ["Priya Raman", "Acme Industries", "X-Access-Email", "priya@acme.example"] {
                assert!(body.contains(part), "{path}: {part}");
            }
        }
    }

    #[tokio::test]
    async fn a_customer_sees_only_its_own_orders() {
        let (_, body) = ask("/orders", PRIYA).await;
        assert!(body.contains("2051") && !body.contains("2049"));
        let (_, body) = ask("/api/orders", PRIYA).await;
        assert!(body.contains("2051") && !body.contains("2049"));
        assert_eq!(ask("/orders/2049", PRIYA).await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask("/api/orders/2049", PRIYA).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn staff_without_a_customer_see_everybody() {
        let (_, body) = ask("/orders", STAFF).await;
        for part in ["2051", "2049", "2044", "All customers", "Borealis Foods"] {
            assert!(body.contains(part), "{part}");
        }
    }

    #[tokio::test]
    async fn amounts_are_only_on_the_paths_that_the_ladder_guards() {
        let total = orders::money(orders::order_of(None, 2051).unwrap().cents());
        for (path, shown) in [("/", false), ("/orders", false), ("/orders/2051", false), ("/orders/2051/prices", true)]
        {
            assert_eq!(ask(path, PRIYA).await.1.contains(&total), shown, "{path}");
        }
        assert!(!ask("/api/orders", PRIYA).await.1.contains("cents"));
        assert!(ask("/api/orders/2051", PRIYA).await.1.contains("total_cents"));
    }

    #[tokio::test]
    async fn a_percent_encoded_name_is_shown_as_it_is_spelled() {
        let headers = [("x-access-email", "zoe@lumiere.example"), ("x-access-name", "Zo%C3%A9 Lumi%C3%A8re")];
        let (_, body) = ask("/", &headers).await;
        assert!(body.contains("Zoé Lumière"), "decoded in the greeting");
        assert!(body.contains("Zo%C3%A9"), "raw in the foot");
    }

    #[tokio::test]
    async fn markup_in_a_header_is_text() {
        let (_, body) = ask("/", &[("x-access-email", "a@b.example"), ("x-access-name", "<script>1</script>")]).await;
        assert!(!body.contains("<script>"));
    }

    #[tokio::test]
    async fn an_order_number_that_is_no_number_is_not_found() {
        assert_eq!(ask("/orders/abc", PRIYA).await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask("/customers/9/statement", PRIYA).await.0, StatusCode::NOT_FOUND);
    }
}
