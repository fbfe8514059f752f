/* SPDX-License-Identifier: Apache-2.0 */
/* What this build can do, in the form of features.md: independent of the host but for the kernel's
 * own limits. */
#include "cmd/cli.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/names.h"
#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/ns/mount_options.h"

static const char *const hooks[] = { "prestart", "createRuntime", "createContainer",
	"startContainer", "poststart", "poststop", NULL };

static const char *const unsafe_annotations[] = { "org.systemd.property.", NULL };

static void write_list(struct json_writer *writer, const char *key, const char *const *strings)
{
	json_write_array_member(writer, key);
	for (; *strings != NULL; strings++)
		json_write_string(writer, *strings);
	json_write_end(writer);
}

static void write_names(struct json_writer *writer, const char *key, const struct name_value *names)
{
	json_write_array_member(writer, key);
	for (; names->name != NULL; names++)
		json_write_string(writer, names->name);
	json_write_end(writer);
}

static void write_enabled(struct json_writer *writer, const char *key)
{
	json_write_object_member(writer, key);
	json_write_bool_member(writer, "enabled", true);
	json_write_end(writer);
}

/* Those that the kernel knows: it counts them, the specification names them. */
static void write_capabilities(struct json_writer *writer)
{
	json_write_array_member(writer, "capabilities");
	for (const struct name_value *name = capability_names; name->name != NULL; name++) {
		if (cap_get_bound((cap_value_t)name->value) >= 0)
			json_write_string(writer, name->name);
	}
	json_write_end(writer);
}

/* seccomp(2): a known flag gets as far as the missing program, an unknown one does not. */
static void write_supported_flags(struct json_writer *writer)
{
	json_write_array_member(writer, "supportedFlags");
	for (const struct name_value *flag = seccomp_flag_names; flag->name != NULL; flag++) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag->value, NULL) < 0 &&
			errno == EFAULT)
			json_write_string(writer, flag->name);
	}
	json_write_end(writer);
}

static void write_seccomp(struct json_writer *writer)
{
	json_write_object_member(writer, "seccomp");
	json_write_bool_member(writer, "enabled", true);
	write_names(writer, "actions", seccomp_action_names);
	write_names(writer, "operators", seccomp_operator_names);
	write_names(writer, "archs", seccomp_architecture_names);
	write_names(writer, "knownFlags", seccomp_flag_names);
	write_supported_flags(writer);
	json_write_end(writer);
}

static void write_cgroup(struct json_writer *writer)
{
	json_write_object_member(writer, "cgroup");
	json_write_bool_member(writer, "v1", false);
	json_write_bool_member(writer, "v2", true);
	json_write_bool_member(writer, "systemd", true);
	json_write_bool_member(writer, "systemdUser", true);
	json_write_bool_member(writer, "rdma", true);
	json_write_end(writer);
}

static void write_linux(struct json_writer *writer)
{
	json_write_object_member(writer, "linux");
	write_names(writer, "namespaces", namespace_names);
	write_capabilities(writer);
	write_cgroup(writer);
	write_seccomp(writer);
	write_enabled(writer, "apparmor");
	write_enabled(writer, "selinux");
	json_write_object_member(writer, "intelRdt");
	json_write_bool_member(writer, "enabled", true);
	json_write_bool_member(writer, "schemata", true);
	json_write_bool_member(writer, "monitoring", true);
	json_write_end(writer);
	json_write_object_member(writer, "memoryPolicy");
	write_names(writer, "modes", memory_policy_mode_names);
	write_names(writer, "flags", memory_policy_flag_names);
	json_write_end(writer);
	json_write_object_member(writer, "mountExtensions");
	write_enabled(writer, "idmap");
	json_write_end(writer);
	write_enabled(writer, "netDevices");
	json_write_end(writer);
}

static void write_annotations(struct json_writer *writer)
{
	const struct scmp_version *library = seccomp_version();
	char version[32];

	snprintf(version, sizeof(version), "%u.%u.%u", library->major, library->minor,
		library->micro);
	json_write_object_member(writer, "annotations");
	json_write_string_member(writer, "io.github.seccomp.libseccomp.version", version);
	json_write_string_member(writer, "org.opencontainers.runc.checkpoint.enabled", "false");
	json_write_string_member(writer, "caisson.version", cli_version);
	json_write_string_member(writer, "caisson.commit", cli_commit);
	json_write_string_member(writer, "caisson.isolations", "namespace,vm");
	json_write_end(writer);
}

static int run_features(struct cli *cli, int argc, char **argv)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	struct error err = ERROR_INIT;
	int status;

	(void)cli;
	if (cli_parse(&command_features, NULL, 0, argc, argv, 0, 0, &status) < 0)
		return status;
	if (json_writer_open(&writer, true, &err) < 0)
		return cli_fail(&err);
	json_write_object(&writer);
	json_write_string_member(&writer, "ociVersionMin", "1.0.0");
	json_write_string_member(&writer, "ociVersionMax", OCI_VERSION);
	write_list(&writer, "hooks", hooks);
	write_list(&writer, "mountOptions", mount_options_known());
	write_linux(&writer);
	write_annotations(&writer);
	write_list(&writer, "potentiallyUnsafeConfigAnnotations", unsafe_annotations);
	json_write_end(&writer);
	return cli_print_json(&writer);
}

const struct command command_features = {
	.name = "features",
	.arguments = "",
	.summary = "show what this runtime supports, as JSON",
	.run = run_features,
};
