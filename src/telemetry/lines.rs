//! Lines on their way to standard error.
//!
//! A write a line is as it should be while lines are few. Of thousands of requests a second, each write would cost a request more than its
//! rules do. So a request's line that comes within a millisecond of the last write waits for others, five milliseconds at most, and they
//! are written together. Any other line takes along whatever waits, and so does the end of the program; what the kernel kills loses
//! those five milliseconds.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of the lines that may wait: one a request.
const MAY_WAIT: &str = "access";
/// Lines further apart are written as they come.
const CLOSE: Duration = Duration::from_millis(1);
/// How long a line waits for others.
const LONGEST_WAIT: Duration = Duration::from_millis(5);
/// So many bytes do not wait for more.
const MOST_BYTES: usize = 32 * 1024;

/// Takes lines for one output.
#[derive(Clone)]
pub(super) struct Lines(Arc<Room>);

struct Room {
    desk: Mutex<Desk>,
    /// Told when a line begins to wait.
    waits: Condvar,
}

struct Desk {
    out: Box<dyn Write + Send>,
    waiting: Vec<u8>,
    last: Option<Instant>,
    /// Whether somebody will come for what waits.
    is_fetched: bool,
    /// Whether there is anybody who could.
    has_thread: bool,
}

impl Lines {
    /// Lines for an output, and a thread that comes for those that wait.
    pub(super) fn to(out: impl Write + Send + 'static) -> Self {
        let lines = Self::without_thread(out);
        let fetcher = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || fetcher.fetch());
        lines.desk().has_thread = thread.is_ok();
        lines
    }

    fn without_thread(out: impl Write + Send + 'static) -> Self {
        let out = Box::new(out);
        let desk = Desk { out, waiting: Vec::new(), last: None, is_fetched: false, has_thread: false };
        Self(Arc::new(Room { desk: Mutex::new(desk), waits: Condvar::new() }))
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        self.desk().write(Instant::now());
    }

    fn take(&self, line: &[u8], is_urgent: bool, now: Instant) {
        let mut desk = self.desk();
        desk.waiting.extend_from_slice(line);
        let is_close = desk.last.is_some_and(|last| now.saturating_duration_since(last) < CLOSE);
        let may_wait = desk.has_thread && !is_urgent && desk.waiting.len() < MOST_BYTES;
        if may_wait && (is_close || desk.is_fetched) {
            if !desk.is_fetched {
                desk.is_fetched = true;
                self.0.waits.notify_one();
            }
        } else {
            desk.write(now);
        }
    }

    fn fetch(&self) -> ! {
        loop {
            let desk = self.0.waits.wait_while(self.desk(), |desk| !desk.is_fetched);
            drop(desk.unwrap_or_else(PoisonError::into_inner));
            thread::sleep(LONGEST_WAIT);
            let mut desk = self.desk();
            desk.is_fetched = false;
            desk.write(Instant::now());
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn write(&mut self, now: Instant) {
        if !self.waiting.is_empty() {
            // A log that nobody takes is no reason to stop serving.
            let _ = self.out.write_all(&self.waiting);
            self.waiting.clear();
            self.last = Some(now);
        }
    }
}

/// Takes one line.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.take(line, self.is_urgent, Instant::now());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, is_urgent: true }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, is_urgent: event.target() != MAY_WAIT }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// What was written, a message for each write.
    struct Out(mpsc::Sender<String>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn house() -> (Lines, mpsc::Receiver<String>) {
        let (sender, written) = mpsc::channel();
        let lines = Lines::without_thread(Out(sender));
        lines.desk().has_thread = true;
        (lines, written)
    }

    fn all(written: &mpsc::Receiver<String>) -> Vec<String> {
        written.try_iter().collect()
    }

    #[test]
    fn lines_that_are_few_are_written_as_they_come_and_others_together() {
        let (lines, written) = house();
        let start = Instant::now();
        lines.take(b"a\n", false, start);
        lines.take(b"b\n", false, start + CLOSE);
        assert_eq!(all(&written), ["a\n", "b\n"]);
        for line in [b"c\n", b"d\n", b"e\n"] {
            lines.take(line, false, start + CLOSE);
        }
        assert_eq!(all(&written), [""; 0], "somebody comes for them");
        lines.take(b"f\n", true, start + CLOSE);
        assert_eq!(all(&written), ["c\nd\ne\nf\n"], "another line takes them along");
        lines.take(b"g\n", false, start + CLOSE * 9);
        assert_eq!(all(&written), [""; 0], "somebody still comes");
        lines.flush();
        lines.flush();
        assert_eq!(all(&written), ["g\n"]);
        lines.take(&[b'x'; MOST_BYTES], false, start + CLOSE * 9);
        assert_eq!(all(&written).concat().len(), MOST_BYTES, "so many do not wait");
    }

    #[test]
    fn what_waits_is_fetched_and_without_anybody_to_fetch_it_nothing_waits() {
        let (sender, written) = mpsc::channel();
        let lines = Lines::to(Out(sender.clone()));
        for line in [b"a\n", b"b\n", b"c\n"] {
            lines.take(line, false, Instant::now());
        }
        let mut text = String::new();
        while text != "a\nb\nc\n" {
            text += &written.recv_timeout(Duration::from_secs(30)).expect("it comes");
        }
        let lines = Lines::without_thread(Out(sender));
        let now = Instant::now();
        lines.take(b"d\n", false, now);
        lines.take(b"e\n", false, now);
        assert_eq!(all(&written), ["d\n", "e\n"]);
    }
}
