"""The zygote's way into its jail: a private read-only view of the file system, and namespaces of its own."""

import glob
import os
import stat

from jail import syscalls as sys_

JOB = "/job"  # where each worker mounts its own scratch
DEVICES = ("null", "zero", "full", "random", "urandom")
HOST_NAME = "sandbox"
NEW_ROOT = "/sys"  # any directory that no bind comes from: the mount hides it in this namespace only
MS_RELATIME = 1 << 21
PASSWD = "root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/tmp:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
# Of /etc only what programs need to find their libraries and the time zone.
ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone")


def enter(binds: dict[str, str], user: int | None) -> None:
    """Into the jail. `binds` are {host path: path in the jail}, read-only there.

    `user` is the uid to become where the zygote is started by root; None where it is an ordinary user's already.
    Raises OSError where the kernel refuses a layer.
    """
    own_proc = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)  # /proc goes with the old root
    if user is not None:
        sys_.unshare(sys_.CLONE_NEWNS)
        _build_root(binds)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        sys_.prctl(sys_.PR_SET_DUMPABLE, 1)  # else the files of /proc/self stay root's
        _new_user_namespace(own_proc)
        sys_.unshare(sys_.CLONE_NEWNS)
    else:
        _new_user_namespace(own_proc)
        sys_.unshare(sys_.CLONE_NEWNS)
        _build_root(binds)
    os.close(own_proc)
    sys_.unshare(sys_.CLONE_NEWNET | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS | sys_.CLONE_NEWCGROUP)
    sys_.set_hostname(HOST_NAME)
    _become_process_1()


def _become_process_1() -> None:
    """Goes on in a child, the first of a process namespace of its own. Whichever ends first takes the other along."""
    sys_.unshare(sys_.CLONE_NEWPID)
    child = os.fork()
    if child:
        os.closerange(3, 1 << 10)  # the judge is to notice the child's end
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    sys_.prctl(sys_.PR_SET_PDEATHSIG, 9)


def _new_user_namespace(own_proc: int) -> None:
    user, group = os.geteuid(), os.getegid()
    sys_.unshare(sys_.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        file = os.open(name, os.O_WRONLY, dir_fd=own_proc)
        os.write(file, text.encode())
        os.close(file)


def _build_root(binds: dict[str, str]) -> None:
    """A tmpfs with read-only binds becomes the root; the old root is let go."""
    sys_.mount("none", "/", None, sys_.MS_REC | sys_.MS_PRIVATE)
    new = NEW_ROOT
    sys_.mount("sandbox", new, "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, "size=4m,mode=755")
    for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{new}/{name}")
        elif os.path.isdir(f"/{name}"):
            binds = {**binds, f"/{name}": f"/{name}"}
    for name in ETC:
        if os.path.exists(f"/etc/{name}"):
            binds = {**binds, f"/etc/{name}": f"/etc/{name}"}
    for source, target in sorted(binds.items(), key=lambda bind: bind[1]):
        _bind(source, new + target)
    for directory in _installed_packages(new):  # whatever else is installed there is nobody's business
        sys_.mount("empty", directory, "tmpfs", sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV, "size=4k,mode=755")
    for name in DEVICES:
        _bind(f"/dev/{name}", f"{new}/dev/{name}")
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(f"{new}/etc/{name}", "w") as file:
            file.write(text)
    os.makedirs(f"{new}/var")
    os.mkdir(new + JOB)
    for link, target in (
        ("/tmp", "tmp"),
        ("/var/tmp", "tmp"),
        ("/dev/shm", "shm"),
        ("/dev/stdin", "stdin"),
        ("/dev/fd/0", "stdin"),
    ):
        if not os.path.lexists(new + link):
            os.makedirs(os.path.dirname(new + link), exist_ok=True)
            os.symlink(f"{JOB}/{target}", new + link)
    old = f"{new}/old"
    os.mkdir(old)
    sys_.pivot_root(new, old)
    os.chdir("/")
    sys_.unmount("/old", sys_.MNT_DETACH)
    os.rmdir("/old")
    sys_.mount("none", "/", None, sys_.MS_REMOUNT | sys_.MS_RDONLY | sys_.MS_NOSUID | sys_.MS_NODEV)


def _installed_packages(root: str) -> list[str]:
    """The directories of installed packages, of this interpreter and of the system's."""
    libraries = (os.path.dirname(os.__file__), "/usr/lib/python3", *glob.glob("/usr/local/lib/python3*"))
    places = [f"{root}{library}/{name}" for library in libraries for name in ("site-packages", "dist-packages")]
    return [place for place in dict.fromkeys(places) if os.path.isdir(place)]


def _bind(source: str, target: str) -> None:
    """A read-only bind. Flags that the source's mount already has are kept: a user namespace may not take them away."""
    information = os.stat(source)
    if stat.S_ISDIR(information.st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "x"):
            pass  # a mount point is a file like any other
    sys_.mount(source, target, None, sys_.MS_BIND)
    flags = sys_.MS_REMOUNT | sys_.MS_BIND | sys_.MS_NOSUID | sys_.MS_RDONLY
    if not stat.S_ISCHR(information.st_mode):
        flags |= sys_.MS_NODEV
    sys_.mount("none", target, None, flags | _kept_flags(target))


def _kept_flags(path: str) -> int:
    """The mount flags of a path that may not be taken away; statvfs shows them as mount(2) takes them, but for one."""
    shown = os.statvfs(path).f_flag
    relatime = MS_RELATIME if shown & os.ST_RELATIME else 0
    return shown & (os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME) | relatime


def make_scratch(size_mb: int, inodes: int) -> None:
    """A worker's private scratch, gone with its mount namespace; becomes the working directory."""
    flags = sys_.MS_NOSUID | sys_.MS_NODEV
    sys_.mount("scratch", JOB, "tmpfs", flags, f"size={size_mb}m,nr_inodes={inodes},mode=755")
    for name in ("tmp", "shm", "work"):
        os.mkdir(f"{JOB}/{name}", 0o777)
    os.chdir(f"{JOB}/work")
