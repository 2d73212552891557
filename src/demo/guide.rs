//! The guide that the demo prints: where things are, whom to log in as, and what each will see and why.

use std::net::SocketAddr;
use std::path::Path;

/// Where this run's parts listen.
#[derive(Debug)]
pub(super) struct Places {
    /// The gateway, on every demo domain.
    pub(super) port: u16,
    /// Health and metrics.
    pub(super) admin: u16,
    /// The sample app.
    pub(super) upstream: SocketAddr,
    /// The mailbox page.
    pub(super) mailbox: SocketAddr,
}

/// Whom to log in as: address, and what comes of it.
const PEOPLE: &[(&str, &str)] = &[
    ("bea@acme.example", "basic: the dashboard and no more. Every other link is denied, and the page says why"),
    ("oscar@acme.example", "orders: and the orders, without amounts. 90 days back: see X-Access-Since at the foot"),
    ("priya@acme.example", "prices: and what they cost"),
    ("bill@acme.example", "billing: and the statement, but only Acme's. The app itself would show anybody's"),
    ("ada@acme.example", "admin: and the people"),
    ("olga@acme.example", "owner: and everything else, the reports too, but still no other customer's statement"),
    ("zoe@lumiere.example", "owner of another customer: the same app, other orders. Her name goes up percent-encoded"),
    ("hana@borealis.example", "no role in her row; `assign` gives heads of departments the role prices"),
    ("nils@borealis.example", "no role in his row; `roles_default` makes him basic"),
    ("sam@advisors.example", "works for two customers: chooses one after the log-in, and can switch"),
    (
        "ann@northwind.example",
        "staff, from [[workspace.user]]: no customer, sees all of them. Console and previews are hers",
    ),
    ("blake@acme.example", "an owner, but blocked: `where` drops his row, so no mail comes. The page does not tell"),
    ("dora@borealis.example", "two rows for one customer: ambiguous, so neither lets her in. No mail comes"),
];

/// The whole guide.
pub(super) fn text(places: &Places, config: &Path) -> String {
    let Places { port, admin, mailbox, .. } = places;
    let folder = config.parent().unwrap_or(config).display();
    let config = config.display();
    let program = std::env::current_exe().map_or_else(|_| "vestibule".to_owned(), |path| path.display().to_string());
    let widest = PEOPLE.iter().map(|(email, _)| email.len()).max().unwrap_or(0);
    let people: String = PEOPLE.iter().map(|(email, sees)| format!("  {email:widest$}  {sees}\n")).collect();
    format!(
        "\
Vestibule demo: an order portal that has no log-in of its own, behind a gateway that has.

  https://orders.localhost:{port}/   the app, as Northwind's customers reach it
  https://acme.localhost:{port}/     the same app through Acme's own door: another look, and only customer 1001
  https://console.localhost:{port}/  the console of Northwind's own team: log in as ann
  http://{mailbox}/           the mailbox: every mail of this demo ends here, none is sent

Browsers find names under .localhost by themselves. They warn of the certificate, for its CA was made a moment ago:
go on past the warning, or import the CA, whose key is deleted when the demo ends:
  {program} ca --config {config}

LOG IN AS (in the log-in page; then open the mail's link in the same browser, or type its code)

{people}
Log out and switch customers at https://orders.localhost:{port}/.access/account

WHAT TO TRY
  - Open the mail's link in another browser: it shows the code and does not let that browser in.
  - Log in at acme.localhost as sam (no choice to make there) or as nils (not Acme's, so no mail comes).
  - Add a passkey when it is offered after a log-in (Chromium lets you past its warning too), log out, and log in with it.
    It is good on the domain it was added on: at the other door you have none yet.
  - Ask the JSON without a session: curl -k https://orders.localhost:{port}/api/orders
  - As ada, look after Acme's people at https://orders.localhost:{port}/.access/team: invite somebody (the mail is in the
    mailbox), change what bea may do, and see that olga, an owner, stays as she is.
  - As ann, see the app as olga does: https://orders.localhost:{port}/.access/preview. The bar at the top says so, and
    nothing can be changed. In the console, ask why dora may not enter, and see in the audit log what you have done.
  - Read all of it in another language: at the foot of the log-in page, or on the account page.
  - Take somebody out of people.csv, or change an access_level: it counts two seconds later.
  - Ask why:
    {program} explain --config {config} \\
      --app orders --email bill@acme.example --path /customers/1002/statement

WHERE IT STANDS
  {folder}/people.csv       who may enter, and as what
  {folder}/vestibule.toml   the roles, [app.orders.role.*], and all else
  http://127.0.0.1:{admin}/metrics, /healthz and /readyz

Ctrl-C ends the demo and removes the folder.
"
    )
}
