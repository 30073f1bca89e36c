use super::*;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicI32;

fn shell(script: &str) -> Command {
    let string = |text: &str| CString::new(text).expect("no null byte");
    Command {
        programs: vec![string("/nowhere/sh"), string("/bin/sh")],
        arguments: vec![string("sh"), string("-c"), string(script)],
        environment: vec![string("PATH=/usr/bin:/bin"), string("GREETING=hello")],
        directory: None,
        stdio: [-1; 3],
        keep: Some(Vec::new()),
        umask: None,
        new_session: false,
        process_group: None,
        groups: None,
        group: None,
        user: None,
        restore_signals: true,
        signal_mask: SignalMask::of_this_thread(),
    }
}

fn start(command: &Command) -> Result<Child, Failure> {
    let mut memory = Memory::new().expect("memory");
    let (pidfd, made) = spawn(&mut memory, command, &AtomicI32::new(-1));
    made.map(|pid| Child { pid, pidfd })
}

fn exit_status(child: &Child) -> i32 {
    let mut status = 0;
    // SAFETY: the status is a local.
    assert_eq!(unsafe { libc::waitpid(child.pid, &raw mut status, 0) }, child.pid);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    libc::WEXITSTATUS(status)
}

/// What `command` writes to its standard output.
fn output(command: &mut Command) -> String {
    let (mut near, far) = UnixStream::pair().expect("two descriptors");
    command.stdio[1] = far.as_raw_fd();
    let child = start(command).expect("a child");
    drop(far);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut near, &mut text).expect("text");
    assert_eq!(exit_status(&child), 0);
    text
}

#[test]
fn a_child_runs_the_first_program_that_there_is() {
    let child = start(&shell("exit 7")).unwrap();
    assert!(child.pidfd.is_some());
    assert_eq!(exit_status(&child), 7);
}

#[test]
fn a_child_has_the_environment_and_the_directory_that_it_was_given() {
    let mut command = shell("echo $GREETING from $(pwd), $(umask)");
    command.directory = Some(c"/usr".into());
    command.umask = Some(0o26);
    assert_eq!(output(&mut command), "hello from /usr, 0026\n");
}

#[test]
fn what_failed_is_told_and_no_child_is_left() {
    let mut command = shell("exit 0");
    command.directory = Some(c"/nowhere".into());
    let failed = start(&command).unwrap_err();
    assert_eq!(failed, Failure { step: Step::Directory, number: libc::ENOENT });
    command = shell("exit 0");
    command.programs = vec![c"/nowhere/sh".into(), c"/etc/passwd".into(), c"/nowhere".into()];
    let failed = start(&command).unwrap_err();
    assert_eq!(failed, Failure { step: Step::Program, number: libc::EACCES });
    command = shell("exit 0");
    command.keep = Some(vec![1_000_000]);
    assert_eq!(start(&command).unwrap_err().step, Step::Other);
}

#[test]
fn a_child_has_the_descriptors_that_it_was_given_and_no_others() {
    let (kept, _kept_peer) = UnixStream::pair().unwrap();
    let (other, _other_peer) = UnixStream::pair().unwrap();
    let (fd, other) = (kept.as_raw_fd(), other.as_raw_fd());
    let script =
        format!("for fd in {fd} {other}; do [ -e /proc/self/fd/$fd ] && echo $fd; done; :");
    let mut command = shell(&script);
    assert_eq!(output(&mut command), "");
    command.keep = Some(vec![fd]);
    assert_eq!(output(&mut command), format!("{fd}\n"));
}

#[test]
fn a_child_that_is_buried_is_gone() {
    let child = start(&shell("sleep 3600")).unwrap();
    let pid = child.pid;
    child.bury();
    // SAFETY: no pointers.
    let waited = check(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) });
    assert_eq!(waited.unwrap_err().raw_os_error(), Some(libc::ECHILD));
}
