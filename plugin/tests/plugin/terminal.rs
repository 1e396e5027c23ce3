//! The plugin in a real pseudo-terminal, and what stands on its screen.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    num::NonZero,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A program in a window.
pub struct Terminal {
    child: Child,
    master: File,
    shown: Arc<Shown>,
}

struct Shown {
    parser: Mutex<(vt100::Parser, bool)>,
    news: Condvar,
}

impl Terminal {
    /// Starts `command` as the leader of a session whose terminal is this window.
    pub fn start(columns: u16, rows: u16, command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let input: OwnedFd = slave();
        tcsetwinsize(&input, size(columns, rows)).unwrap();
        // setsid makes standard input the controlling terminal: without one there is no Ctrl-C and no news of a resize.
        let mut all = Command::new("setsid");
        all.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => all.env(name, value),
                None => all.env_remove(name),
            };
        }
        let child = all.stdin(input).stdout(slave()).stderr(slave()).spawn().unwrap();
        let parser = vt100::Parser::new(some(rows), some(columns), 0);
        let shown = Arc::new(Shown { parser: Mutex::new((parser, false)), news: Condvar::new() });
        let master = File::from(master);
        let (mut reader, sink) = (master.try_clone().unwrap(), shown.clone());
        thread::spawn(move || read_all(&mut reader, &sink));
        Self { child, master, shown }
    }

    /// What stands on the screen, without spaces at the ends of lines and without empty lines at its end.
    pub fn screen(&self) -> String {
        contents(&self.shown.parser.lock().unwrap().0)
    }

    /// Waits until the screen satisfies `condition`, and gives it.
    pub fn until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LONG;
        let mut parser = self.shown.parser.lock().unwrap();
        loop {
            let screen = contents(&parser.0);
            if condition(&screen) {
                return screen;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !parser.1, "{what} is not on the screen:\n{screen}");
            parser = self.shown.news.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// The screen with its colours, once the program has ended or stands still.
    pub fn with_parser<T>(&self, see: impl FnOnce(&vt100::Screen) -> T) -> T {
        see(self.shown.parser.lock().unwrap().0.screen())
    }

    /// Makes the window another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shown.parser.lock().unwrap().0.screen_mut().set_size(some(rows), some(columns));
        tcsetwinsize(&self.master, size(columns, rows)).unwrap();
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the program has ended and all that it printed is on the screen.
    pub fn ended(&mut self) -> ExitStatus {
        let mut parser = self.shown.parser.lock().unwrap();
        let end = Instant::now() + LONG;
        while !parser.1 {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end:\n{}", contents(&parser.0));
            parser = self.shown.news.wait_timeout(parser, left).unwrap().0;
        }
        drop(parser);
        self.child.wait().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap()
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn read_all(reader: &mut File, shown: &Shown) {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer) {
            // Linux says EIO once no program has the other end.
            Ok(0) => break,
            Err(error) if error.kind() != ErrorKind::Interrupted => break,
            Err(_) => {}
            Ok(count) => shown.parser.lock().unwrap().0.process(&buffer[..count]),
        }
        shown.news.notify_all();
    }
    shown.parser.lock().unwrap().1 = true;
    shown.news.notify_all();
}

fn contents(parser: &vt100::Parser) -> String {
    let (_, columns) = parser.screen().size();
    let lines: Vec<_> = parser.screen().rows(0, columns.get()).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned()
}

/// What a program prints into pipes, and how it ends.
pub fn piped(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (out, err, output.status.code())
}
