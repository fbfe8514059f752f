# SPDX-License-Identifier: Apache-2.0
"""The two configurations that are measured, and the plan the floor executes for one of them."""

import ctypes
import json
import os

CLONE = {"mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
         "pid": 0x20000000, "network": 0x40000000}
CLONE_NEWCGROUP = 0x2000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE, MS_REMOUNT = 4096, 16384, 1 << 18, 1 << 19, 32
MOUNT_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "relatime": 1 << 21,
               "strictatime": 1 << 24, "bind": 0, "rbind": 0, "private": 0, "rprivate": 0, "rw": 0}
RLIMITS = {"RLIMIT_NOFILE": 7, "RLIMIT_NPROC": 6}
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE
    SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
           ("tty", 5, 0))
LINKS = (("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"),
         ("/proc/self/fd/2", "stderr"), ("/proc/kcore", "core"), ("pts/ptmx", "ptmx"))


def mount(destination, kind, source, *options):
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def kernel_mounts():
    return [
        mount("/proc", "proc", "proc"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
              "mode=0620", "gid=5"),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777",
              "size=65536k"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
    ]


def spec_config(args):
    """What `spec` of a runtime writes, with a program of ours and without a terminal.

    It has no linux.resources.devices: crun and runc cannot attach a device filter on a host
    whose hierarchy is not the unified one.
    """
    caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "TERM=xterm"],
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "bench",
        "mounts": kernel_mounts(),
        "linux": {
            "namespaces": [{"type": kind} for kind in
                           ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
                            "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                            "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                              "/proc/sysrq-trigger"],
        },
    }


def podman_config(args, seccomp, files):
    """What podman writes for an ordinary container: `files` is a directory with what it binds."""
    config = spec_config(args)
    caps = ["CAP_" + name for name in
            ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP",
             "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")]
    config["process"]["capabilities"] = {"bounding": caps, "effective": caps, "permitted": caps}
    config["process"]["rlimits"].append({"type": "RLIMIT_NPROC", "hard": 4096, "soft": 4096})
    config["process"]["oomScoreAdj"] = 0
    config["process"]["env"] += ["container=podman", "HOSTNAME=bench", "HOME=/root"]
    config["root"]["readonly"] = False
    config["mounts"] += [
        mount(target, "bind", os.path.join(files, target.replace("/", "_")), "bind", "rprivate",
              *options)
        for target, *options in (("/etc/hosts",), ("/etc/resolv.conf",), ("/etc/hostname",),
                                 ("/run/.containerenv",), ("/run/secrets", "nosuid", "nodev"))]
    config["linux"]["maskedPaths"] += ["/sys/fs/selinux", "/sys/dev/block"]
    config["linux"]["sysctl"] = {"net.ipv4.ping_group_range": "0 0"}
    config["linux"]["seccomp"] = seccomp
    config["annotations"] = {"io.container.manager": "libpod",
                             "org.opencontainers.image.stopSignal": "15"}
    return config


def limits_config(args, seccomp, files):
    """podman_config() with every limit that a caller ordinarily sets, and a device filter."""
    config = podman_config(args, seccomp, files)
    config["linux"]["resources"] = {
        "memory": {"limit": 512 << 20, "reservation": 256 << 20, "swap": 1 << 30},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 1000},
        "devices": [{"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
                    {"allow": True, "type": "b", "major": 8, "access": "r"}],
    }
    return config


def compile_seccomp(profile, path):
    """Compiles an OCI seccomp profile with libseccomp into the filter that the floor loads."""
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]

    class Compare(ctypes.Structure):
        _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                    ("b", ctypes.c_uint64)]

    def action(rule, name, value):
        if rule[name] == "SCMP_ACT_ERRNO":
            return 0x00050000 | rule.get(value, 1)
        return {"SCMP_ACT_ALLOW": 0x7fff0000, "SCMP_ACT_KILL": 0}[rule[name]]

    context = ctypes.c_void_p(lib.seccomp_init(
        action(profile, "defaultAction", "defaultErrnoRet")))
    lib.seccomp_attr_set(context, 8, 2)  # SCMP_FLTATR_CTL_OPTIMIZE: a binary tree
    for arch in profile.get("architectures", []):
        token = lib.seccomp_arch_resolve_name(arch[len("SCMP_ARCH_"):].lower().encode())
        lib.seccomp_arch_add(context, ctypes.c_uint32(token))
    operators = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
                 "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}
    for rule in profile["syscalls"]:
        args = rule.get("args") or []
        compares = (Compare * len(args))(*[
            Compare(a["index"], operators[a["op"]], a["value"], a.get("valueTwo", 0))
            for a in args])
        for name in rule["names"]:
            number = lib.seccomp_syscall_resolve_name(name.encode())
            if number != -1:
                lib.seccomp_rule_add_array(
                    context, ctypes.c_uint32(action(rule, "action", "errnoRet")), number,
                    len(args), compares)
    with open(path, "wb") as file:
        if lib.seccomp_export_bpf(context, file.fileno()) < 0:
            raise OSError(f"{path}: libseccomp cannot export the filter")
    lib.seccomp_release(context)


def capability_mask(names):
    return sum(1 << CAPABILITIES.index(name[len("CAP_"):]) for name in names or [])


def mount_lines(entry, root):
    target = root + entry["destination"]
    flags = 0
    data = []
    for option in entry["options"]:
        if option in MOUNT_FLAGS:
            flags |= MOUNT_FLAGS[option]
        else:
            data.append(option)
    if "bind" in entry["options"]:
        return [("bind", entry["source"], target, flags)]
    kind = "cgroup2" if entry["type"] == "cgroup" else entry["type"]
    if kind in ("sysfs", "cgroup2"):
        # The first mount of these sets flags of the superblock: only the mount is read-only.
        first = [("mount", kind, entry["source"], target, flags & ~1, "")]
        return first + [("change", target, MS_REMOUNT | MS_BIND | flags)]
    made = [("directory", target)] if target.count("/dev/") else []
    return made + [("mount", kind, entry["source"], target, flags, ",".join(data))]


def process_lines(process, config, seccomp):
    lines = [("argument", word) for word in process["args"]]
    lines += [("environment", word) for word in process["env"]]
    for limit in process["rlimits"]:
        lines.append(("rlimit", RLIMITS[limit["type"]], limit["soft"], limit["hard"]))
    caps = process["capabilities"]
    lines.append(("caps", *[hex(capability_mask(caps.get(kind))) for kind in
                            ("bounding", "permitted", "effective", "inheritable", "ambient")]))
    if "seccomp" in config["linux"]:
        lines.append(("seccomp", seccomp, 0))
    return lines


def floor_plan(config, bundle, seccomp):
    """The system calls that a config.json comes down to, in the lines that floor.c reads."""
    root = os.path.join(bundle, "rootfs")
    kinds = [entry["type"] for entry in config["linux"]["namespaces"]]
    flags = sum(CLONE[kind] for kind in kinds if kind != "cgroup")
    lines = [("namespaces", hex(flags), hex(flags | CLONE_NEWCGROUP * ("cgroup" in kinds))),
             ("cgroup-namespace",), ("loopback",),  # see "keyring" below
             ("change", "/", MS_REC | MS_SLAVE), ("bind", root, root, 0)]
    for entry in config["mounts"]:
        lines += mount_lines(entry, root)
    lines += [("node", f"{root}/dev/{name}", 0o20666, major, minor)
              for name, major, minor in DEVICES]
    lines += [("link", target, f"{root}/dev/{name}") for target, name in LINKS]
    for key, value in config["linux"].get("sysctl", {}).items():
        lines.append(("write", "/proc/sys/" + key.replace(".", "/"), value))
    lines.append(("pivot", root))
    # One empty, read-only directory covers all masked directories.
    lines.append(("mount", "tmpfs", "tmpfs", "/proc/acpi", 1, "nr_blocks=1,nr_inodes=1"))
    for path in config["linux"]["maskedPaths"]:
        if path != "/proc/acpi":
            source = "/proc/acpi" if os.path.isdir(path) else "/dev/null"
            lines.append(("bind", source, path, 0))
    lines += [("bind", path, path, 1)
              for path in config["linux"]["readonlyPaths"]]
    if config["root"]["readonly"]:
        lines.append(("change", "/", MS_REMOUNT | MS_BIND | 1))
    lines.append(("hostname", config["hostname"]))
    if "oomScoreAdj" in config["process"]:
        lines.append(("write", "/proc/self/oom_score_adj", str(config["process"]["oomScoreAdj"])))
    # Neither is in config.json, but crun, runc and caisson all do them.
    lines.append(("keyring", "_ses.floor"))
    lines.append(("gate",))
    lines += process_lines(config["process"], config, seccomp)
    return "".join("\t".join(str(word) for word in line) + "\n" for line in lines)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
