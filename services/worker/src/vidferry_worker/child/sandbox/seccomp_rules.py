"""The system calls that a child may not make, and the commands that it may use of three that have many.

FORBIDDEN lists calls that reach beyond the child's own folder, processes and sockets, or into parts of the kernel that
none of its programs needs; other calls are allowed. ALLOWED_COMMANDS lists all that a child may use of ioctl, fcntl and
prctl.
"""

from typing import NamedTuple

from vidferry_worker.child.sandbox import kernel

FORBIDDEN = {
    "a network of its own: the broker hands it sockets that are connected": (
        "socket", "connect", "bind", "listen", "accept", "accept4",
    ),
    # A receiver has to close the file, and the sender can make that take as long as it likes (SO_LINGER).
    "open files passed to other processes": ("sendmsg", "sendmmsg"),
    "the names of files that others make": ("inotify_init", "inotify_init1", "inotify_add_watch"),
    "memory that counts as a file": ("memfd_create", "memfd_secret"),
    # A byte in a pipe may keep a huge page of 2 MiB, after its process has freed it or its file is deleted.
    "memory that pipes keep": ("vmsplice", "splice", "sendfile"),
    "the memory and files of other processes": (
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_getfd",
        "kcmp", "migrate_pages", "move_pages",
    ),
    # The worker kills a child by its process group, so no process may leave it; and a user's processes may signal
    # each other.
    "signals, groups and priorities": (
        "kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "setpgid", "setsid",
        "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setpriority", "ioprio_set",
    ),
    # In a user namespace of its own, an ordinary user's process can reach nearly all of the kernel.
    "namespaces and mounts": (
        "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
        "fsconfig", "fsmount", "fspick", "mount_setattr", "swapon", "swapoff",
    ),
    # Each has a history of privilege escalations; io_uring makes calls that no filter sees.
    "large interfaces of the kernel": (
        "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd", "perf_event_open", "keyctl",
        "add_key", "request_key", "fanotify_init", "name_to_handle_at", "open_by_handle_at", "lookup_dcookie",
        "nfsservctl", "uselib", "modify_ldt", "personality",
    ),
    "the machine itself, where the worker is root": (
        "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "syslog", "acct",
        "quotactl", "quotactl_fd", "iopl", "ioperm", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
        "sethostname", "setdomainname", "vhangup",
    ),
    "memory and queues shared by name with the same user's processes": (
        "shmget", "shmat", "msgget", "semget", "mq_open", "mq_unlink",
    ),
    # Landlock doesn't restrict these (landlock(7), "Limitations"): not the modes of the user's files, and before ABI 3
    # not their truncation.
    "what files are, without opening them": (
        "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr",
        "removexattr", "lremovexattr", "fremovexattr", "truncate", "mknod", "mknodat", "utime", "utimes", "futimesat",
        "utimensat",
    ),
}  # fmt: skip


class Command(NamedTuple):
    """A command of a system call that has many."""

    name: str
    number: int
    needed_for: str


ALLOWED_COMMANDS = {
    # asm-generic/ioctls.h, termbits.h; without FIOSETOWN and FIOASYNC, by which a process has others signalled.
    "ioctl": (
        1,
        (
            Command("TCGETS", 0x5401, "isatty() of the C library"),
            Command("TCGETS2", 0x802C542A, "the same since glibc 2.42"),
            Command("TIOCGWINSZ", 0x5413, "the terminal's size, which ffmpeg and deno ask for"),
            Command("FIONREAD", 0x541B, "how much of a socket or pipe can be read"),
            Command("FIONBIO", 0x5421, "timeouts of Python's sockets"),
            Command("FIONCLEX", 0x5450, "files handed to ffmpeg and deno"),
            Command("FIOCLEX", 0x5451, "files kept from ffmpeg and deno"),
        ),
    ),
    # asm-generic/fcntl.h and linux/fcntl.h; without owners, signals, leases and directory notifications.
    "fcntl": (
        1,
        (
            Command("F_DUPFD", 0, "copies of descriptors"),
            Command("F_GETFD", 1, "the flags of descriptors"),
            Command("F_SETFD", 2, "the flags of descriptors"),
            Command("F_GETFL", 3, "the modes of files"),
            Command("F_SETFL", 4, "the modes of files"),
            Command("F_GETLK", 5, "locks on files of the child's own"),
            Command("F_SETLK", 6, "locks on files of the child's own"),
            Command("F_SETLKW", 7, "locks on files of the child's own"),
            Command("F_DUPFD_CLOEXEC", 1030, "copies of descriptors"),
        ),
    ),
    # linux/prctl.h; without PR_SET_DUMPABLE, by which a process hides its open files from the worker.
    "prctl": (
        0,
        (
            Command("PR_SET_PDEATHSIG", kernel.PR_SET_PDEATHSIG, "programs that end with the child; SIGKILL alone"),
            Command("PR_SET_NAME", 15, "the names of threads"),
            Command("PR_GET_NAME", 16, "the names of threads"),
            Command("PR_SET_NO_NEW_PRIVS", kernel.PR_SET_NO_NEW_PRIVS, "deno's own start"),
        ),
    ),
}  # fmt: skip
"""by system call: the number of the argument with the command, and the allowed commands"""
