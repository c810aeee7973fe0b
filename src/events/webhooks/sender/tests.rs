//! Names, and where they lead from one moment to the next.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn a_name_that_also_leads_inside_is_refused() {
    let networks = Networks::of(vec!["10.1.0.0/16".parse().unwrap()]);
    let judged = |addresses: &[&str], inside| {
        let found: Vec<SocketAddr> =
            addresses.iter().map(|it| SocketAddr::new(it.parse().unwrap(), 0)).collect();
        judged(&found, &networks, inside).is_ok()
    };
    assert!(judged(&["1.1.1.1", "2606:4700:4700::1111"], false));
    assert!(judged(&["1.1.1.1", "10.1.0.1"], false));
    assert!(!judged(&["1.1.1.1", "127.0.0.1"], false));
    assert!(!judged(&["::ffff:169.254.169.254"], false));
    assert!(!judged(&[], false));
    assert!(judged(&["10.1.0.1"], true));
    assert!(!judged(&["1.1.1.1"], true), "without TLS only inside");
}

#[test]
fn an_outcome_is_told_in_words() {
    assert_eq!(NoAnswer::told(503), "status 503");
    assert_eq!(NoAnswer::told(NoAnswer::Refused as i64), "address not allowed");
}

/// Accepts everything at an address, and counts.
fn receiver(address: &str, port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, port)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            own.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4_096]);
            let answer = b"HTTP/1.1 200 So\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    (port, count)
}

/// One address is allowed and another is not; a name leads to the one, and from its second look-up on
/// to the other.
#[tokio::test]
async fn a_name_that_leads_elsewhere_by_then_leads_nowhere() {
    let (port, allowed) = receiver("127.0.0.2", 0);
    let (_, forbidden) = receiver("127.0.0.1", port);
    let looked_up = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looked_up);
    let look_up: LookUp = Arc::new(move |name| {
        assert_eq!(name, "receiver.example");
        let last = if count.fetch_add(1, Ordering::SeqCst) == 0 { 2 } else { 1 };
        let found = SocketAddr::new(IpAddr::from([127, 0, 0, last]), 0);
        Box::pin(async move { Ok(vec![found]) })
    });
    let networks = Networks::of(vec!["127.0.0.2/32".parse().unwrap()]);
    let sender = Sender::with(networks, Duration::from_secs(5), look_up).expect("a sender");
    let endpoint = Endpoint::sample(&format!("http://receiver.example:{port}/"));
    let attempt = sender.send(&endpoint, "msg_1", b"{}".to_vec(), Time(0)).await;
    assert_eq!(attempt, Attempt::Accepted(200), "it leads where it may");
    assert_eq!(looked_up.load(Ordering::SeqCst), 1, "it is looked up once");
    let attempt = sender.send(&endpoint, "msg_1", b"{}".to_vec(), Time(0)).await;
    assert_eq!(attempt, Attempt::Failed(NoAnswer::Refused as i64, None));
    assert_eq!(allowed.load(Ordering::SeqCst), 1);
    assert_eq!(forbidden.load(Ordering::SeqCst), 0);
}

/// Whoever sets an endpoint up is told which mistake it is.
#[tokio::test]
async fn what_is_not_reached_is_told_apart() {
    let (plain, _) = receiver("127.0.0.2", 0);
    let free = TcpListener::bind("127.0.0.2:0").expect("a port");
    let closed = free.local_addr().expect("an address").port();
    drop(free);
    let look_up: LookUp = Arc::new(move |name| {
        let found = match name.as_str() {
            "known.example" => Ok(vec![SocketAddr::new(IpAddr::from([127, 0, 0, 2]), 0)]),
            _ => Err(std::io::Error::other("no such name")),
        };
        Box::pin(async move { found })
    });
    let networks = Networks::of(vec!["127.0.0.2/32".parse().unwrap()]);
    let sender = Sender::with(networks, Duration::from_secs(5), look_up).expect("a sender");
    for (url, expected) in [
        (format!("https://unknown.example:{plain}/"), NoAnswer::NameUnknown),
        (format!("https://known.example:{closed}/"), NoAnswer::NotConnected),
        (format!("https://known.example:{plain}/"), NoAnswer::NotTrusted),
    ] {
        let endpoint = Endpoint::sample(&url);
        let attempt = sender.send(&endpoint, "msg_1", b"{}".to_vec(), Time(0)).await;
        assert_eq!(attempt, Attempt::Failed(expected as i64, None), "{url}");
    }
}

#[test]
fn a_receiver_says_when_to_come_back_in_seconds_or_as_a_moment() {
    let now = Time(784_111_777_000);
    assert_eq!(retry_after("120", now), Some(120 * SECOND));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:51:37 GMT", now), Some(120 * SECOND));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(0));
    for odd in ["", "-1", "soon", "99999999999"] {
        assert_eq!(retry_after(odd, now), None, "{odd}");
    }
}
