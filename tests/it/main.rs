//! The gateway as its users meet it: one binary, a user story a file.
//!
//! `house` starts the built gateway, `upstream` is the app behind it, `browser` a person, `mailbox` where their mail
//! arrives, `provider` and `hostile_provider` vouch for people, `wire` and `wire_h2` a stranger who writes bytes. Stories
//! first, attacks last; every name is a sentence.
#![cfg(test)]

mod house;
mod upstream;
mod authenticator;
mod browser;
mod mailbox;
mod pki;
mod sql_server;
mod provider;
mod provider_pages;
mod table_server;
mod hostile_provider;
mod wire;
mod wire_h2;

mod abuse;
mod account_sessions;
mod admin_endpoints;
mod ambiguous_address;
mod attributes;
mod bad_config;
mod branded_domains;
mod certificates_from_a_folder;
mod choose_and_switch_customer;
mod command_line;
mod days_back;
mod demo;
mod disk_full;
mod every_way_out;
mod event_stream_ends_when_removed_from_table;
mod graceful_stop;
mod headers_by_preset;
mod https_upstream_with_own_ca;
mod hub;
mod in_a_real_browser;
mod jwt_and_jwks;
mod kill_and_restart;
mod limits;
mod link_from_another_browser;
mod log_out_at_the_provider;
mod log_out_in_a_real_browser;
mod login_by_code;
mod login_by_link;
mod login_by_provider;
mod logout;
mod mail_scanner_first;
mod mariadb_source;
mod passkeys;
mod plain_http_redirect;
mod postgres_notify;
mod postgres_source;
mod provider_trouble;
mod providers_in_a_real_browser;
mod recheck_at_the_provider;
mod removal_from_the_table;
mod role_rules;
mod several_customers;
mod several_lists;
mod slow_clients;
mod smtp_down;
mod source_vanishes_or_turns_to_garbage;
mod sql_server_in_trouble;
mod sqlite_source;
mod staff_by_groups;
mod step_up_by_mail;
mod step_up_by_provider;
mod streaming_both_ways;
mod the_test_provider;
mod unknown_address;
mod upstream_down_and_slow;
mod web_source;
mod websocket_ends_at_logout;
mod who_a_provider_means;

mod attacks_by_providers;
mod attacks_on_headers;
mod attacks_on_login;
mod attacks_on_paths;
mod attacks_on_protocol;
mod attacks_on_sessions;
mod attacks_on_the_back_channel;
mod attacks_on_the_hub;
mod attacks_on_the_way_back;
mod attacks_on_tickets;
