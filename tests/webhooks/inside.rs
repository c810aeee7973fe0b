//! No form of an address inside is connected to, unless the operator allows it.

use std::net::TcpListener;

use threadline::events::webhooks::sender::{Attempt, NoAnswer};
use threadline::events::webhooks::{Terms, try_out};

use super::ground::{QUICK, endpoint, terms};
use super::receiver::Receiver;
use crate::support::{Engine, Setup, World};

/// What an operator would have to write to be attacked.
const EVERYTHING: &str =
    "[webhooks]\nallow_networks = [\"0.0.0.0/0\", \"::/0\"]\ntimeout_seconds = 1\n";

/// Hosts that lead inside; those of the first list to this machine, wherever names resolve.
const HERE: [&str; 28] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "127.0.0.0x1",
    "127.42.42.42",
    "１２７.０.０.１",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "%31%32%37.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
];
const INSIDE: [&str; 24] = [
    "169.254.169.254",
    "169.254.170.2",
    "2852039166",
    "0xa9fea9fe",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "10.0.0.1",
    "012.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[fe80::1]",
    "[fc00::1]",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_of_an_inner_address_is_connected_to() {
    let world = Setup::on(Engine::Sqlite).open().await;
    world.role("admin").await;
    let receiver = Receiver::new();
    let port = receiver.address.port();
    // The same port over IPv6, where this machine has it.
    let six = TcpListener::bind(("::1", port)).ok().map(Receiver::at);
    let connections = || receiver.connections() + six.as_ref().map_or(0, Receiver::connections);
    let mut reached = 0;
    let forms = HERE.iter().map(|host| (host, true)).chain(INSIDE.iter().map(|host| (host, false)));
    for (host, here) in forms {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/hooks");
            // Whoever made it was allowed to: by now it is not.
            let (name, _) = endpoint(&world, &url, &[], EVERYTHING).await;
            let service = &world.running.service;
            let before = connections();
            let attempt = try_out(service, &name, &Terms::default()).await.expect("an attempt");
            let Attempt::Failed(outcome, None) = attempt else { panic!("{url}: {attempt:?}") };
            // A name with a dot at its end leads somewhere only where there is a name server.
            let unknown = host.ends_with("t.") && outcome == NoAnswer::NameUnknown as i64;
            assert!(unknown || outcome == NoAnswer::Refused as i64, "{url}: {outcome}");
            assert_eq!(connections(), before, "{url} was connected to");
            if here && scheme == "http" {
                let attempt = try_out(service, &name, &terms(EVERYTHING)).await;
                reached += usize::from(attempt.expect("an attempt") == Attempt::Accepted(200));
            }
            service.remove_webhook(&name).await.expect("removed");
        }
    }
    // They do lead here: without the guard they would have been reached.
    assert!(reached >= 20, "{reached} of {}", HERE.len());
    assert!(HERE.len() + INSIDE.len() >= 40);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_url_may_not_hold_is_refused_when_an_endpoint_is_made() {
    let world = Setup::on(Engine::Sqlite).open().await;
    world.role("admin").await;
    let service = &world.running.service;
    let all = service.store().tenants().await.expect("tenants");
    let tenant = service.tenant(all[0].tenant).await.expect("a tenant");
    for url in [
        "https://user@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1#@example.com/",
        "https://127.0.0.1\\@example.com/",
        "https://exam\tple.com/",
        "https://example.com:25/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://example.com/",
        "https://127.0.0.1/",
    ] {
        for settings in ["", QUICK] {
            let networks = terms(settings).networks;
            let made = service.create_webhook(&tenant, (url, Vec::new()), &networks).await;
            let allowed =
                settings == QUICK && ["https://127.0.0.1/", "http://example.com/"].contains(&url);
            assert_eq!(made.is_ok(), allowed, "{url}");
            if let Ok(made) = made {
                service.remove_webhook(&made.name).await.expect("removed");
            }
        }
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_nothing_leaves_the_networks_that_are_allowed() {
    let world: World = Setup::on(Engine::Sqlite).open().await;
    world.role("admin").await;
    let receiver = Receiver::new();
    let url = format!("http://localhost:{}/hooks", receiver.address.port());
    let (name, _) = endpoint(&world, &url, &[], QUICK).await;
    let service = &world.running.service;
    let other = terms("[webhooks]\nallow_networks = [\"10.0.0.0/8\"]\n");
    let attempt = try_out(service, &name, &other).await.expect("an attempt");
    assert_eq!(attempt, Attempt::Failed(NoAnswer::Refused as i64, None));
    assert_eq!(receiver.connections(), 0);
    world.close().await;
}
