/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of `make bench`: only the kernel's part of what a runtime does for a container, with
 * nothing checked, nothing decoded, nothing logged and no state but what the next command needs.
 * A runtime that took no time of its own would take this long.
 *
 * tests/bench/plan.py turns a config.json into the plan that this program executes line by line, so
 * that both do the same work. The process is cloned with a copied address space, as any runtime
 * with a start gate has to.
 *
 *	floor run PLAN STATE CGROUP	clone, set up, execute, wait, remove the cgroup
 *	floor create PLAN STATE CGROUP	the same up to a start gate; writes STATE/pid
 *	floor start PLAN STATE CGROUP	opens the gate
 *	floor delete PLAN STATE CGROUP	removes the cgroup and STATE
 *	floor exec PLAN STATE CGROUP	joins the container of STATE/pid, executes, waits
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIELDS_MAX 8
#define ARGUMENTS_MAX 16

struct plan {
	char text[16384];
	struct sock_filter filter[16384];
	struct sock_fprog program;
	unsigned long clone_flags; /* namespaces of the first process */
	int join_flags;		   /* namespaces that exec joins */
	char *arguments[ARGUMENTS_MAX + 1];
	char *environment[ARGUMENTS_MAX + 1];
};

static struct plan plan;
static int gate = -1;  /* a fifo: a byte opens it */
static int ready = -1; /* a pipe: a byte says that the gate is reached */

static _Noreturn void fail(const char *what, const char *on)
{
	const char *parts[] = { "floor: ", what, " ", on, ": ", strerrordesc_np(errno), "\n" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			break;
	_exit(125);
}

static long check(long result, const char *what, const char *on)
{
	if (result < 0)
		fail(what, on);
	return result;
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 0);
}

static void add(char **list, char *item)
{
	for (size_t i = 0; i < ARGUMENTS_MAX; i++)
		if (list[i] == NULL) {
			list[i] = item;
			return;
		}
	errno = E2BIG;
	fail("add", item);
}

static size_t read_file(const char *path, void *buffer, size_t size)
{
	int fd = (int)check(open(path, O_RDONLY | O_CLOEXEC), "open", path);
	ssize_t length = check(read(fd, buffer, size), "read", path);

	close(fd);
	return (size_t)length;
}

/* mount TYPE SOURCE TARGET MS_FLAGS OPTIONS */
static void do_mount(char **field)
{
	check(mount(field[2], field[3], field[1], number(field[4]), field[5]), "mount", field[3]);
}

/* bind SOURCE TARGET MS_FLAGS: flags beyond the bind itself need a second call. */
static void do_bind(char **field)
{
	unsigned long flags = number(field[3]);

	if (mount(field[1], field[2], NULL, MS_BIND, NULL) < 0) {
		/* A path to mask or protect that this kernel lacks is nothing to do. */
		if (errno == ENOENT)
			return;
		fail("bind", field[2]);
	}
	if (flags != 0)
		check(mount(NULL, field[2], NULL, MS_REMOUNT | MS_BIND | flags, NULL), "remount",
			field[2]);
}

/* node PATH MODE MAJOR MINOR */
static void do_node(char **field)
{
	check(mknod(field[1], (mode_t)number(field[2]),
		      makedev((unsigned)number(field[3]), (unsigned)number(field[4]))),
		"mknod", field[1]);
}

static void do_cgroup_namespace(char **field)
{
	/* clone3() would take the caller's cgroup as its root, not the one cloned into. */
	check(unshare(CLONE_NEWCGROUP), "unshare", field[0]);
}

static void do_loopback(char **field)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = (int)check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", field[0]);

	check(ioctl(fd, SIOCSIFFLAGS, &request), "ioctl", "lo");
	close(fd);
}

static void do_keyring(char **field)
{
	check(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, field[1]), "keyctl", field[1]);
}

/* pivot ROOT, with the old root detached */
static void do_pivot(char **field)
{
	check(chdir(field[1]), "chdir", field[1]);
	check(syscall(SYS_pivot_root, ".", "."), "pivot_root", field[1]);
	check(umount2(".", MNT_DETACH), "umount", "the old root");
	check(chdir("/"), "chdir", "/");
}

/* caps BOUNDING PERMITTED EFFECTIVE INHERITABLE AMBIENT */
static void do_caps(char **field)
{
	uint64_t bounding = number(field[1]), permitted = number(field[2]);
	uint64_t effective = number(field[3]), inheritable = number(field[4]);
	uint64_t ambient = number(field[5]);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
			(uint32_t)(inheritable >> 32) },
	};

	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(bounding & 1UL << cap))
			check(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "prctl", "PR_CAPBSET_DROP");
	check(setgroups(0, NULL), "setgroups", "none");
	check(syscall(SYS_capset, &header, data), "capset", field[1]);
	for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (ambient & 1UL << cap)
			check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), "prctl",
				"PR_CAP_AMBIENT_RAISE");
	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", "PR_SET_NO_NEW_PRIVS");
}

static void do_rlimit(char **field)
{
	struct rlimit limit = { number(field[2]), number(field[3]) };

	check(setrlimit((__rlimit_resource_t)number(field[1]), &limit), "setrlimit", field[1]);
}

static void do_seccomp(char **field)
{
	check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, number(field[2]), &plan.program),
		"seccomp", field[1]);
}

static void do_gate(char **field)
{
	char byte;

	if (gate < 0)
		return;
	check(write(ready, "", 1), "write", "ready");
	check(read(gate, &byte, 1), "read", field[0]);
}

/* write PATH VALUE */
static void do_write(char **field)
{
	int fd = (int)check(open(field[1], O_WRONLY | O_CLOEXEC), "open", field[1]);

	check(write(fd, field[2], strlen(field[2])), "write", field[1]);
	close(fd);
}

static void do_line(char **field)
{
	const char *name = field[0];

	if (strcmp(name, "mount") == 0)
		do_mount(field);
	else if (strcmp(name, "bind") == 0)
		do_bind(field);
	else if (strcmp(name, "directory") == 0)
		mkdir(field[1], 0755);
	else if (strcmp(name, "node") == 0)
		do_node(field);
	else if (strcmp(name, "link") == 0)
		check(symlink(field[1], field[2]), "symlink", field[2]);
	else if (strcmp(name, "change") == 0)
		check(mount(NULL, field[1], NULL, number(field[2]), NULL), "mount", field[1]);
	else if (strcmp(name, "write") == 0)
		do_write(field);
	else if (strcmp(name, "cgroup-namespace") == 0)
		do_cgroup_namespace(field);
	else if (strcmp(name, "loopback") == 0)
		do_loopback(field);
	else if (strcmp(name, "keyring") == 0)
		do_keyring(field);
	else if (strcmp(name, "pivot") == 0)
		do_pivot(field);
	else if (strcmp(name, "hostname") == 0)
		check(sethostname(field[1], strlen(field[1])), "sethostname", field[1]);
	else if (strcmp(name, "rlimit") == 0)
		do_rlimit(field);
	else if (strcmp(name, "caps") == 0)
		do_caps(field);
	else if (strcmp(name, "seccomp") == 0)
		do_seccomp(field);
	else if (strcmp(name, "gate") == 0)
		do_gate(field);
}

static void split(char *line, char **field)
{
	static char empty[] = "";
	size_t count = 0;
	char *next;

	for (size_t i = 0; i < FIELDS_MAX; i++)
		field[i] = empty;
	for (; line != NULL && count < FIELDS_MAX; line = next, count++) {
		next = strchr(line, '\t');
		if (next != NULL)
			*next++ = '\0';
		field[count] = line;
	}
}

static bool is_exec_line(const char *name)
{
	return strcmp(name, "rlimit") == 0 || strcmp(name, "caps") == 0 ||
		strcmp(name, "seccomp") == 0;
}

/* What the caller's side needs is read before the clone; the rest is left for execute_plan(). */
static void load_plan(const char *path)
{
	char copy[sizeof(plan.text)], *field[FIELDS_MAX], *line, *next;
	size_t length = read_file(path, plan.text, sizeof(plan.text) - 1);

	memcpy(copy, plan.text, length + 1);
	for (line = copy; *line != '\0'; line = next) {
		next = strchrnul(line, '\n');
		if (*next != '\0')
			*next++ = '\0';
		split(line, field);
		if (strcmp(field[0], "namespaces") == 0) {
			plan.clone_flags = number(field[1]);
			plan.join_flags = (int)number(field[2]);
		} else if (strcmp(field[0], "seccomp") == 0) {
			length = read_file(field[1], plan.filter, sizeof(plan.filter));
			plan.program.len = (unsigned short)(length / sizeof(*plan.filter));
		}
	}
	plan.program.filter = plan.filter;
}

static _Noreturn void execute_plan(bool exec)
{
	char *field[FIELDS_MAX], *line, *next;

	check(setsid(), "setsid", "");
	umask(0);
	for (line = plan.text; *line != '\0'; line = next) {
		next = strchrnul(line, '\n');
		if (*next != '\0')
			*next++ = '\0';
		split(line, field);
		if (strcmp(field[0], "argument") == 0)
			add(plan.arguments, field[1]);
		else if (strcmp(field[0], "environment") == 0)
			add(plan.environment, field[1]);
		else if (!exec || is_exec_line(field[0]))
			do_line(field);
	}
	umask(022);
	check(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC), "close_range", "3-");
	if (plan.arguments[0] == NULL)
		fail("execute", "nothing");
	execve(plan.arguments[0], plan.arguments, plan.environment);
	fail("execve", plan.arguments[0]);
}

static pid_t clone_into(int cgroup, unsigned long namespaces)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | namespaces,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};

	return (pid_t)check(syscall(SYS_clone3, &args, sizeof(args)), "clone3", "");
}

static int wait_for(pid_t pid)
{
	int status;

	check(waitpid(pid, &status, 0), "waitpid", "");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_cgroup(const char *path)
{
	return (int)check(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", path);
}

/* A process leaves its cgroup before its parent hears of it, but threads of the kernel may lag. */
static void remove_cgroup(const char *path)
{
	while (rmdir(path) < 0)
		if (errno != EBUSY)
			fail("rmdir", path);
}

static int command_run(const char *cgroup)
{
	pid_t pid;
	int status;

	check(mkdir(cgroup, 0755), "mkdir", cgroup);
	pid = clone_into(open_cgroup(cgroup), plan.clone_flags);
	if (pid == 0)
		execute_plan(false);
	status = wait_for(pid);
	remove_cgroup(cgroup);
	return status;
}

static void write_pid(pid_t pid)
{
	char digits[16], *text = digits + sizeof(digits);
	int fd = (int)check(open("pid", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), "open", "pid");

	for (; pid > 0; pid /= 10)
		*--text = (char)('0' + pid % 10);
	check(write(fd, text, (size_t)(digits + sizeof(digits) - text)), "write", "pid");
	close(fd);
}

static pid_t read_pid(void)
{
	char text[16];

	text[read_file("pid", text, sizeof(text) - 1)] = '\0';
	return (pid_t)number(text);
}

static int command_create(const char *state, const char *cgroup)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	check(mkdir(state, 0700), "mkdir", state);
	check(mkdir(cgroup, 0755), "mkdir", cgroup);
	check(chdir(state), "chdir", state);
	check(mkfifo("gate", 0600), "mkfifo", "gate");
	gate = (int)check(open("gate", O_RDWR | O_CLOEXEC), "open", "gate");
	check(pipe2(pipe_fds, O_CLOEXEC), "pipe", "");
	ready = pipe_fds[1];
	pid = clone_into(open_cgroup(cgroup), plan.clone_flags);
	if (pid == 0)
		execute_plan(false);
	write_pid(pid);
	close(ready);
	return read(pipe_fds[0], &byte, 1) == 1 ? 0 : 125;
}

static int command_start(const char *state)
{
	int fd;

	check(chdir(state), "chdir", state);
	fd = (int)check(open("gate", O_WRONLY | O_CLOEXEC), "open", "gate");
	check(write(fd, "", 1), "write", "gate");
	return 0;
}

static int command_delete(const char *state, const char *cgroup)
{
	check(chdir(state), "chdir", state);
	remove_cgroup(cgroup);
	check(unlink("gate"), "unlink", "gate");
	check(unlink("pid"), "unlink", "pid");
	check(rmdir(state), "rmdir", state);
	return 0;
}

static int command_exec(const char *state, const char *cgroup)
{
	int fd = open_cgroup(cgroup), pidfd;
	pid_t pid;

	check(chdir(state), "chdir", state);
	pidfd = (int)check(syscall(SYS_pidfd_open, read_pid(), 0), "pidfd_open", state);
	check(setns(pidfd, plan.join_flags), "setns", state);
	pid = clone_into(fd, 0);
	if (pid == 0)
		execute_plan(true);
	return wait_for(pid);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 125;
	load_plan(argv[2]);
	if (strcmp(argv[1], "run") == 0)
		return command_run(argv[4]);
	if (strcmp(argv[1], "create") == 0)
		return command_create(argv[3], argv[4]);
	if (strcmp(argv[1], "start") == 0)
		return command_start(argv[3]);
	if (strcmp(argv[1], "delete") == 0)
		return command_delete(argv[3], argv[4]);
	if (strcmp(argv[1], "exec") == 0)
		return command_exec(argv[3], argv[4]);
	return 125;
}
