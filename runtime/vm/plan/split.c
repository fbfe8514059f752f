/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/plan/split.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "agent/image.h"
#include "agent/system.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/json_copy.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/ns/mount_options.h"
#include "runtime/vm/plan/split_resources.h"

/* Members that only the host acts on: they do not reach the guest. */
static const char *const host_members[] = { "root", "mounts", "hooks", "linux", "process", "vm",
	NULL };
static const char *const host_linux[] = { "uidMappings", "gidMappings", "cgroupsPath", "seccomp",
	"intelRdt", "netDevices", "memoryPolicy", "mountLabel", "rootfsPropagation", "namespaces",
	"resources", NULL };
static const char *const host_process[] = { "apparmorProfile", "selinuxLabel", "execCPUAffinity",
	NULL };
/* Options of a bind mount that the host has applied to the export already. */
static const char *const host_options[] = { "idmap", "ridmap", NULL };

static bool is_in(const char *const *list, const char *text)
{
	for (; *list != NULL; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

/* The members of an object but those that the list names. */
static void write_members(
	struct json_writer *writer, const struct json_value *object, const char *const *without)
{
	for (uint32_t i = 0; object != NULL && i < object->count; i++) {
		if (is_in(without, object->members[i].key))
			continue;
		json_write_key(writer, object->members[i].key);
		json_write_value(writer, &object->members[i].value);
	}
}

/* ---- mounts
 * -------------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* What is behind these paths on the host is the host's kernel: the guest has one of its own. */
static const char *kernel_file_system(const char *source)
{
	if (is_below(source, "/proc"))
		return "proc";
	if (is_below(source, "/sys"))
		return "sysfs";
	return NULL;
}

static int check_mount(const struct oci_mount *mount, size_t index,
	const struct mount_options *options, struct error *err)
{
	const char *fs = mount->source != NULL ? kernel_file_system(mount->source) : NULL;

	if (fs != NULL && strcmp(mount->source, "/sys") != 0 && strcmp(mount->source, "/proc") != 0)
		return error_say(err, ENOTSUP,
			"mounts[%zu] (%s): %s is a part of the host's %s, which a virtual machine "
			"does not see: drop the mount, or use --isolation namespace",
			index, mount->destination, mount->source, fs);
	for (size_t i = 0; i < options->n_propagations; i++) {
		if (options->propagation[i].type == MS_SHARED)
			return error_say(err, ENOTSUP,
				"mounts[%zu] (%s): shared propagation does not reach out of a "
				"virtual machine: use rprivate or rslave",
				index, mount->destination);
	}
	return 0;
}

static int add_export(struct vm_split *split, size_t mount, bool read_only, struct error *err)
{
	struct vm_export *larger = realloc(
		split->exports, (split->n_exports + 1) * sizeof(*larger));

	if (larger == NULL)
		return error_set(err, ENOMEM, "list the exports");
	split->exports = larger;
	struct vm_export *export = &larger[split->n_exports++];
	*export = (struct vm_export){ .mount = mount, .read_only = read_only };
	if (mount == VM_EXPORT_ROOT)
		snprintf(export->name, sizeof(export->name), "root");
	else
		snprintf(export->name, sizeof(export->name), "%zu", mount);
	return 0;
}

static void write_options(struct json_writer *writer, const struct json_value *options)
{
	json_write_array_member(writer, "options");
	for (uint32_t i = 0; options != NULL && i < options->count; i++) {
		const char *option = json_string(&options->items[i]);

		if (option != NULL && !is_in(host_options, option))
			json_write_string(writer, option);
	}
	json_write_end(writer);
}

/* A bind mount in the guest: of an export, or of a kernel file system of the guest's own. */
static void write_bind(struct json_writer *writer, const struct oci_mount *mount,
	const struct json_value *json, const struct vm_export *export)
{
	const char *fs = kernel_file_system(mount->source);
	char source[sizeof(AGENT_EXPORTS) + sizeof(export->name)];

	json_write_object(writer);
	json_write_string_member(writer, "destination", mount->destination);
	if (fs != NULL) {
		static const char *const options[] = { "nosuid", "noexec", "nodev", "ro" };

		json_write_string_member(writer, "type", fs);
		json_write_string_member(writer, "source", fs);
		json_write_array_member(writer, "options");
		for (size_t i = 0; i < (strcmp(fs, "proc") == 0 ? 3 : 4); i++)
			json_write_string(writer, options[i]);
		json_write_end(writer);
	} else {
		snprintf(source, sizeof(source), AGENT_EXPORTS "/%s", export->name);
		json_write_string_member(writer, "type", "bind");
		json_write_string_member(writer, "source", source);
		write_options(writer, json_get(json, "options"));
	}
	json_write_end(writer);
}

static int split_mount(struct json_writer *writer, const struct oci_mount *mount, size_t index,
	const struct json_value *json, struct vm_split *split, struct error *err)
{
	_cleanup_(mount_options_free) struct mount_options options = { 0 };
	int status = mount_options_parse(mount->options.items, mount->options.count, &options, err);

	if (status < 0)
		return error_prefix(err, "mounts[%zu] (%s)", index, mount->destination);
	status = check_mount(mount, index, &options, err);
	if (status < 0)
		return status;
	if (!options.bind || mount->source == NULL) {
		json_write_value(writer, json);
		return 0;
	}
	if (kernel_file_system(mount->source) == NULL)
		status = add_export(split, index, mount_options_flags(&options) & MS_RDONLY, err);
	if (status == 0)
		write_bind(writer, mount, json, &split->exports[split->n_exports - 1]);
	return status;
}

static int split_mounts(struct json_writer *writer, const struct oci_config *config,
	const struct json_value *mounts, struct vm_split *split, struct error *err)
{
	int status = 0;

	json_write_array_member(writer, "mounts");
	for (size_t i = 0; status == 0 && i < config->n_mounts; i++)
		status = split_mount(writer, &config->mounts[i], i, &mounts->items[i], split, err);
	json_write_end(writer);
	return status;
}

/* ---- linux, process, hooks ---------------------------------------------------------------------
 */

static const struct {
	enum oci_namespace_type type;
	const char *name;
	const char *join; /* why it cannot be joined; NULL: the guest makes its own in its place */
} guest_namespaces[] = {
	{ OCI_NAMESPACE_PID, "pid", "processes of another container run under another kernel" },
	{ OCI_NAMESPACE_IPC, "ipc", NULL },
	{ OCI_NAMESPACE_UTS, "uts", NULL },
	{ OCI_NAMESPACE_MOUNT, "mount", "mounts of another container are another kernel's" },
	{ OCI_NAMESPACE_CGROUP, "cgroup", NULL },
	{ OCI_NAMESPACE_TIME, "time", "clocks of another container are another kernel's" },
};

/*
 * The interfaces of the host's network namespace re-appear in the guest's own, which is its first
 * process's. Ids of a user namespace are translated by the host's file server: the guest maps none.
 * A mount namespace there always is.
 */
static int split_namespaces(
	struct json_writer *writer, const struct oci_linux *linux, struct error *err)
{
	if (!linux->namespaces[OCI_NAMESPACE_NETWORK].set)
		return error_say(err, ENOTSUP,
			"linux.namespaces: a virtual machine cannot use the host's network: add a "
			"network namespace, or use --isolation namespace");
	json_write_array_member(writer, "namespaces");
	json_write_object(writer);
	json_write_string_member(writer, "type", "network");
	json_write_string_member(writer, "path", "/proc/1/ns/net");
	json_write_end(writer);
	for (size_t i = 0; i < sizeof(guest_namespaces) / sizeof(*guest_namespaces); i++) {
		const struct oci_namespace *wanted = &linux->namespaces[guest_namespaces[i].type];

		if (wanted->set && wanted->path != NULL && guest_namespaces[i].join != NULL)
			return error_say(err, ENOTSUP,
				"linux.namespaces: cannot join the %s namespace %s from a virtual "
				"machine: %s",
				guest_namespaces[i].name, wanted->path, guest_namespaces[i].join);
		if (!wanted->set && guest_namespaces[i].type != OCI_NAMESPACE_MOUNT)
			continue;
		json_write_object(writer);
		json_write_string_member(writer, "type", guest_namespaces[i].name);
		json_write_end(writer);
	}
	json_write_end(writer);
	return 0;
}

static void split_cpu(struct json_writer *writer, const struct json_value *cpu)
{
	static const char *const without[] = { "cpus", "mems", NULL };

	if (cpu == NULL || cpu->type != JSON_OBJECT)
		return;
	json_write_object_member(writer, "cpu");
	write_members(writer, cpu, without);
	json_write_end(writer);
}

static void split_unified(struct json_writer *writer, const struct json_value *unified)
{
	if (unified == NULL || unified->type != JSON_OBJECT)
		return;
	json_write_object_member(writer, "unified");
	for (uint32_t i = 0; i < unified->count; i++) {
		if (!vm_split_unified_is_guests(unified->members[i].key))
			continue;
		json_write_key(writer, unified->members[i].key);
		json_write_value(writer, &unified->members[i].value);
	}
	json_write_end(writer);
}

static int check_linux(const struct oci_linux *linux, struct error *err)
{
	for (size_t i = 0; i < linux->seccomp.n_syscalls; i++) {
		if (strcmp(linux->seccomp.syscalls[i].action, "SCMP_ACT_NOTIFY") == 0)
			return error_say(err, ENOTSUP,
				"linux.seccomp.syscalls[%zu].action: SCMP_ACT_NOTIFY: a listener "
				"on the host cannot answer for a guest's kernel",
				i);
	}
	for (size_t i = 0; i < linux->sysctl.count; i++) {
		if (strncmp(linux->sysctl.items[i].key, "user", 4) == 0)
			return error_say(err, ENOTSUP,
				"linux.sysctl.%s: a virtual machine's container has no user "
				"namespace "
				"of its own in the guest: remove it, or use --isolation namespace",
				linux->sysctl.items[i].key);
	}
	return 0;
}

static int split_linux(struct json_writer *writer, const struct oci_config *config,
	const struct json_value *linux, struct error *err)
{
	static const char *const apart[] = { "blockIO", "hugepageLimits", "rdma", "network",
		"unified", "cpu", NULL };
	const struct json_value *resources = json_get(linux, "resources");
	int status = check_linux(&config->linux, err);

	if (status < 0)
		return status;
	json_write_object_member(writer, "linux");
	write_members(writer, linux, host_linux);
	status = split_namespaces(writer, &config->linux, err);
	if (resources != NULL && resources->type == JSON_OBJECT) {
		json_write_object_member(writer, "resources");
		write_members(writer, resources, apart);
		split_cpu(writer, json_get(resources, "cpu"));
		split_unified(writer, json_get(resources, "unified"));
		json_write_end(writer);
	}
	json_write_end(writer);
	return status;
}

static int check_id(const struct oci_id_mappings *mappings, uint32_t id, const char *what,
	const char *where, struct error *err)
{
	for (size_t i = 0; i < mappings->count; i++) {
		if (id >= mappings->items[i].container_id &&
			id - mappings->items[i].container_id < mappings->items[i].size)
			return 0;
	}
	/* A joined namespace has mappings that are its owner's to know. */
	if (mappings->count == 0)
		return 0;
	return error_say(
		err, EINVAL, "process.user.%s: %u has no mapping in linux.%s", what, id, where);
}

int vm_check_user(const struct oci_linux *linux, const struct oci_user *user, struct error *err)
{
	int status = check_id(&linux->uid_mappings, user->uid, "uid", "uidMappings", err);

	if (status == 0)
		status = check_id(&linux->gid_mappings, user->gid, "gid", "gidMappings", err);
	for (size_t i = 0; status == 0 && i < user->n_additional_gids; i++)
		status = check_id(&linux->gid_mappings, user->additional_gids[i], "additionalGids",
			"gidMappings", err);
	return status;
}

static void warn_of_ignored(const struct oci_process *process)
{
	if (process->exec_cpu_affinity.initial != NULL || process->exec_cpu_affinity.final != NULL)
		log_warning("process.execCPUAffinity is not applied: the guest has processors of "
			    "its own");
}

static void split_process(struct json_writer *writer, const struct json_value *process)
{
	json_write_object_member(writer, "process");
	write_members(writer, process, host_process);
	json_write_end(writer);
}

/* Of the hooks only startContainer runs in the container (runtime.md, "Lifecycle"). */
static void split_hooks(struct json_writer *writer, const struct json_value *hooks)
{
	const struct json_value *start = json_get(hooks, "startContainer");

	if (start == NULL)
		return;
	json_write_object_member(writer, "hooks");
	json_write_key(writer, "startContainer");
	json_write_value(writer, start);
	json_write_end(writer);
}

static void split_root(struct json_writer *writer, const struct oci_config *config, bool image)
{
	json_write_object_member(writer, "root");
	json_write_string_member(writer, "path", image ? AGENT_IMAGE_ROOT : AGENT_EXPORTS "/root");
	json_write_bool_member(writer, "readonly", config->root.readonly);
	json_write_end(writer);
}

static int write_guest_config(struct json_writer *writer, const struct oci_config *config,
	const struct json_value *document, bool image_root, struct vm_split *split,
	struct error *err)
{
	int status = vm_check_user(&config->linux, &config->process.user, err);

	if (status == 0 && !image_root)
		status = add_export(split, VM_EXPORT_ROOT, config->root.readonly, err);
	if (status < 0)
		return status;
	json_write_object(writer);
	write_members(writer, document, host_members);
	split_root(writer, config, image_root);
	warn_of_ignored(&config->process);
	split_process(writer, json_get(document, "process"));
	split_hooks(writer, json_get(document, "hooks"));
	status = split_mounts(writer, config, json_get(document, "mounts"), split, err);
	if (status == 0)
		status = split_linux(writer, config, json_get(document, "linux"), err);
	json_write_end(writer);
	return status;
}

int vm_split(const char *text, size_t length, const struct oci_config *config, bool image_root,
	struct vm_split *ret, struct error *err)
{
	_cleanup_(arena_free) struct arena arena = { 0 };
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	struct vm_split split = { 0 };
	struct json_value document;
	int status = json_parse(text, length, &arena, &document, err);

	if (status == 0)
		status = json_writer_open(&writer, false, err);
	if (status == 0)
		status = write_guest_config(&writer, config, &document, image_root, &split, err);
	if (status == 0)
		status = json_writer_copy(&writer, &split.guest_config, err);
	if (status < 0) {
		vm_split_free(&split);
		return status;
	}
	*ret = split;
	return 0;
}

void vm_split_free(struct vm_split *split)
{
	free(split->guest_config);
	free(split->exports);
	*split = (struct vm_split){ 0 };
}
