//! Turns real forks into checks of what parent and child may rely on.
#![allow(clippy::print_stdout, reason = "this is its own harness")]

mod children;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, getpid, getppid, set_child_subreaper};
use wirewool_ipc::doorbell::Doorbell;
use wirewool_ipc::process::{
    Ended, Fork, die_with_parent, fork, is_foreign, kill, mark_foreign_children, threads, wait,
};
use wirewool_ipc::signal::{Blocked, Signal, Signals};
use wirewool_ipc::table::Table;
use wirewool_ipc::table::facts::Origin;

use children::{PATIENCE_S, ended, mask, readable, spawn};

const CHECKS: [(&str, fn()); 12] = [
    ("wait tells how a child ended, and reaps only that one", wait_reaps_only_its_own),
    ("wait does not wait", wait_does_not_wait),
    ("a process with other threads is not forked", threads_are_refused),
    ("both sides have the mask they had", masks_are_restored),
    ("a child gets SIGTERM when its parent dies", orphans_are_told),
    ("a child that is to die with its parent is killed, or leaves at once if it is late", orphans_are_killed),
    ("a child whose parent died during the fork leaves at once", late_orphans_leave),
    ("a child forked by somebody else is foreign", others_children_are_foreign),
    ("a doorbell wakes another process", doorbells_are_shared),
    ("two processes claim distinct fds", fds_are_distinct),
    ("a process that was killed leaves rows that detach frees", dead_workers_are_detached),
    ("the limit holds across processes", limit_is_shared),
];

fn main() {
    // What outlives its parent becomes ours, so that nothing is left behind.
    set_child_subreaper(Some(getpid())).unwrap();
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
    assert_eq!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).unwrap_err(), Errno::CHILD);
}

fn wait_reaps_only_its_own() {
    let first = spawn(|_| process::exit(3));
    let second = spawn(|_| process::exit(4));
    let second_pid = second.pid;
    assert_eq!(second.join().1, Ended::Exited(4));
    assert_eq!(wait(second_pid).unwrap_err().raw_os_error(), Some(Errno::CHILD.raw_os_error()));
    assert_eq!(first.join().1, Ended::Exited(3));
}

fn wait_does_not_wait() {
    let silent = Doorbell::new().unwrap();
    let child = spawn(|_| assert!(readable(&silent)));
    assert_eq!(wait(child.pid).unwrap(), None);
    kill(child.pid, Signal::Kill).unwrap();
    assert_eq!(child.join().1, Ended::Killed(9));
}

fn threads_are_refused() {
    assert_eq!(threads().unwrap(), 1);
    let (stop, stopped) = mpsc::channel::<()>();
    let thread = thread::spawn(move || stopped.recv());
    assert_eq!(threads().unwrap(), 2);
    let refused = fork().unwrap_err().to_string();
    assert_eq!(refused, "cannot fork while other threads are alive, this process has 1");
    drop(stop);
    let _ = thread.join().unwrap();
    // Right after the join, when the kernel may still show it.
    assert_eq!(spawn(|_| ()).join().1, Ended::Exited(0));
}

fn masks_are_restored() {
    let before = mask("SigBlk");
    let child = spawn(|mut answer| write!(answer, "{}", mask("SigBlk")).unwrap());
    assert_eq!(mask("SigBlk"), before);
    assert_eq!(child.join(), (before.to_string(), Ended::Exited(0)));

    let blocked = Blocked::all().unwrap();
    let all = mask("SigBlk");
    assert!(all.count_ones() > 50);
    assert_eq!(thread::spawn(|| mask("SigBlk")).join().unwrap(), all);
    let child = spawn(|mut answer| write!(answer, "{}", mask("SigBlk")).unwrap());
    assert_eq!(child.join(), (all.to_string(), Ended::Exited(0)));
    drop(blocked);
    assert_eq!(mask("SigBlk"), before);
}

fn orphans_are_told() {
    let parent = spawn(|mut answer| {
        let signals = Signals::install(&[Signal::Term]).unwrap();
        let born = Doorbell::new().unwrap();
        match fork().unwrap() {
            Fork::Parent(pid) => {
                write!(answer, "{} ", pid.as_raw_pid()).unwrap();
                assert!(readable(&born));
            }
            Fork::Child => {
                born.ring();
                assert!(readable(&signals));
                write!(answer, "{:?}", signals.take().collect::<Vec<_>>()).unwrap();
            }
        }
    });
    let (answer, end) = parent.join();
    let (orphan, told) = answer.split_once(' ').unwrap();
    assert_eq!((told, end), ("[Term]", Ended::Exited(0)));
    assert_eq!(ended(pid(orphan)), Ended::Exited(0));
}

fn orphans_are_killed() {
    for (is_late, expected) in [(false, Ended::Killed(libc::SIGKILL)), (true, Ended::Exited(1))] {
        let parent = spawn(|mut answer| {
            // It has a handler, and comes back from it.
            let signals = Signals::install(&[Signal::Term]).unwrap();
            let born = Doorbell::new().unwrap();
            match fork().unwrap() {
                Fork::Parent(pid) => {
                    write!(answer, "{}", pid.as_raw_pid()).unwrap();
                    assert!(readable(&born));
                }
                Fork::Child => {
                    if is_late {
                        born.ring();
                        assert!(readable(&signals));
                    }
                    die_with_parent();
                    born.ring();
                    // One that is not killed ends by itself, and is seen to.
                    readable(&signals);
                }
            }
        });
        let (orphan, end) = parent.join();
        assert_eq!((end, ended(pid(&orphan))), (Ended::Exited(0), expected));
    }
}

fn late_orphans_leave() {
    static PARENT: AtomicI32 = AtomicI32::new(0);
    extern "C" fn outlive_parent() {
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_S.unsigned_abs());
        while getppid().map_or(0, Pid::as_raw_pid) == PARENT.load(SeqCst) && Instant::now() < deadline {
            thread::yield_now();
        }
    }

    let parent = spawn(|mut answer| {
        PARENT.store(getpid().as_raw_pid(), SeqCst);
        // SAFETY: The handler runs in the child of a process with one thread, where it may do what it likes.
        assert_eq!(unsafe { libc::pthread_atfork(None, None, Some(outlive_parent)) }, 0);
        match fork().unwrap() {
            Fork::Parent(pid) => write!(answer, "{}", pid.as_raw_pid()).unwrap(),
            Fork::Child => write!(answer, " is still here").unwrap(),
        }
    });
    let (orphan, end) = parent.join();
    assert_eq!(end, Ended::Exited(0));
    assert_eq!(ended(pid(&orphan)), Ended::Exited(1));
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

fn others_children_are_foreign() {
    assert!(!is_foreign());
    mark_foreign_children().unwrap();
    mark_foreign_children().unwrap();
    assert!(!is_foreign());
    assert!(!child_of_somebody_else_is(|| !is_foreign()));
    let child = spawn(|mut answer| {
        let foreign = child_of_somebody_else_is(is_foreign);
        write!(answer, "own {} other {foreign}", is_foreign()).unwrap();
    });
    assert_eq!(child.join(), ("own false other true".to_owned(), Ended::Exited(0)));
    assert!(!is_foreign());
}

/// What `check` says in a child that did not come from `wirewool_ipc`.
fn child_of_somebody_else_is(check: fn() -> bool) -> bool {
    // SAFETY: The process has one thread.
    match Pid::from_raw(unsafe { libc::fork() }) {
        Some(pid) => ended(pid) == Ended::Exited(1),
        None => process::exit(i32::from(check())),
    }
}

fn doorbells_are_shared() {
    let (there, back) = (Doorbell::new().unwrap(), Doorbell::new().unwrap());
    let child = spawn(|_| {
        assert!(readable(&there));
        back.ring();
    });
    there.ring();
    assert!(readable(&back));
    assert_eq!(child.join().1, Ended::Exited(0));
}

fn fds_are_distinct() {
    const TURNS: usize = 5000;
    let table = Table::new(2, 64).unwrap();
    let workers = [0, 1].map(|worker| {
        let (ready, go) = (Doorbell::new().unwrap(), Doorbell::new().unwrap());
        let child = spawn(|answer| {
            ready.ring();
            assert!(readable(&go));
            let mut answer = io::BufWriter::new(answer);
            for turn in 0..TURNS {
                let (fd, _) = table.claim(worker, Origin::UNKNOWN, 0).unwrap();
                assert_eq!(table.connection(fd).unwrap().owner, worker);
                writeln!(answer, "{fd}").unwrap();
                if turn + 10 < TURNS {
                    table.release(fd);
                }
            }
        });
        assert!(readable(&ready));
        (child, go)
    });
    workers.iter().for_each(|(_, go)| go.ring());
    let mut fds = BTreeSet::new();
    for (child, _) in workers {
        let (answer, end) = child.join();
        assert_eq!(end, Ended::Exited(0));
        for fd in answer.lines() {
            assert!(fds.insert(fd.parse::<u64>().unwrap()), "{fd} was claimed twice");
        }
    }
    assert_eq!(fds.len(), 2 * TURNS);
    assert_eq!((table.load(0), table.load(1)), (10, 10));
}

fn dead_workers_are_detached() {
    let table = Table::new(2, 1000).unwrap();
    let (kept, _) = table.claim(0, Origin::UNKNOWN, 0).unwrap();
    let claimed = Doorbell::new().unwrap();
    let child = spawn(|_| {
        table.attach(1, getpid());
        loop {
            let (fd, _) = table.claim(1, Origin::UNKNOWN, 0).unwrap();
            table.set_status(fd, 3);
            claimed.ring();
            if table.load(1) > 500 {
                table.release(fd);
            }
        }
    });
    assert!(readable(&claimed));
    assert_eq!(table.pid(1), Some(child.pid));
    kill(child.pid, Signal::Kill).unwrap();
    assert_eq!(child.join().1, Ended::Killed(9));
    table.detach(1);
    assert_eq!((table.load(1), table.connections(), table.pid(1)), (0, 1, None));
    assert!(table.all().map(|(fd, _)| fd).eq([kept]));
    assert_eq!(table.closed() + 1, table.accepted());
    // With the dead worker's rows gone there is room for all the others.
    let others = (1..1000).map(|_| table.claim(0, Origin::UNKNOWN, 0).unwrap().0).collect::<BTreeSet<_>>();
    assert!(others.len() == 999 && !others.contains(&kept));
}

fn limit_is_shared() {
    const LIMIT: usize = 7;
    let table = Table::new(3, LIMIT).unwrap();
    let children = [1, 2].map(|worker| {
        spawn(|mut answer| {
            let claimed = (0..1000).filter(|_| table.claim(worker, Origin::UNKNOWN, 0).is_some()).count();
            write!(answer, "{claimed}").unwrap();
        })
    });
    let claimed = children.map(|child| child.join().0.parse::<usize>().unwrap());
    assert_eq!(claimed.iter().sum::<usize>(), LIMIT);
    assert_eq!(table.connections(), LIMIT);
    assert_eq!(table.claim(0, Origin::UNKNOWN, 0), None);
}
