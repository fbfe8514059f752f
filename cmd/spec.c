/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a config.json to begin with, that runs as it is on a root file system with a shell. */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json_write.h"

static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
	NULL };

static const char *const masked_paths[] = { "/proc/acpi", "/proc/asound", "/proc/kcore",
	"/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
	"/proc/sched_debug", "/sys/firmware", "/proc/scsi", NULL };

static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	"/proc/sysrq-trigger", NULL };

enum variant { BOTH, ROOT, ROOTLESS };

static const struct {
	enum variant variant;
	const char *destination, *type, *source, *options[10];
} mounts[] = {
	{ BOTH, "/proc", "proc", "proc", { NULL } },
	{ BOTH, "/dev", "tmpfs", "tmpfs",
		{ "nosuid", "strictatime", "mode=755", "size=65536k", NULL } },
	{ ROOT, "/dev/pts", "devpts", "devpts",
		{ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
			NULL } },
	{ ROOTLESS, "/dev/pts", "devpts", "devpts",
		{ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", NULL } },
	{ BOTH, "/dev/shm", "tmpfs", "shm",
		{ "nosuid", "noexec", "nodev", "mode=1777", "size=65536k", NULL } },
	{ BOTH, "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev", NULL } },
	{ ROOT, "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro", NULL } },
	{ ROOTLESS, "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro", NULL } },
	{ BOTH, "/sys/fs/cgroup", "cgroup", "cgroup",
		{ "nosuid", "noexec", "nodev", "relatime", "ro", NULL } },
};

static const struct {
	enum variant variant;
	const char *type;
} namespaces[] = {
	{ BOTH, "pid" },
	{ ROOT, "network" },
	{ BOTH, "ipc" },
	{ BOTH, "uts" },
	{ BOTH, "mount" },
	{ BOTH, "cgroup" },
	{ ROOTLESS, "user" },
};

static void write_strings(struct json_writer *writer, const char *key, const char *const *strings)
{
	json_write_array_member(writer, key);
	for (; *strings != NULL; strings++)
		json_write_string(writer, *strings);
	json_write_end(writer);
}

static void write_process(struct json_writer *writer)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	json_write_object_member(writer, "process");
	json_write_bool_member(writer, "terminal", true);
	json_write_object_member(writer, "user");
	json_write_int_member(writer, "uid", 0);
	json_write_int_member(writer, "gid", 0);
	json_write_end(writer);
	write_strings(writer, "args", (const char *const[]){ "sh", NULL });
	write_strings(writer, "env",
		(const char *const[]){
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm", NULL });
	json_write_string_member(writer, "cwd", "/");
	json_write_object_member(writer, "capabilities");
	for (size_t i = 0; i < CLI_COUNT(sets); i++)
		write_strings(writer, sets[i], capabilities);
	json_write_end(writer);
	json_write_array_member(writer, "rlimits");
	json_write_object(writer);
	json_write_string_member(writer, "type", "RLIMIT_NOFILE");
	json_write_int_member(writer, "hard", 1024);
	json_write_int_member(writer, "soft", 1024);
	json_write_end(writer);
	json_write_end(writer);
	json_write_bool_member(writer, "noNewPrivileges", true);
	json_write_end(writer);
}

static void write_mounts(struct json_writer *writer, enum variant variant)
{
	json_write_array_member(writer, "mounts");
	for (size_t i = 0; i < CLI_COUNT(mounts); i++) {
		if (mounts[i].variant != BOTH && mounts[i].variant != variant)
			continue;
		json_write_object(writer);
		json_write_string_member(writer, "destination", mounts[i].destination);
		json_write_string_member(writer, "type", mounts[i].type);
		json_write_string_member(writer, "source", mounts[i].source);
		if (mounts[i].options[0] != NULL)
			write_strings(writer, "options", mounts[i].options);
		json_write_end(writer);
	}
	json_write_end(writer);
}

static void write_mapping(struct json_writer *writer, const char *key, unsigned int host_id)
{
	json_write_array_member(writer, key);
	json_write_object(writer);
	json_write_int_member(writer, "containerID", 0);
	json_write_int_member(writer, "hostID", host_id);
	json_write_int_member(writer, "size", 1);
	json_write_end(writer);
	json_write_end(writer);
}

static void write_linux(struct json_writer *writer, enum variant variant)
{
	json_write_object_member(writer, "linux");
	if (variant == ROOTLESS) {
		write_mapping(writer, "uidMappings", geteuid());
		write_mapping(writer, "gidMappings", getegid());
	} else {
		json_write_object_member(writer, "resources");
		json_write_array_member(writer, "devices");
		json_write_object(writer);
		json_write_bool_member(writer, "allow", false);
		json_write_string_member(writer, "access", "rwm");
		json_write_end(writer);
		json_write_end(writer);
		json_write_end(writer);
	}
	json_write_array_member(writer, "namespaces");
	for (size_t i = 0; i < CLI_COUNT(namespaces); i++) {
		if (namespaces[i].variant != BOTH && namespaces[i].variant != variant)
			continue;
		json_write_object(writer);
		json_write_string_member(writer, "type", namespaces[i].type);
		json_write_end(writer);
	}
	json_write_end(writer);
	write_strings(writer, "maskedPaths", masked_paths);
	write_strings(writer, "readonlyPaths", readonly_paths);
	json_write_end(writer);
}

static void write_config(struct json_writer *writer, enum variant variant)
{
	json_write_object(writer);
	json_write_string_member(writer, "ociVersion", OCI_VERSION);
	write_process(writer);
	json_write_object_member(writer, "root");
	json_write_string_member(writer, "path", "rootfs");
	json_write_bool_member(writer, "readonly", true);
	json_write_end(writer);
	json_write_string_member(writer, "hostname", "caisson");
	write_mounts(writer, variant);
	write_linux(writer, variant);
	json_write_end(writer);
}

/* Never over a config.json that is there: it may be the work of an afternoon. */
static int save(const char *bundle, const char *text, size_t length, struct error *err)
{
	_cleanup_close_ int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return error_set(err, errno, "--bundle %s", bundle);
	_cleanup_close_ int fd = openat(
		dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno == EEXIST)
		return error_say(err, EEXIST,
			"%s/config.json exists: remove it, or choose another --bundle", bundle);
	if (fd < 0)
		return error_set(err, errno, "create %s/config.json", bundle);
	int status = write_all(fd, text, length);
	return status < 0 ? error_set(err, -status, "write %s/config.json", bundle) : 0;
}

static int run_spec(struct cli *cli, int argc, char **argv)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *bundle = ".";
	bool rootless = false;
	const struct cli_option options[] = {
		{ "bundle", 'b', "DIR", "where to write it (default: the working directory)",
			CLI_STRING, &bundle },
		{ "rootless", 0, NULL, "for an ordinary user", CLI_FLAG, &rootless },
	};
	struct error err = ERROR_INIT;
	const char *text;
	size_t length;
	int status;

	(void)cli;
	if (cli_parse(&command_spec, options, CLI_COUNT(options), argc, argv, 0, 0, &status) < 0)
		return status;
	if (json_writer_open(&writer, true, &err) < 0)
		return cli_fail(&err);
	write_config(&writer, rootless ? ROOTLESS : ROOT);
	if (json_writer_text(&writer, &text, &length, &err) < 0 ||
		save(bundle, text, length, &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_spec = {
	.name = "spec",
	.arguments = "[options]",
	.summary = "write a config.json to begin with",
	.run = run_spec,
};
