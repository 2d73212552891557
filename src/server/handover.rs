//! Hands the gateway over to a new process, so that a new binary takes over without a connection refused.
//!
//! The running process starts the program anew, with a socket in place of its standard input, and over it passes the listening
//! sockets and the lock of the data folder (`SCM_RIGHTS`). Then both speak a line at a time:
//!
//! ```text
//! old -> new   the inheritance, with sockets and lock
//! new -> old   ready          everything is built, nothing is served
//! old -> new   go             from here on the new one may accept
//! new -> old   serving        it does; the old one accepts no more, and drains
//! old -> new   yours          what must not run twice has ended in the old one: mail, log-ins, certificates
//! ```
//!
//! Until `serving` the old one serves as if nothing were: a successor that fails, ends or says nothing is given up, and its
//! reason is told. From `go` on the new one needs nobody: when the old one is killed, it serves, and takes over the rest. Both accept
//! from the same queue, so no connection is lost whichever of them is there.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::program::Program;

/// Tells a process that it is a successor, and whose: the number of the process that started it.
const SUCCEEDS: &str = "VESTIBULE_SUCCEEDS";
/// How long a successor may take until it is ready.
const UNTIL_READY: Duration = Duration::from_secs(60);
/// How long each may take to answer the other where there is nothing to do in between.
const UNTIL_ANSWERED: Duration = Duration::from_secs(10);
/// How long a successor waits to be told that it is alone; much longer than its predecessor gives itself.
const UNTIL_YOURS: Duration = Duration::from_secs(60);
/// How long one that has gone wrong may take to end by itself.
const UNTIL_ENDED: Duration = Duration::from_secs(2);
/// How much is passed at most: three listeners and a lock; a later version may have more.
const MOST_DESCRIPTORS: usize = 32;
const MOST_BYTES: usize = 16 * 1024;

/// One listening socket on its way.
#[derive(Debug)]
pub(super) struct Passed {
    /// Which listener it serves, by its key in `[server]`.
    pub(super) listener: String,
    /// Its address as the config has it.
    pub(super) address: SocketAddr,
    /// Whether it was given by the service manager, and so wins over any address in the config.
    pub(super) is_given: bool,
    /// The socket.
    pub(super) socket: OwnedFd,
}

/// What stands in the first message; the descriptors come beside it in the same order, and the lock last.
#[derive(Debug, Deserialize, Serialize)]
struct Inheritance {
    sockets: Vec<Entry>,
    lock: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    listener: String,
    address: SocketAddr,
    is_given: bool,
}

/// Two processes' talk, seen from either side.
#[derive(Debug)]
struct Talk {
    lines: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Talk {
    fn new(stream: BlockingStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(stream)?.into_split();
        Ok(Self { lines: BufReader::new(reader), writer })
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(format!("{line}\n").as_bytes()).await
    }

    /// The next line; `None` when the other side is gone.
    async fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line).await {
            Ok(1..) => Some(line.trim_end().to_owned()),
            Ok(0) | Err(_) => None,
        }
    }
}

/// The new process, seen from the old one. It is given up when dropped before it serves.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    talk: Talk,
    serves: bool,
}

impl Successor {
    /// Starts a successor, passes everything on, and waits until it serves.
    ///
    /// # Errors
    /// Why it does not. It is gone then.
    pub(super) async fn start(program: &Program, sockets: Vec<Passed>, lock: Option<OwnedFd>) -> Result<Self, String> {
        let (ours, theirs) = BlockingStream::pair().map_err(|error| format!("no pair of sockets: {error}"))?;
        // It waits there for whoever holds the other end.
        let passed = pass(&ours, &sockets, lock.as_ref());
        drop((sockets, lock));
        let talk = passed.and_then(|()| Talk::new(ours));
        let talk = talk.map_err(|error| format!("the sockets cannot be passed on: {error}"))?;
        let mut command = Command::new(program.path());
        command.args(program.arguments()).env(SUCCEEDS, std::process::id().to_string());
        for name in super::systemd::OF_ONE_PROCESS {
            command.env_remove(name);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn();
        // It holds the other end of the pair, which must be the successor's alone: its end tells that it has gone.
        drop(command);
        let child = child.map_err(|error| format!("{} cannot be started: {error}", program.path().display()))?;
        let mut successor = Self { child, talk, serves: false };
        match successor.until_serving().await {
            Ok(()) => {
                successor.serves = true;
                Ok(successor)
            }
            Err(reason) => {
                successor.give_up().await;
                Err(reason)
            }
        }
    }

    /// The number of its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Leaves to it what must not run twice. When it is gone, there is nobody to be told.
    pub(super) async fn yours(&mut self) {
        let _ = self.talk.say("yours").await;
    }

    async fn until_serving(&mut self) -> Result<(), String> {
        self.expect("ready", UNTIL_READY).await?;
        self.talk.say("go").await.map_err(|_| "it ended when it was to serve".to_owned())?;
        self.expect("serving", UNTIL_ANSWERED).await
    }

    async fn expect(&mut self, word: &str, within: Duration) -> Result<(), String> {
        let Ok(heard) = timeout(within, self.talk.hear()).await else {
            return Err(format!("it was not {word} within {} seconds", within.as_secs()));
        };
        match heard {
            Some(line) if line == word => Ok(()),
            Some(line) => Err(match line.strip_prefix("failed ").map(serde_json::from_str::<String>) {
                Some(Ok(reason)) => reason,
                _ => "it answers like another program".to_owned(),
            }),
            None => Err(match timeout(UNTIL_ENDED, self.child.wait()).await {
                Ok(Ok(status)) => {
                    format!("it ended before it was {word} ({status}); what it said is in the log of the gateway")
                }
                _ => format!("it went silent before it was {word}"),
            }),
        }
    }

    async fn give_up(&mut self) {
        if timeout(UNTIL_ENDED, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.serves {
            let _ = self.child.start_kill();
        }
    }
}

/// The old process, seen from the new one.
#[derive(Debug)]
pub(super) struct Predecessor {
    talk: Talk,
}

/// What a predecessor passed on.
#[derive(Debug, Default)]
pub(super) struct Estate {
    /// Its listening sockets.
    pub(super) sockets: Vec<(Passed, TcpListener)>,
    /// The lock of its data folder.
    pub(super) lock: Option<File>,
}

impl Predecessor {
    /// Takes over from the process that started this one, if it is there for that.
    ///
    /// # Errors
    /// When what it passes on cannot be read.
    pub(super) fn meet() -> io::Result<Option<(Self, Estate)>> {
        let succeeds = std::env::var(SUCCEEDS).ok().and_then(|pid| pid.parse::<i32>().ok());
        let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
        // The variable may have been inherited by way of a shell, say, by somebody who succeeds nobody.
        if succeeds.is_none() || succeeds != parent.map(i32::from) {
            return Ok(None);
        }
        let stream = BlockingStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Programs that this process starts must not hold the pair open.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        stream.set_read_timeout(Some(UNTIL_ANSWERED))?;
        let estate = receive(&stream)?;
        stream.set_read_timeout(None)?;
        Ok(Some((Self { talk: Talk::new(stream)? }, estate)))
    }

    /// Everything is built. Resolves when this process is to serve: at its predecessor's word, or because that is gone.
    pub(super) async fn ready(&mut self) {
        let _ = self.talk.say("ready").await;
        let _ = self.talk.hear().await;
    }

    /// This process cannot succeed.
    pub(super) async fn failed(&mut self, reason: &str) {
        let reason = serde_json::to_string(reason).unwrap_or_default();
        let _ = self.talk.say(&format!("failed {reason}")).await;
    }

    /// It accepts connections.
    pub(super) async fn serving(&mut self) {
        let _ = self.talk.say("serving").await;
    }

    /// Resolves when the predecessor has ended what must not run twice, or is gone, or says nothing for so long that it must hang.
    pub(super) async fn yours(&mut self) {
        if timeout(UNTIL_YOURS, self.talk.hear()).await.is_err() {
            tracing::warn!(
                waited = ?UNTIL_YOURS,
                "the process before does not say that its mail and orders have ended; going on without its word"
            );
        }
    }

    /// Resolves when the predecessor is gone.
    pub(super) async fn gone(&mut self) {
        while self.talk.hear().await.is_some() {}
    }
}

fn pass(stream: &BlockingStream, sockets: &[Passed], lock: Option<&OwnedFd>) -> io::Result<()> {
    let entries = sockets.iter().map(|passed| Entry {
        listener: passed.listener.clone(),
        address: passed.address,
        is_given: passed.is_given,
    });
    let text = serde_json::to_string(&Inheritance { sockets: entries.collect(), lock: lock.is_some() })?;
    let descriptors: Vec<_> = sockets.iter().map(|passed| &passed.socket).chain(lock).map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many sockets"));
    }
    let bytes = format!("{text}\n");
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(bytes.as_bytes())], &mut beside, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn receive(stream: &BlockingStream) -> io::Result<Estate> {
    let mut bytes = [0; MOST_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    // Marked so that no program started later inherits them.
    let received = rustix::net::recvmsg(stream, &mut slices, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the predecessor passed on something else");
    let text = bytes.get(..received.bytes).ok_or_else(malformed)?;
    let inheritance: Inheritance = serde_json::from_slice(text).map_err(|_| malformed())?;
    let mut descriptors = descriptors.into_iter();
    let mut estate = Estate::default();
    for Entry { listener, address, is_given } in inheritance.sockets {
        let socket = descriptors.next().ok_or_else(malformed)?;
        let own = TcpListener::from(socket.try_clone()?);
        own.set_nonblocking(true)?;
        estate.sockets.push((Passed { listener, address, is_given, socket }, own));
    }
    if inheritance.lock {
        estate.lock = Some(File::from(descriptors.next().ok_or_else(malformed)?));
    }
    Ok(estate)
}

/// What came of an upgrade, for whoever asked for it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Outcome {
    /// The process that serves now.
    pub(crate) pid: Option<u32>,
    /// Why the upgrade failed.
    pub(crate) failure: Option<String>,
}

impl Outcome {
    /// The name of its file in the data folder.
    pub(crate) const FILE: &str = "upgrade.json";

    /// Leaves it in the data folder, whole or not at all.
    pub(super) fn tell(&self, data: &Path) -> io::Result<()> {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new_in(data)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(data.join(Self::FILE)).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening() -> (SocketAddr, Passed) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let own = socket.local_addr().expect("an address");
        let address = "127.0.0.1:443".parse().expect("an address");
        (own, Passed { listener: "https".to_owned(), address, is_given: true, socket: socket.into() })
    }

    #[tokio::test]
    async fn sockets_and_lock_arrive_as_they_were() {
        let (ours, theirs) = BlockingStream::pair().expect("a pair");
        let (own, passed) = listening();
        let mut lock = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut lock, b"1234").expect("written");
        pass(&ours, &[passed], Some(&lock.try_clone().expect("a copy").into())).expect("passed");
        drop(ours);
        let estate = receive(&theirs).expect("received");
        let [(passed, socket)] = &estate.sockets[..] else { panic!("{estate:?}") };
        assert_eq!((passed.listener.as_str(), passed.address.port(), passed.is_given), ("https", 443, true));
        assert_eq!(socket.local_addr().expect("an address"), own);
        let flags = rustix::io::fcntl_getfd(socket).expect("flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "no program that is started later inherits it");
        assert_eq!(estate.lock.expect("a lock").metadata().expect("a file").len(), 4);
    }

    #[tokio::test]
    async fn what_is_no_inheritance_is_refused() {
        let (ours, theirs) = BlockingStream::pair().expect("a pair");
        std::io::Write::write_all(&mut &ours, b"{\"sockets\":[{\"listener\":\"https\"}]}\n").expect("written");
        assert_eq!(receive(&theirs).expect_err("refused").kind(), io::ErrorKind::InvalidData);
        // Fewer sockets than were said.
        std::io::Write::write_all(
            &mut &ours,
            b"{\"sockets\":[{\"listener\":\"https\",\"address\":\"127.0.0.1:1\",\"is_given\":false}],\"lock\":false}\n",
        )
        .expect("written");
        assert_eq!(receive(&theirs).expect_err("refused").kind(), io::ErrorKind::InvalidData);
    }

    /// What comes of a program that is started as a successor.
    async fn check(script: &str, expected: &str) {
        let program = Program::of("/bin/sh", &["-c", script]);
        let reason = Successor::start(&program, vec![listening().1], None).await.expect_err("no successor");
        assert!(reason.contains(expected), "{script}: {reason}");
    }

    #[tokio::test]
    async fn a_successor_that_is_none_is_given_up_with_a_reason() {
        check("exit 7", "ended before it was ready (exit status: 7)").await;
        check("echo failed \\\"no config\\\" >&0", "no config").await;
        check("echo hello >&0", "another program").await;
        check("read x; echo ready >&0; read x; exit 3", "ended before it was serving (exit status: 3)").await;
        let nowhere = Program::of("/nowhere/at/all", &[]);
        let reason = Successor::start(&nowhere, Vec::new(), None).await.expect_err("no program");
        assert!(reason.contains("/nowhere/at/all cannot be started"), "{reason}");
    }

    #[tokio::test]
    async fn a_successor_is_led_step_by_step() {
        let program = Program::of(
            "/bin/sh",
            &["-c", "read x; echo ready >&0; read go; echo serving >&0; read yours; [ $go$yours = goyours ]"],
        );
        let mut successor = Successor::start(&program, vec![listening().1], None).await.expect("it serves");
        successor.yours().await;
        let status = timeout(UNTIL_ANSWERED, successor.child.wait()).await.expect("in time").expect("it ends");
        assert!(status.success(), "{status}");
    }
}
