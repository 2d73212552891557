//! The sample app's pages: one frame, and a template for what goes inside it.
//!
//! The menu holds the same links for everybody. A careful app would hide what its visitor may not open; this one does not
//! know, and so the demo shows what the gateway answers when a link leads further than a role does.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::app::Visitor;
use super::orders::{Customer, Order, Person, Status, customer, customers, money};

/// Puts `body` in the frame and answers with it.
pub(super) fn page(visitor: &Visitor, title: &str, place: &str, body: &impl Template) -> Response {
    let own = visitor.customer.as_deref().unwrap_or("1001");
    let entries = [
        ("Dashboard", "/".to_owned()),
        ("Orders", "/orders".to_owned()),
        ("Statement", format!("/customers/{own}/statement")),
        ("Reports", "/reports".to_owned()),
        ("People", "/admin/people".to_owned()),
        ("JSON", "/api/orders".to_owned()),
    ];
    let menu =
        entries.into_iter().map(|(label, link)| MenuEntry { current: is_current(place, &link), label, link }).collect();
    let html = body.render().and_then(|body| Frame { visitor, title, menu, body }.render());
    let Ok(html) = html else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be drawn\n").into_response();
    };
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))], Html(html)).into_response()
}

/// Whether a menu entry is the one we are on: itself, or (for statements, whose links differ) the start of its path.
fn is_current(place: &str, link: &str) -> bool {
    link == place || (place.len() > 1 && link.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
}

struct MenuEntry {
    label: &'static str,
    link: String,
    current: bool,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }} · Northwind Orders</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/app.css">
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header>
  <div class="bar">
    <a class="brand" href="/"><svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><path d="M12 2 22 20 12 15.5 2 20Z"/></svg>Northwind Orders</a>
    <p class="who"><strong>{{ visitor.name }}</strong><span>{{ visitor.customer_name }}{% if !visitor.role.is_empty() %} · {{ visitor.role }}{% endif %}</span></p>
  </div>
  <nav aria-label="Main"><ul>{% for entry in menu %}
    <li><a href="{{ entry.link }}"{% if entry.current %} aria-current="page"{% endif %}>{{ entry.label }}</a></li>{% endfor %}
  </ul></nav>
</header>
<main id="content">
<h1>{{ title }}</h1>
{{ body|safe }}
</main>
<footer>
  <h2>Headers this app received</h2>
  <p>The app has no log-in of its own. All it knows of you is in these lines.</p>
  <dl>{% for (name, value) in visitor.received %}
    <div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}
  </dl>
</footer>
</body>
</html>
"##
)]
struct Frame<'a> {
    visitor: &'a Visitor,
    title: &'a str,
    menu: Vec<MenuEntry>,
    body: String,
}

/// The first page: three counts, and the latest orders.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">Hello, {{ visitor.name }}. You are here as {{ visitor.email }} for {{ visitor.customer_name }}.</p>
<ul class="cards">{% for (count, label) in counts %}
  <li><strong>{{ count }}</strong> {{ label }}</li>{% endfor %}
</ul>
<h2>Latest orders</h2>
<ul class="latest">{% for order in latest %}
  <li><a href="/orders/{{ order.number }}">Order {{ order.number }}</a> <span class="date">{{ order.date }}</span> <span class="tag {{ order.status.word() }}">{{ order.status.word() }}</span></li>{% else %}
  <li>No orders yet.</li>{% endfor %}
</ul>"##
)]
pub(super) struct Dashboard<'a> {
    visitor: &'a Visitor,
    counts: [(usize, &'static str); 3],
    latest: Vec<&'a Order>,
}

impl<'a> Dashboard<'a> {
    pub(super) fn new(visitor: &'a Visitor, orders: &[&'a Order]) -> Self {
        let count = |status| orders.iter().filter(|order| order.status == status).count();
        Dashboard {
            visitor,
            counts: [
                (count(Status::Open), "open"),
                (count(Status::Shipped), "on the way"),
                (count(Status::Delivered), "delivered"),
            ],
            latest: orders.iter().take(4).copied().collect(),
        }
    }
}

/// Every order, without amounts.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<div class="scroll" role="region" aria-label="Orders" tabindex="0"><table>
<thead><tr><th scope="col">Order</th>{% if everybody %}<th scope="col">Customer</th>{% endif %}<th scope="col">Date</th><th scope="col">Status</th><th scope="col" class="number">Lines</th><th scope="col">Amounts</th></tr></thead>
<tbody>{% for order in orders %}
<tr><td><a href="/orders/{{ order.number }}">{{ order.number }}</a></td>{% if everybody %}<td>{{ self::name_of(order.customer) }}</td>{% endif %}<td>{{ order.date }}</td><td><span class="tag {{ order.status.word() }}">{{ order.status.word() }}</span></td><td class="number">{{ order.lines.len() }}</td><td><a href="/orders/{{ order.number }}/prices">Prices<span class="hidden"> of order {{ order.number }}</span></a></td></tr>{% endfor %}
</tbody></table></div>"##
)]
pub(super) struct Orders<'a> {
    pub(super) orders: &'a [&'a Order],
    pub(super) everybody: bool,
}

/// One order: what was ordered, and where it is.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">Ordered on {{ order.date }} · <span class="tag {{ order.status.word() }}">{{ order.status.word() }}</span></p>
<div class="scroll" role="region" aria-label="Lines of the order" tabindex="0"><table>
<thead><tr><th scope="col">Item</th><th scope="col" class="number">Quantity</th></tr></thead>
<tbody>{% for line in order.lines %}
<tr><td>{{ line.item }}</td><td class="number">{{ line.quantity }}</td></tr>{% endfor %}
</tbody></table></div>
<p><a href="/orders/{{ order.number }}/prices">Prices of this order</a> · <a href="/api/orders/{{ order.number }}">the same as JSON</a></p>"##
)]
pub(super) struct OrderPage<'a> {
    pub(super) order: &'a Order,
}

/// One order with its amounts.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">Ordered on {{ order.date }}. Amounts in euro, without tax.</p>
<div class="scroll" role="region" aria-label="Prices" tabindex="0"><table>
<thead><tr><th scope="col">Item</th><th scope="col" class="number">Quantity</th><th scope="col" class="number">Each</th><th scope="col" class="number">Amount</th></tr></thead>
<tbody>{% for line in order.lines %}
<tr><td>{{ line.item }}</td><td class="number">{{ line.quantity }}</td><td class="number">{{ self::money(line.unit()) }}</td><td class="number">{{ self::money(line.cents()) }}</td></tr>{% endfor %}
</tbody>
<tfoot><tr><th scope="row">Total</th><td></td><td></td><td class="number">{{ self::money(order.cents()) }}</td></tr></tfoot></table></div>
<p><a href="/orders/{{ order.number }}">Back to the order</a></p>"##
)]
pub(super) struct Prices<'a> {
    pub(super) order: &'a Order,
}

/// What one customer owes and has paid. The links below lead to the other customers' statements, for trying.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">{{ customer.name }}, {{ customer.city }} · customer {{ customer.id }}. Amounts in euro.</p>
<div class="scroll" role="region" aria-label="Statement" tabindex="0"><table>
<thead><tr><th scope="col">Date</th><th scope="col">For</th><th scope="col">State</th><th scope="col" class="number">Amount</th></tr></thead>
<tbody>{% for order in orders %}
<tr><td>{{ order.date }}</td><td>Order {{ order.number }}</td><td>{% if order.status == Status::Delivered %}paid{% else %}due{% endif %}</td><td class="number">{{ self::money(order.cents()) }}</td></tr>{% endfor %}
</tbody>
<tfoot><tr><th scope="row" colspan="3">Due</th><td class="number">{{ self::money(self.due()) }}</td></tr></tfoot></table></div>
<p>This app believes the address and would show anybody's statement:{% for other in self::customers() %} <a href="/customers/{{ other.id }}/statement">{{ other.name }}</a>{% if !loop.last %},{% else %}.{% endif %}{% endfor %}</p>"##
)]
pub(super) struct Statement<'a> {
    pub(super) customer: &'a Customer,
    pub(super) orders: &'a [&'a Order],
}

impl Statement<'_> {
    /// Whatever is not delivered is not paid.
    fn due(&self) -> u64 {
        self.orders.iter().filter(|order| order.status != Status::Delivered).map(|order| order.cents()).sum()
    }
}

/// The shop's address book of the customer's people.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">Who may write to us in the name of the company.</p>
<div class="scroll" role="region" aria-label="People" tabindex="0"><table>
<thead><tr><th scope="col">Name</th><th scope="col">Job</th><th scope="col">Email</th><th scope="col">Customer</th></tr></thead>
<tbody>{% for person in people %}
<tr><td>{{ person.name }}</td><td>{{ person.job }}</td><td>{{ person.email }}</td><td>{{ self::name_of(person.customer) }}</td></tr>{% endfor %}
</tbody></table></div>"##
)]
pub(super) struct Admin<'a> {
    pub(super) people: &'a [&'a Person],
}

/// Turnover by month, as bars.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<p class="lead">Ordered by month, in euro.</p>
<ul class="bars">{% for (month, amount, width) in months %}
  <li><span class="label">{{ month }}</span><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width="{{ width }}" height="10"/></svg><span class="amount">{{ amount }}</span></li>{% endfor %}
</ul>"##
)]
pub(super) struct Reports {
    months: Vec<(&'static str, String, u64)>,
}

impl Reports {
    /// Adds up by month, newest first; the longest bar is a hundred wide.
    pub(super) fn new(orders: &[&Order]) -> Self {
        let mut sums = std::collections::BTreeMap::<&'static str, u64>::new();
        for order in orders {
            *sums.entry(order.month()).or_default() += order.cents();
        }
        let highest = sums.values().copied().max().unwrap_or(0).max(1);
        Reports {
            months: sums.into_iter().rev().map(|(month, cents)| (month, money(cents), cents * 100 / highest)).collect(),
        }
    }
}

/// What was asked for is not there.
#[derive(Template)]
#[template(ext = "html", source = r##"<p class="lead">{{ what }}</p><p><a href="/">To the dashboard</a></p>"##)]
pub(super) struct Missing<'a> {
    pub(super) what: &'a str,
}

/// A customer's name, or the id where there is none.
fn name_of(id: &'static str) -> &'static str {
    customer(id).map_or(id, |customer| customer.name)
}
