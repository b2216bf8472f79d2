//! `with-services` leaves nothing behind, however it ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn the_exit_code_is_the_commands_own() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let status = with_services(dir.path(), "exit 7").status().expect("run");
    assert_eq!(status.code(), Some(7));
    assert_nothing_in(dir.path());
}

#[test]
fn a_killed_starter_leaves_no_server_and_no_data() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut running, addresses) = start(dir.path());
    signal("KILL", &running.id().to_string());
    running.wait().expect("reap");
    assert_gone(&addresses);
    assert_nothing_in(dir.path());
}

#[test]
fn ctrl_c_in_a_terminal_leaves_no_server_and_no_data() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut running, addresses) = start(dir.path());
    // A terminal sends the signal to the whole foreground process group.
    signal("INT", &format!("-{}", running.id()));
    let status = running.wait().expect("reap");
    assert_eq!(status.code(), Some(130), "SIGINT ended the command");
    assert_gone(&addresses);
    assert_nothing_in(dir.path());
}

#[test]
fn a_termination_is_passed_on_to_the_command() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut running, addresses) = start(dir.path());
    signal("TERM", &running.id().to_string());
    let status = running.wait().expect("reap");
    assert_eq!(status.code(), Some(143), "SIGTERM ended the command");
    assert_gone(&addresses);
    assert_nothing_in(dir.path());
}

fn with_services(dir: &std::path::Path, script: &str) -> Command {
    // Root's servers run under another account, which must be able to enter the directory above its own.
    std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-services"));
    command.arg("--dir").arg(dir).args(["--", "sh", "-c", script]);
    command
}

/// Starts in a process group of its own and returns where both servers listen.
fn start(dir: &std::path::Path) -> (Child, Vec<SocketAddr>) {
    let script = r#"echo "$TEST_DATABASE_URL"; echo "$TEST_REDIS_URL"; exec sleep 60"#;
    let mut running = with_services(dir, script)
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("run with-services");
    let output = running.stdout.take().expect("piped");
    let addresses: Vec<SocketAddr> =
        BufReader::new(output).lines().take(2).map(|line| address(&line.expect("read"))).collect();
    assert_eq!(addresses.len(), 2, "with-services printed both addresses");
    for address in &addresses {
        TcpStream::connect(address).expect("the server listens");
    }
    (running, addresses)
}

fn address(url: &str) -> SocketAddr {
    let start = url.find("127.0.0.1:").unwrap_or_else(|| panic!("no address in {url}"));
    let rest = &url[start..];
    rest[..rest.find('/').unwrap_or(rest.len())].parse().unwrap_or_else(|_| panic!("no address in {url}"))
}

fn signal(name: &str, target: &str) {
    let sent = Command::new("sh").args(["-c", r#"kill -s "$1" -- "$2""#, "sh", name, target]).status();
    assert!(sent.expect("run kill").success(), "send SIG{name} to {target}");
}

fn assert_gone(addresses: &[SocketAddr]) {
    poll("both servers to end", || addresses.iter().all(|address| TcpStream::connect(address).is_err()));
}

fn assert_nothing_in(dir: &std::path::Path) {
    // The directory itself may stay where the servers' account must not remove it; its contents may not.
    let files = |dir: &std::path::Path| {
        let entries = std::fs::read_dir(dir).expect("list").flatten();
        entries.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten().flatten()).count()
    };
    poll("the data to be removed", || files(dir) == 0);
}

fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !done() {
        assert!(Instant::now() < deadline, "waited {WITHIN:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
