//! Previews in real Chromium, in front of Datasette and Radicale, unchanged, and of pages whose policies let hardly anything in
//! (`tests/support/preview_walk.mjs` walks).

use crate::datasette::Datasette;
use crate::house::{House, LADDER};
use crate::radicale::Radicale;
use crate::upstream::Script;

/// What Radicale says with every answer, by its own config.
const STRICT: &str = "[headers]\nContent-Security-Policy = default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'\n\
                      X-Frame-Options = DENY\n";

const APPS: &str = r#"
[app.orders.role.agent]
rules = [ { allow = "* /**" } ]

[app.data]
domains = ["data.test"]
upstream = "{{datasette}}"

[app.books]
domains = ["books.test"]
upstream = "http://{{radicale}}"

[app.books.identity]
headers = "none"
extra = { "X-Remote-User" = "{email}" }

[[app.data.customers]]
source = "crm"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"

[[app.books.customers]]
source = "crm"
email = "email"
customer = "company_id"
customer_name = "company"
person = "full_name"

[[workspace.user]]
email = "kim@staff.example"
name = "Kim"
roles = { orders = "agent", data = "admin", books = "admin" }
preview = ["orders", "data", "books"]
"#;

/// Pages that would hide, shift or colour whatever stands in them.
const HOSTILE: &str = "* { margin: 3px !important; opacity: 1; letter-spacing: 4px; text-transform: uppercase; font: 30px serif !important }\
                       access-preview, access-preview * { display: none !important; visibility: hidden !important; color: red !important }\
                       body { position: relative } html { font-size: 40px }";

fn page(style: &str, meta: &str) -> String {
    let style = if style.is_empty() { String::new() } else { format!("<style nonce=abc>{style}</style>") };
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">{meta}\
         <title>Strict</title>{style}</head><body><main><h1>Strict</h1><p>Text</p>\
         <form method=post action=/c/42/x><button>Send</button></form></main></body></html>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_walk_through_the_eyes_of_customers() {
    let (datasette, radicale) = (Datasette::start().await, Radicale::start_with(STRICT).await);
    let apps = APPS.replace("{{datasette}}", &datasette.url).replace("{{radicale}}", &radicale.address.to_string());
    let plan = House::plan(&format!("{LADDER}{apps}"));
    let house = plan.login("mails_per_address = 100\ntries_per_client = 1000").start().await;
    let meta =
        "<meta http-equiv=content-security-policy content=\"default-src &#39;none&#39;; style-src 'nonce-abc'\">";
    for (path, policy, style, meta) in [
        ("/plain", "", "", ""),
        (
            "/strict",
            "default-src 'none'; style-src 'nonce-abc'; form-action 'none'; base-uri 'none'; require-trusted-types-for 'script'",
            "",
            "",
        ),
        ("/hostile", "default-src 'none'; style-src 'nonce-abc'; form-action 'none'", HOSTILE, ""),
        ("/meta", "form-action 'self'", "", meta),
        ("/none", "default-src 'none'", "", ""),
        ("/sandbox", "default-src 'none'; sandbox", "", ""),
        ("/two", "default-src 'self', style-src 'none'; sandbox allow-scripts", "", ""),
    ] {
        let head = if policy.is_empty() { String::new() } else { format!("content-security-policy: {policy}\r\n") };
        house.upstream.script(path, Script::whole(&format!("content-type: text/html\r\n{head}"), page(style, meta)));
    }
    crate::house::walk(&house, "preview_walk.mjs", 60).await;
}
