//! The counters that `/metrics` shows.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What can go wrong with an upstream.
const UPSTREAM_ERRORS: [&str; 4] = ["connect-timeout", "response-timeout", "tls", "unreachable"];
/// Why a request was not sent to any server.
const UPSTREAM_REFUSALS: [&str; 3] = ["no-server", "queue-full", "queue-timeout"];

/// Why an answer cannot be filtered, by the names that the filters give.
const UNFILTERABLE: [&str; 10] = [
    "content-coding",
    "content-type",
    "does-not-unpack",
    "kind",
    "malformed",
    "not-their-row",
    "row-too-large",
    "rows-elsewhere",
    "too-deep",
    "unpacks-too-far",
];

/// What can become of a person whom a notification is for.
const NOTIFIED: [&str; 6] = ["failed", "gone", "over-limit", "queued", "switched-off", "unsent"];

/// How a request to an OpenID provider can end: with an answer, with a refusal, or without either.
const PROVIDER_OUTCOMES: [&str; 3] = ["ok", "refused", "unavailable"];
/// The limits that requests meet in the corridor; the listener and the log-in count their own.
const REQUEST_LIMITS: [&str; 3] = ["body_bytes", "header_bytes", "headers"];

/// All counters of the gateway.
#[derive(Debug)]
pub struct Metrics {
    /// Where they are gathered from.
    pub registry: Registry,
    /// Requests by app, decision and status.
    pub requests: IntCounterVec,
    /// Seconds from a request's head to the end of its answer, by app.
    pub duration: HistogramVec,
    /// Seconds that the gateway itself took to decide.
    pub decision: Histogram,
    /// Limits that were reached, by name and by what reached them.
    pub limits_reached: IntCounterVec,
    /// Lines of the audit log, by event.
    pub audit_events: IntCounterVec,
    /// People whom notifications were for, by app and what became of that.
    pub notified: IntCounterVec,
    /// Log-ins by app and outcome.
    pub logins: IntCounterVec,
    /// Errors with upstreams, by app and kind.
    pub upstream_errors: IntCounterVec,
    /// Requests to origin servers, by app, server and outcome.
    pub upstream_requests: IntCounterVec,
    /// Requests that were sent to an upstream again, by app.
    pub upstream_retries: IntCounterVec,
    /// Requests that did not get their turn, by app and cause.
    pub upstream_refused: IntCounterVec,
    /// Whether an origin server gets requests, by app and server.
    pub upstream_up: IntGaugeVec,
    /// Requests that wait for their turn, by app.
    pub upstream_queue: IntGaugeVec,
    /// Answers that could not be filtered, and so were refused or cut off, by app and cause.
    pub unfilterable: IntCounterVec,
    /// Whether a source can be read, by name.
    pub source_up: IntGaugeVec,
    /// Rows that let nobody in because something is wrong with them, by source.
    pub source_refused_rows: IntGaugeVec,
    /// Requests to OpenID providers, by provider, kind and outcome.
    pub provider_requests: IntCounterVec,
    /// Whether an OpenID provider can be used, by name.
    pub provider_up: IntGaugeVec,
    /// Orders of certificates, by outcome.
    pub certificate_orders: IntCounterVec,
    /// Domains by app and state.
    pub domains: IntGaugeVec,
    /// Orders that the hour still has.
    pub certificate_orders_left: IntGauge,
    /// Whether the certificate authority can be used.
    pub certificate_authority_up: IntGauge,
    /// When the first certificate ends that was ordered and is still wanted, in seconds since 1970; 0 without one.
    pub certificate_ends_first: IntGauge,
}

impl Metrics {
    /// Makes and registers all counters.
    ///
    /// # Panics
    /// Never: the names are fixed, valid and different.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("fixed names are valid");
            registry.register(Box::new(counter.clone())).expect("each name is registered once");
            counter
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels).expect("fixed names are valid");
            registry.register(Box::new(gauge.clone())).expect("each name is registered once");
            gauge
        };
        let single = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("fixed names are valid");
            registry.register(Box::new(gauge.clone())).expect("each name is registered once");
            gauge
        };
        let buckets = vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
        let duration = HistogramVec::new(
            HistogramOpts::new("vestibule_request_seconds", "From a request's head to the end of its answer")
                .buckets(buckets),
            &["app"],
        )
        .expect("fixed names are valid");
        registry.register(Box::new(duration.clone())).expect("each name is registered once");
        let fine = vec![0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1.0];
        let decision = Histogram::with_opts(
            HistogramOpts::new("vestibule_decision_seconds", "From a request's head to the decision on it")
                .buckets(fine),
        )
        .expect("fixed names are valid");
        registry.register(Box::new(decision.clone())).expect("each name is registered once");
        Self {
            requests: counter(
                "vestibule_requests_total",
                "Requests by app, decision and status",
                &["app", "decision", "status"],
            ),
            limits_reached: counter(
                "vestibule_limits_reached_total",
                "Limits that were reached, by what reached them",
                &["limit", "kind"],
            ),
            audit_events: counter("vestibule_audit_events_total", "Lines of the audit log, by event", &["event"]),
            notified: counter(
                "vestibule_notified_total",
                "People whom notifications were for, by what became of that; unsent is a mail withdrawn at the last moment",
                &["app", "outcome"],
            ),
            logins: counter("vestibule_logins_total", "Log-ins by app and outcome", &["app", "outcome"]),
            upstream_errors: counter("vestibule_upstream_errors_total", "Errors with upstreams", &["app", "kind"]),
            upstream_requests: counter(
                "vestibule_upstream_requests_total",
                "Requests to origin servers by outcome",
                &["app", "server", "outcome"],
            ),
            upstream_retries: counter(
                "vestibule_upstream_retries_total",
                "Requests that were sent to an upstream again",
                &["app"],
            ),
            upstream_refused: counter(
                "vestibule_upstream_refused_total",
                "Requests that no server could take, by cause",
                &["app", "cause"],
            ),
            upstream_up: gauge("vestibule_upstream_up", "Whether an origin server gets requests", &["app", "server"]),
            upstream_queue: gauge("vestibule_upstream_queue", "Requests that wait for their turn", &["app"]),
            unfilterable: counter(
                "vestibule_unfilterable_total",
                "Answers that could not be filtered, and so were refused or cut off, by cause",
                &["app", "cause"],
            ),
            source_up: gauge("vestibule_source_up", "Whether a source can be read", &["source"]),
            source_refused_rows: gauge(
                "vestibule_source_refused_rows",
                "Rows that let nobody in because something is wrong with them",
                &["source"],
            ),
            provider_requests: counter(
                "vestibule_provider_requests_total",
                "Requests to OpenID providers by kind and outcome",
                &["provider", "kind", "outcome"],
            ),
            provider_up: gauge(
                "vestibule_provider_up",
                "Whether an OpenID provider could be used when it was last asked",
                &["provider"],
            ),
            certificate_orders: counter(
                "vestibule_certificate_orders_total",
                "Orders of certificates by outcome",
                &["outcome"],
            ),
            domains: gauge("vestibule_domains", "Domains by app and state", &["app", "state"]),
            certificate_orders_left: single(
                "vestibule_certificate_orders_left",
                "Orders of certificates that this hour still has",
            ),
            certificate_authority_up: single(
                "vestibule_certificate_authority_up",
                "Whether the certificate authority could be used when it was last asked",
            ),
            certificate_ends_first: single(
                "vestibule_certificate_ends_first_timestamp_seconds",
                "When the first certificate ends that was ordered and is still wanted",
            ),
            duration,
            decision,
            registry,
        }
    }

    /// Shows at zero what an OpenID provider has not been asked yet.
    pub fn expect_provider(&self, provider: &str, kinds: &[&str]) {
        for kind in kinds {
            for outcome in PROVIDER_OUTCOMES {
                self.provider_requests.with_label_values(&[provider, kind, outcome]);
            }
        }
    }

    /// A limit was reached so many times more.
    pub fn limit_reached(&self, limit: &str, kind: &str, times: u64) {
        self.limits_reached.with_label_values(&[limit, kind]).inc_by(times);
    }

    /// Shows at zero what a first error would otherwise bring into being: an alert on growth would not see that one.
    pub fn expect<'a>(&self, apps: impl Iterator<Item = &'a str>, events: &[&str]) {
        for limit in REQUEST_LIMITS {
            self.limit_reached(limit, "request", 0);
        }
        for event in events {
            self.audit_events.with_label_values(&[event]);
        }
        for app in apps {
            for kind in UPSTREAM_ERRORS {
                self.upstream_errors.with_label_values(&[app, kind]);
            }
            for cause in UPSTREAM_REFUSALS {
                self.upstream_refused.with_label_values(&[app, cause]);
            }
            for outcome in NOTIFIED {
                self.notified.with_label_values(&[app, outcome]);
            }
            for cause in UNFILTERABLE {
                self.unfilterable.with_label_values(&[app, cause]);
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
