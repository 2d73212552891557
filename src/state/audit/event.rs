//! What can happen: the closed set of events, and what each tells.

use std::fmt::Display;

use super::super::network::Network;
use super::{Actor, Deed, Scene};
use crate::session::SessionId;
use crate::types::{AppName, CustomerId, Email, HostName, ProviderName, TopicName, Way};

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Somebody asked for a log-in mail.
    LoginAsked(&'a Email),
    /// The mail was queued, for the person may enter.
    LoginMailed(&'a Email),
    /// No mail goes out, for nobody with that address may enter.
    LoginUnknown(&'a Email),
    /// A code was not the right one.
    WrongCode {
        /// Whose.
        email: &'a Email,
        /// How many tries are left.
        left: u32,
    },
    /// A session began.
    LoggedIn {
        /// Whose.
        email: &'a Email,
        /// Which.
        session: SessionId,
        /// By which way.
        way: &'a Way,
    },
    /// Somebody proved who they are and got no session.
    LoginRefused {
        /// Who.
        email: &'a Email,
        /// By which way they came.
        way: &'a Way,
        /// Why, in a short fixed word such as `no-grant`.
        reason: &'static str,
    },
    /// A browser is from now on known for a person, and has a share of the limits of its own.
    BrowserKnown(&'a Email),
    /// A limit was reached. At most one line a minute for each limit and network; the metric counts each time.
    LimitReached {
        /// Which.
        limit: &'static str,
        /// By what kind of try.
        kind: &'static str,
        /// From which network, where that counts.
        network: Option<Network>,
    },
    /// A session was asked for a stronger way in.
    StepUpAsked {
        /// Whose.
        email: &'a Email,
        /// Which.
        session: SessionId,
    },
    /// A session got a further proof.
    SteppedUp {
        /// Whose.
        email: &'a Email,
        /// The new one that goes on in its place.
        session: SessionId,
        /// By which way.
        way: &'a Way,
    },
    /// A session goes on for another customer.
    CustomerChosen {
        /// Whose.
        email: &'a Email,
        /// The new one that goes on in its place.
        session: SessionId,
        /// Which customer.
        customer: &'a CustomerId,
    },
    /// Somebody logged out.
    LoggedOut {
        /// Who.
        email: &'a Email,
        /// Of which session.
        session: SessionId,
    },
    /// Somebody logged out of all apps on all devices.
    LoggedOutEverywhere {
        /// Who.
        email: &'a Email,
        /// How many sessions ended.
        sessions: usize,
    },
    /// Somebody ended one of their sessions from the account page.
    SessionEnded {
        /// Whose.
        email: &'a Email,
        /// Which.
        session: SessionId,
    },
    /// A provider logged somebody out.
    BackchannelLogout {
        /// Which provider.
        provider: &'a ProviderName,
        /// How many sessions ended.
        sessions: usize,
    },
    /// A log-out token was not believed.
    BackchannelRefused {
        /// Which provider, where that is known.
        provider: Option<&'a ProviderName>,
        /// Why, in a short fixed word.
        reason: &'static str,
    },
    /// A provider no longer has the person of a session, which ended.
    RecheckEnded {
        /// Whose.
        email: &'a Email,
        /// Which.
        session: SessionId,
        /// Which provider.
        provider: &'a ProviderName,
    },
    /// A passkey was added.
    PasskeyAdded {
        /// Whose.
        email: &'a Email,
        /// From which session.
        session: SessionId,
    },
    /// A passkey got another name.
    PasskeyRenamed {
        /// Whose.
        email: &'a Email,
        /// From which session.
        session: SessionId,
    },
    /// A passkey was removed.
    PasskeyRemoved {
        /// Whose.
        email: &'a Email,
        /// From which session.
        session: SessionId,
    },
    /// A passkey proved who somebody is.
    PasskeyUsed(&'a Email),
    /// A passkey proved nothing, or was not added.
    PasskeyRefused {
        /// Whose, where that is known.
        email: Option<&'a Email>,
        /// Why, in a short fixed word.
        reason: &'static str,
    },
    /// A person at a provider is from now on this one here.
    IdentityRemembered {
        /// Who.
        email: &'a Email,
        /// Which provider.
        provider: &'a ProviderName,
    },
    /// A provider named somebody by an address that is another person's there.
    IdentityConflict {
        /// The address.
        email: &'a Email,
        /// Which provider.
        provider: &'a ProviderName,
    },
    /// A member of staff sees the app as somebody does.
    PreviewStarted {
        /// As whom.
        email: &'a Email,
        /// The new session that goes on in the staff's place.
        session: SessionId,
        /// For which customer.
        customer: Option<&'a CustomerId>,
    },
    /// A member of staff goes on to see the app as somebody else does.
    PreviewSwitched {
        /// As whom.
        email: &'a Email,
        /// The new session that goes on in the old one's place.
        session: SessionId,
        /// For which customer.
        customer: Option<&'a CustomerId>,
    },
    /// A member of staff no longer sees the app as somebody does.
    PreviewEnded {
        /// As whom they did.
        email: &'a Email,
        /// In which session.
        session: SessionId,
        /// Why, in a short fixed word.
        reason: &'static str,
    },
    /// Somebody asked to see the app as somebody else does, and may not.
    PreviewRefused {
        /// As whom.
        email: &'a Email,
        /// In which session.
        session: SessionId,
        /// Why, in a short fixed word.
        reason: &'static str,
    },
    /// A provider's answer was not believed.
    ProviderRefused {
        /// Which provider.
        provider: &'a ProviderName,
        /// Why, in a short fixed word such as `nonce`.
        reason: &'static str,
    },
    /// The gateway serves; of this version.
    Started(&'a str),
    /// The gateway serves no longer.
    Stopped,
    /// The gateway handed over to a new process.
    HandedOver,
    /// Somebody asked for a reload of the config.
    ReloadAsked,
    /// The config was reloaded: why, the digest of its text, and how much changed.
    Reloaded(&'a str),
    /// The config was not reloaded: why, and how many problems it has.
    ReloadRefused(&'a str),
    /// A token of the API was made; its name and what it may do.
    TokenMade(&'a str),
    /// A token of the API was revoked; its name.
    TokenRevoked(&'a str),
    /// The workspace's own people ended a session of somebody.
    SessionEndedByStaff {
        /// Whose.
        email: &'a Email,
        /// Which.
        session: SessionId,
    },
    /// The workspace's own people ended all sessions of somebody.
    SessionsEndedByStaff {
        /// Whose.
        email: &'a Email,
        /// How many.
        sessions: usize,
    },
    /// All that is held of a person was given out.
    PersonExported(&'a Email),
    /// All that is held of a person was erased.
    PersonErased(&'a Email),
    /// A notification was taken in.
    NotificationTaken {
        /// For which customer's people; for those of all, without one.
        customer: Option<&'a CustomerId>,
        /// Its name, and to how many people it goes.
        detail: &'a str,
    },
    /// Somebody is notified of a topic from now on.
    TopicSwitchedOn {
        /// Who.
        email: &'a Email,
        /// Of which.
        topic: &'a TopicName,
    },
    /// Somebody is notified of a topic no longer.
    TopicSwitchedOff {
        /// Who.
        email: &'a Email,
        /// Of which.
        topic: &'a TopicName,
    },
    /// Something became of a person's record.
    Record {
        /// What.
        deed: Deed,
        /// Whose.
        email: &'a Email,
        /// For which customer.
        customer: &'a CustomerId,
        /// What it says or what is other than before: roles, days and states, and nobody's name.
        detail: Option<&'a str>,
    },
}

/// What a line may tell beside its scene.
#[derive(Default)]
pub(super) struct Facts<'a> {
    /// For whom it happened.
    pub(super) email: Option<&'a Email>,
    pub(super) session: Option<SessionId>,
    pub(super) way: Option<&'a Way>,
    pub(super) provider: Option<&'a ProviderName>,
    pub(super) customer: Option<&'a CustomerId>,
    pub(super) reason: Option<&'static str>,
    pub(super) limit: Option<&'static str>,
    pub(super) kind: Option<&'static str>,
    pub(super) network: Option<Network>,
    pub(super) sessions: Option<usize>,
    pub(super) left: Option<u32>,
    /// What no other field tells: never a person's name or address, for entries outlive the people in them.
    pub(super) detail: Option<&'a str>,
}

/// The name of every event, for metrics that show each at zero.
pub const EVENTS: [&str; 55] = [
    "login_asked",
    "login_mailed",
    "login_unknown",
    "wrong_code",
    "logged_in",
    "login_refused",
    "browser_known",
    "limit_reached",
    "step_up_asked",
    "stepped_up",
    "customer_chosen",
    "logged_out",
    "logged_out_everywhere",
    "session_ended",
    "backchannel_logout",
    "backchannel_refused",
    "recheck_ended",
    "passkey_added",
    "passkey_renamed",
    "passkey_removed",
    "passkey_used",
    "passkey_refused",
    "identity_remembered",
    "identity_conflict",
    "provider_refused",
    "preview_started",
    "preview_switched",
    "preview_ended",
    "preview_refused",
    "started",
    "stopped",
    "handed_over",
    "reload_asked",
    "reloaded",
    "reload_refused",
    "token_made",
    "token_revoked",
    "session_ended_by_staff",
    "sessions_ended_by_staff",
    "person_exported",
    "person_erased",
    "notification_taken",
    "topic_switched_on",
    "topic_switched_off",
    "record_made",
    "record_changed",
    "record_removed",
    "invited",
    "invitation_resent",
    "invitation_withdrawn",
    "invitation_accepted",
    "member_left",
    "member_parted",
    "organisation_founded",
    "record_handed_over",
];

/// Writes an event's line.
pub(super) fn write_line(scene: &Scene<'_>, event: &Event<'_>) {
    let facts = event.facts();
    let shown = |value: Option<&dyn Display>| value.map(ToString::to_string);
    tracing::info!(
        target: "audit",
        event = event.name(),
        actor = event.actor(scene).shown(),
        app = scene.app.map(AppName::as_str),
        host = scene.host.map(HostName::as_str),
        client = scene.client.map(tracing::field::display),
        email = facts.email.map(Email::masked),
        session = facts.session.map(|session| session.public()),
        way = shown(facts.way.map(|way| way as _)),
        provider = shown(facts.provider.map(|provider| provider as _)),
        customer = facts.customer.map(CustomerId::masked),
        reason = facts.reason,
        limit = facts.limit,
        kind = facts.kind,
        network = facts.network.map(tracing::field::display),
        sessions = facts.sessions,
        left = facts.left,
        detail = facts.detail,
        request_id = scene.request_id,
        "{}",
        event.sentence()
    );
}

impl<'a> Event<'a> {
    /// Its name in lines and metrics. These do not change.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LoginAsked(_) => "login_asked",
            Self::LoginMailed(_) => "login_mailed",
            Self::LoginUnknown(_) => "login_unknown",
            Self::WrongCode { .. } => "wrong_code",
            Self::LoggedIn { .. } => "logged_in",
            Self::LoginRefused { .. } => "login_refused",
            Self::BrowserKnown(_) => "browser_known",
            Self::LimitReached { .. } => "limit_reached",
            Self::StepUpAsked { .. } => "step_up_asked",
            Self::SteppedUp { .. } => "stepped_up",
            Self::CustomerChosen { .. } => "customer_chosen",
            Self::LoggedOut { .. } => "logged_out",
            Self::LoggedOutEverywhere { .. } => "logged_out_everywhere",
            Self::SessionEnded { .. } => "session_ended",
            Self::BackchannelLogout { .. } => "backchannel_logout",
            Self::BackchannelRefused { .. } => "backchannel_refused",
            Self::RecheckEnded { .. } => "recheck_ended",
            Self::PasskeyAdded { .. } => "passkey_added",
            Self::PasskeyRenamed { .. } => "passkey_renamed",
            Self::PasskeyRemoved { .. } => "passkey_removed",
            Self::PasskeyUsed(_) => "passkey_used",
            Self::PasskeyRefused { .. } => "passkey_refused",
            Self::IdentityRemembered { .. } => "identity_remembered",
            Self::IdentityConflict { .. } => "identity_conflict",
            Self::ProviderRefused { .. } => "provider_refused",
            Self::PreviewStarted { .. } => "preview_started",
            Self::PreviewSwitched { .. } => "preview_switched",
            Self::PreviewEnded { .. } => "preview_ended",
            Self::PreviewRefused { .. } => "preview_refused",
            Self::Started(_) => "started",
            Self::Stopped => "stopped",
            Self::HandedOver => "handed_over",
            Self::ReloadAsked => "reload_asked",
            Self::Reloaded(_) => "reloaded",
            Self::ReloadRefused(_) => "reload_refused",
            Self::TokenMade(_) => "token_made",
            Self::TokenRevoked(_) => "token_revoked",
            Self::SessionEndedByStaff { .. } => "session_ended_by_staff",
            Self::SessionsEndedByStaff { .. } => "sessions_ended_by_staff",
            Self::PersonExported(_) => "person_exported",
            Self::PersonErased(_) => "person_erased",
            Self::NotificationTaken { .. } => "notification_taken",
            Self::TopicSwitchedOn { .. } => "topic_switched_on",
            Self::TopicSwitchedOff { .. } => "topic_switched_off",
            Self::Record { deed, .. } => deed.name(),
        }
    }

    /// What a person reads.
    const fn sentence(&self) -> &'static str {
        match self {
            Self::LoginAsked(_) => "log-in asked for",
            Self::LoginMailed(_) => "log-in mail queued",
            Self::LoginUnknown(_) => "log-in by somebody unknown: no mail",
            Self::WrongCode { .. } => "wrong log-in code",
            Self::LoggedIn { .. } => "logged in",
            Self::LoginRefused { .. } => "log-in refused",
            Self::BrowserKnown(_) => "browser known from now on",
            Self::LimitReached { .. } => "a log-in limit was reached",
            Self::StepUpAsked { .. } => "a stronger way in was asked for",
            Self::SteppedUp { .. } => "logged in by a further way",
            Self::CustomerChosen { .. } => "customer chosen",
            Self::LoggedOut { .. } => "logged out",
            Self::LoggedOutEverywhere { .. } => "logged out everywhere",
            Self::SessionEnded { .. } => "session ended by its person",
            Self::BackchannelLogout { .. } => "logged out by a provider",
            Self::BackchannelRefused { .. } => "a log-out token was not believed",
            Self::RecheckEnded { .. } => "session ended, for its provider no longer has the person",
            Self::PasskeyAdded { .. } => "passkey added",
            Self::PasskeyRenamed { .. } => "passkey renamed",
            Self::PasskeyRemoved { .. } => "passkey removed",
            Self::PasskeyUsed(_) => "passkey used",
            Self::PasskeyRefused { .. } => "passkey refused",
            Self::IdentityRemembered { .. } => "a person at a provider is remembered",
            Self::IdentityConflict { .. } => "the address is another person's at the provider",
            Self::ProviderRefused { .. } => "a provider's answer was not believed",
            Self::PreviewStarted { .. } => "preview started",
            Self::PreviewSwitched { .. } => "preview switched",
            Self::PreviewEnded { .. } => "preview ended",
            Self::PreviewRefused { .. } => "preview refused",
            Self::Started(_) => "the gateway serves",
            Self::Stopped => "the gateway serves no longer",
            Self::HandedOver => "the gateway handed over to a new process",
            Self::ReloadAsked => "a reload was asked for",
            Self::Reloaded(_) => "the config was reloaded",
            Self::ReloadRefused(_) => "the config was not reloaded",
            Self::TokenMade(_) => "a token was made",
            Self::TokenRevoked(_) => "a token was revoked",
            Self::SessionEndedByStaff { .. } => "session ended by staff",
            Self::SessionsEndedByStaff { .. } => "sessions ended by staff",
            Self::PersonExported(_) => "what is held of a person was given out",
            Self::PersonErased(_) => "what is held of a person was erased",
            Self::NotificationTaken { .. } => "a notification was taken in",
            Self::TopicSwitchedOn { .. } => "notifications of a topic switched on",
            Self::TopicSwitchedOff { .. } => "notifications of a topic switched off",
            Self::Record { deed, .. } => deed.sentence(),
        }
    }

    /// Who did it. Whoever has just proven who they are acts as that person, also where no session says so yet.
    pub(super) fn actor(&self, scene: &Scene<'a>) -> Actor<'a> {
        match (scene.actor, self) {
            (
                Actor::Visitor,
                Self::LoggedIn { email, .. }
                | Self::LoginRefused { email, .. }
                | Self::SteppedUp { email, .. }
                | Self::BrowserKnown(email)
                | Self::PasskeyUsed(email)
                | Self::IdentityRemembered { email, .. }
                | Self::IdentityConflict { email, .. }
                | Self::Record { deed: Deed::Accepted, email, .. },
            ) => Actor::Person(email),
            (actor, _) => actor,
        }
    }

    pub(super) fn facts(&self) -> Facts<'a> {
        let none = Facts::default();
        match *self {
            Self::LoginAsked(email)
            | Self::LoginMailed(email)
            | Self::LoginUnknown(email)
            | Self::BrowserKnown(email)
            | Self::PasskeyUsed(email)
            | Self::PersonExported(email)
            | Self::PersonErased(email) => Facts { email: Some(email), ..none },
            Self::WrongCode { email, left } => Facts { email: Some(email), left: Some(left), ..none },
            Self::LoggedIn { email, session, way } | Self::SteppedUp { email, session, way } => {
                Facts { email: Some(email), session: Some(session), way: Some(way), ..none }
            }
            Self::LoginRefused { email, way, reason } => {
                Facts { email: Some(email), way: Some(way), reason: Some(reason), ..none }
            }
            Self::LimitReached { limit, kind, network } => {
                Facts { limit: Some(limit), kind: Some(kind), network, ..none }
            }
            Self::StepUpAsked { email, session }
            | Self::LoggedOut { email, session }
            | Self::SessionEnded { email, session }
            | Self::SessionEndedByStaff { email, session }
            | Self::PasskeyAdded { email, session }
            | Self::PasskeyRenamed { email, session }
            | Self::PasskeyRemoved { email, session } => Facts { email: Some(email), session: Some(session), ..none },
            Self::CustomerChosen { email, session, customer } => {
                Facts { email: Some(email), session: Some(session), customer: Some(customer), ..none }
            }
            Self::LoggedOutEverywhere { email, sessions } | Self::SessionsEndedByStaff { email, sessions } => {
                Facts { email: Some(email), sessions: Some(sessions), ..none }
            }
            Self::BackchannelLogout { provider, sessions } => {
                Facts { provider: Some(provider), sessions: Some(sessions), ..none }
            }
            Self::BackchannelRefused { provider, reason } => Facts { provider, reason: Some(reason), ..none },
            Self::RecheckEnded { email, session, provider } => {
                Facts { email: Some(email), session: Some(session), provider: Some(provider), ..none }
            }
            Self::PreviewStarted { email, session, customer } | Self::PreviewSwitched { email, session, customer } => {
                Facts { email: Some(email), session: Some(session), customer, ..none }
            }
            Self::PreviewEnded { email, session, reason } | Self::PreviewRefused { email, session, reason } => {
                Facts { email: Some(email), session: Some(session), reason: Some(reason), ..none }
            }
            Self::PasskeyRefused { email, reason } => Facts { email, reason: Some(reason), ..none },
            Self::IdentityRemembered { email, provider } | Self::IdentityConflict { email, provider } => {
                Facts { email: Some(email), provider: Some(provider), ..none }
            }
            Self::ProviderRefused { provider, reason } => {
                Facts { provider: Some(provider), reason: Some(reason), ..none }
            }
            Self::Started(detail)
            | Self::Reloaded(detail)
            | Self::ReloadRefused(detail)
            | Self::TokenMade(detail)
            | Self::TokenRevoked(detail) => Facts { detail: Some(detail), ..none },
            Self::Stopped | Self::HandedOver | Self::ReloadAsked => none,
            Self::NotificationTaken { customer, detail } => Facts { customer, detail: Some(detail), ..none },
            Self::TopicSwitchedOn { email, topic } | Self::TopicSwitchedOff { email, topic } => {
                Facts { email: Some(email), detail: Some(topic.as_str()), ..none }
            }
            Self::Record { email, customer, detail, .. } => {
                Facts { email: Some(email), customer: Some(customer), detail, ..none }
            }
        }
    }
}
