/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/mount_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <linux/magic.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/bind_source.h"
#include "runtime/ns/cgroup_mount.h"
#include "runtime/ns/host_access.h"
#include "runtime/ns/idmap.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/mount_rules.h"
#include "runtime/ns/mount_target.h"
#include "runtime/ns/path.h"
#include "runtime/ns/rootfs.h"
#include "runtime/ns/tmpcopyup.h"

static int prefix_error(struct error *err, const struct mount_plan *plan)
{
	if (plan->index == SIZE_MAX)
		return error_prefix(err, "mount of %s", plan->mount->destination);
	return error_prefix(err, "mounts[%zu] (%s)", plan->index, plan->mount->destination);
}

static bool has_type(const struct mount_plan *plan, const char *type)
{
	return plan->mount->type != NULL && strcmp(plan->mount->type, type) == 0;
}

static bool is_cgroup(const struct mount_plan *plan)
{
	return has_type(plan, "cgroup") || has_type(plan, "cgroup2");
}

/* ---- caller's side ----------------------------------------------------------------------------
 */

static int check(struct mount_plan *plan, struct error *err)
{
	const struct oci_mount *mount = plan->mount;
	struct mount_options *options = &plan->options;

	if (has_type(plan, "bind"))
		options->bind = true;
	if (options->bind && mount->source == NULL)
		return error_say(err, EINVAL, "a bind mount needs a source");
	if (!options->bind && !options->remount && mount->type == NULL)
		return error_say(err, EINVAL,
			"type is missing: name a file system type, or the option bind or rbind");
	if (options->tmpcopyup && !has_type(plan, "tmpfs"))
		return error_say(err, EINVAL, "tmpcopyup needs the type tmpfs");
	if (!options->bind &&
		(mount->uid_mappings.count > 0 || mount->gid_mappings.count > 0 ||
			options->idmap != MOUNT_IDMAP_NONE))
		return error_say(err, EINVAL, "an idmapped mount must be a bind mount");
	if (options->bind && options->n_data > 0)
		log_warning("mounts[%zu] (%s): a bind mount has no option %s: ignored", plan->index,
			mount->destination, options->data[0]);
	return mount_rules_check(plan->destination, mount->type, options->bind, err);
}

static int make_source_path(
	const struct rootfs_options *options, struct mount_plan *plan, struct error *err)
{
	const char *source = plan->mount->source;
	int length = source[0] == '/' ? asprintf(&plan->source, "%s", source)
				      : asprintf(&plan->source, "%s/%s", options->bundle, source);

	if (length < 0) {
		plan->source = NULL;
		error_set(err, ENOMEM, "source");
		return -ENOMEM;
	}
	return 0;
}

static int open_container_namespace(const struct oci_linux *linux, struct error *err)
{
	const struct oci_namespace *user = &linux->namespaces[OCI_NAMESPACE_USER];
	int fd;

	if (user->path == NULL)
		return idmap_open(&linux->uid_mappings, &linux->gid_mappings, err);
	fd = open(user->path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the user namespace %s", user->path) : fd;
}

/* The mount's own mappings count; else those in the option; else the container's. */
static int open_id_mappings(
	const struct rootfs_options *options, struct mount_plan *plan, struct error *err)
{
	const struct oci_linux *linux = &options->config->linux;
	const struct oci_mount *mount = plan->mount;
	struct oci_id_mappings uids = { 0 }, gids = { 0 };
	int fd;

	if (mount->uid_mappings.count > 0 || mount->gid_mappings.count > 0) {
		fd = idmap_open(&mount->uid_mappings, &mount->gid_mappings, err);
	} else if (plan->options.idmap_mappings != NULL) {
		fd = idmap_parse(plan->options.idmap_mappings, &linux->uid_mappings,
			&linux->gid_mappings, &uids, &gids, err);
		if (fd < 0)
			return fd;
		fd = idmap_open(&uids, &gids, err);
		free(uids.items);
		free(gids.items);
	} else if (plan->options.idmap != MOUNT_IDMAP_NONE) {
		if (linux->uid_mappings.count == 0 && !options->user_namespace)
			return error_say(err, EINVAL,
				"idmap needs a user namespace of the container, or uidMappings and "
				"gidMappings of the mount");
		fd = open_container_namespace(linux, err);
	} else {
		return 0;
	}
	if (fd < 0)
		return fd;
	plan->user_namespace = fd;
	return 0;
}

/* A source that is a link and is to be made anew: it has a target instead of a tree. */
static int read_copied_link(struct mount_plan *plan, struct error *err)
{
	char target[PATH_MAX];
	ssize_t length;

	if (!plan->options.copy_symlink)
		return 0;
	length = readlink(plan->source, target, sizeof(target));
	if (length < 0)
		return errno == EINVAL ? 0
				       : error_set(err, errno, "open the source %s", plan->source);
	plan->link = strndup(target, (size_t)length);
	return plan->link == NULL ? error_set(err, ENOMEM, "source") : 0;
}

static int prepare_bind(const struct rootfs_options *options, struct mount_plan *plan,
	unsigned long propagation, struct error *err)
{
	int r = make_source_path(options, plan, err);

	if (r >= 0)
		r = open_id_mappings(options, plan, err);
	if (r >= 0)
		r = read_copied_link(plan, err);
	if (r < 0 || options->rootless || plan->link != NULL)
		return r;
	/*
	 * What is exported is opened here: in a user namespace's copy of the host's mounts the
	 * kernel shows nothing that lies below one, and no time of access can be changed.
	 */
	if (options->user_namespace && !options->own_kernel && plan->user_namespace < 0 &&
		host_access_as_container_root(&options->config->linux, plan->source))
		return 0;
	r = bind_source_open(plan->source, &plan->options, propagation, plan->user_namespace,
		&plan->directory, err);
	/* Without rights over the host's mounts: the container's process opens it, in its copy. */
	if (r == -EPERM && plan->user_namespace < 0) {
		if (err != NULL)
			*err = ERROR_INIT;
		return 0;
	}
	if (r >= 0)
		plan->tree = r;
	return r < 0 ? r : 0;
}

/* What is to be exported is copied once more: unbindable are its mounts in the guest only. */
static void keep_bindable(struct mount_options *options)
{
	for (size_t i = 0; i < options->n_propagations; i++) {
		if (options->propagation[i].type == MS_UNBINDABLE)
			options->propagation[i].type = MS_PRIVATE;
	}
}

int mount_plan_prepare(const struct rootfs_options *options, const struct oci_mount *mount,
	size_t index, unsigned long propagation, struct mount_plan *ret, struct error *err)
{
	int r;

	*ret = (struct mount_plan){
		.mount = mount,
		.index = index,
		.tree = -EBADF,
		.procfs = -EBADF,
		.user_namespace = -EBADF,
	};
	r = mount_options_parse(mount->options.items, mount->options.count, &ret->options, err);
	if (r < 0)
		return prefix_error(err, ret);
	ret->destination = path_clean(mount->destination);
	if (ret->destination == NULL)
		return error_set(err, ENOMEM, "mounts");
	if (options->own_kernel)
		keep_bindable(&ret->options);
	r = check(ret, err);
	if (r >= 0 && ret->options.bind && !ret->options.remount)
		r = prepare_bind(options, ret, propagation, err);
	return r < 0 ? prefix_error(err, ret) : 0;
}

/* ---- container's side -------------------------------------------------------------------------
 */

static int execute_bind(struct mount_plan *plan, bool keep, int root, struct error *err)
{
	_cleanup_close_ int target = -EBADF;
	_cleanup_close_ int tree = take_fd(&plan->tree);
	bool made;

	if (plan->link != NULL)
		return mount_target_make_link(root, plan->destination, plan->link, err);
	if (tree < 0)
		tree = bind_source_open(plan->source, &plan->options, 0, plan->user_namespace,
			&plan->directory, err);
	if (tree < 0)
		return tree;
	target = mount_target_open(root, plan->destination, plan->directory,
		plan->options.destination_nofollow, &made, err);
	if (target < 0)
		return target;
	if (strcmp(plan->destination, "/proc") == 0) {
		struct statfs fs;

		if (fstatfs(tree, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
			return error_say(err, EPERM, "only a procfs may be bind-mounted on /proc");
	}
	int r = mount_attach(tree, target, err);
	if (r >= 0 && keep)
		plan->tree = take_fd(&tree);
	return r;
}

static int execute_remount(struct mount_plan *plan, int root, struct error *err)
{
	_cleanup_close_ int target = path_open_no_symlinks(root, plan->destination, O_PATH, err);

	if (target < 0)
		return target;
	if (plan->options.bind)
		return mount_apply_options(target, &plan->options, 0, -EBADF, true, err);
	return mount_classic(NULL, NULL, &plan->options, NULL, target, err);
}

/* Propagation and recursive attributes, which fsmount(2) and mount(2) do not take. */
static int apply_rest(int fd, const struct mount_options *options, struct error *err)
{
	struct mount_options rest = *options;

	rest.set = rest.clear = 0;
	return mount_apply_options(fd, &rest, 0, -EBADF, false, err);
}

static bool has_data(const struct mount_options *options, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < options->n_data; i++) {
		if (strncmp(options->data[i], key, length) == 0 && options->data[i][length] == '=')
			return true;
	}
	return false;
}

static void drop_data(struct mount_options *options, const char *key)
{
	size_t length = strlen(key), kept = 0;

	for (size_t i = 0; i < options->n_data; i++) {
		if (strncmp(options->data[i], key, length) != 0 || options->data[i][length] != '=')
			options->data[kept++] = options->data[i];
	}
	options->n_data = kept;
}

static const char *mount_label(const struct mount_plan *plan, const struct oci_linux *linux)
{
	static const char *const without[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };

	if (linux->mount_label == NULL || linux->mount_label[0] == '\0' ||
		has_data(&plan->options, "context"))
		return NULL;
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		if (has_type(plan, without[i]))
			return NULL;
	}
	return linux->mount_label;
}

/* Where a new instance is refused for want of a namespace of our own, the host's is shown. */
static int open_host_instance(
	const struct mount_plan *plan, const struct rootfs_options *options, struct error *err)
{
	struct mount_options bind = plan->options;
	const char *source = NULL;
	bool directory;

	if (has_type(plan, "sysfs")) {
		source = "/sys";
		bind.recursive_set |= bind.set | MOUNT_ATTR_RDONLY;
	} else if (has_type(plan, "mqueue")) {
		source = "/dev/mqueue";
	} else if (has_type(plan, "proc") &&
		!options->config->linux.namespaces[OCI_NAMESPACE_PID].set) {
		source = "/proc";
	}
	if (source == NULL)
		return -EPERM;
	log_debug("mounts[%zu] (%s): a new %s is refused here: the host's %s is bind-mounted",
		plan->index, plan->destination, plan->mount->type, source);
	if (err != NULL)
		*err = ERROR_INIT;
	bind.recursive_bind = true;
	return bind_source_open(source, &bind, 0, -EBADF, &directory, err);
}

/* Returns a detached mount, or -EOPNOTSUPP for mount_classic(). */
static int open_filesystem(struct mount_plan *plan, const struct rootfs_options *options,
	const struct mount_options *with, struct error *err)
{
	const struct oci_mount *mount = plan->mount;
	const char *label = mount_label(plan, &options->config->linux);
	int fd;

	if (is_cgroup(plan))
		return cgroup_mount_open(
			options->cgroup_namespace, options->cgroup_path, with, err);
	fd = mount_new_filesystem(mount->type, mount->source, with, label, err);
	if (fd == -EINVAL && has_type(plan, "devpts") && has_data(with, "gid")) {
		struct mount_options without = *with;

		log_debug("mounts[%zu] (%s): the gid of the option gid= has no mapping: dropped",
			plan->index, plan->destination);
		if (err != NULL)
			*err = ERROR_INIT;
		drop_data(&without, "gid");
		fd = mount_new_filesystem(mount->type, mount->source, &without, label, err);
	}
	if (fd == -EPERM)
		return open_host_instance(plan, options, err);
	if (fd >= 0 && options->config->linux.mount_label != NULL && has_type(plan, "mqueue"))
		fsetxattr(fd, "security.selinux", options->config->linux.mount_label,
			strlen(options->config->linux.mount_label) + 1, 0);
	return fd;
}

/* What it shows is a kernel's: where the program has another one's, nobody looks at this one's. */
static bool is_kernels(const struct mount_plan *plan)
{
	return has_type(plan, "mqueue") || has_type(plan, "sysfs") || is_cgroup(plan);
}

/* For what fsconfig(2) does not take; the mount's top is found by resolving once more. */
static int execute_classic(struct mount_plan *plan, const struct rootfs_options *options, int root,
	int target, struct error *err)
{
	_cleanup_close_ int top = -EBADF;
	int r;

	if (err != NULL)
		*err = ERROR_INIT;
	r = mount_classic(plan->mount->type,
		plan->mount->source != NULL ? plan->mount->source : plan->mount->type,
		&plan->options, mount_label(plan, &options->config->linux), target, err);
	if (r < 0)
		return r;
	top = path_open(root, plan->destination, O_PATH, err);
	return top < 0 ? top : apply_rest(top, &plan->options, err);
}

/*
 * The options of a tmpfs: as with runc and crun, a mount point that was there gives its mode; and
 * read-only comes last, when others have their mount points in it.
 */
static int tmpfs_options(struct mount_plan *plan, int target, bool made, char mode[static 16],
	struct mount_options *ret, struct error *err)
{
	size_t count = plan->options.n_data;
	const char **data;
	struct stat st;

	plan->read_only_at_end = plan->options.set & MOUNT_ATTR_RDONLY;
	ret->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (made || has_data(ret, "mode"))
		return 0;
	if (fstat(target, &st) < 0)
		return error_set(err, errno, "stat the mount point");
	data = reallocarray(plan->options.data, count + 1, sizeof(*data));
	if (data == NULL)
		return error_set(err, ENOMEM, "mount options");
	snprintf(mode, 16, "mode=%04o", (unsigned int)(st.st_mode & 07777));
	plan->options.data = ret->data = data;
	ret->data[ret->n_data++] = mode;
	return 0;
}

/* hidepid= and subset= would hide what the runtime itself needs. */
static bool is_plain_procfs(const struct mount_plan *plan)
{
	return has_type(plan, "proc") && strcmp(plan->destination, "/proc") == 0 &&
		plan->options.n_data == 0 && !(plan->options.set & MOUNT_ATTR_RDONLY) &&
		!(plan->options.recursive_set & MOUNT_ATTR_RDONLY);
}

static int execute_filesystem(
	struct mount_plan *plan, const struct rootfs_options *options, int root, struct error *err)
{
	struct mount_options with = plan->options;
	_cleanup_close_ int target = -EBADF, tree = -EBADF;
	bool made, tmpfs = has_type(plan, "tmpfs");
	char mode[16];
	int r;

	target = mount_target_open(
		root, plan->destination, true, plan->options.destination_nofollow, &made, err);
	if (target < 0)
		return target;
	r = tmpfs ? tmpfs_options(plan, target, made, mode, &with, err) : 0;
	if (r < 0)
		return r;
	tree = open_filesystem(plan, options, &with, err);
	if (tree < 0 && options->own_kernel && is_kernels(plan)) {
		log_debug("mounts[%zu] (%s): not mounted on the host: %s", plan->index,
			plan->destination, err->message);
		*err = ERROR_INIT;
		return 0;
	}
	if (tree == -EOPNOTSUPP && !is_cgroup(plan))
		return execute_classic(plan, options, root, target, err);
	if (tree < 0)
		return tree;
	if (plan->options.tmpcopyup && !made)
		r = tmpcopyup_copy(target, tree, err);
	if (r >= 0)
		r = apply_rest(tree, &with, err);
	if (r >= 0)
		r = mount_attach(tree, target, err);
	if (r >= 0 && plan->read_only_at_end)
		plan->tree = take_fd(&tree);
	else if (r >= 0 && is_plain_procfs(plan))
		plan->procfs = take_fd(&tree);
	return r;
}

int mount_plan_execute(
	struct mount_plan *plan, const struct rootfs_options *options, int root, struct error *err)
{
	int r;

	if (plan->options.remount)
		r = execute_remount(plan, root, err);
	else if (plan->options.bind)
		r = execute_bind(plan, options->own_kernel, root, err);
	else
		r = execute_filesystem(plan, options, root, err);
	return r < 0 ? prefix_error(err, plan) : 0;
}

int mount_plan_finish(struct mount_plan *plan, struct error *err)
{
	int r;

	if (!plan->read_only_at_end || plan->tree < 0)
		return 0;
	r = mount_set_attributes(plan->tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	plan->tree = close_fd(plan->tree);
	if (r < 0) {
		error_set(err, -r, "make the tmpfs read-only");
		return prefix_error(err, plan);
	}
	return 0;
}

void mount_plan_free(struct mount_plan *plan)
{
	mount_options_free(&plan->options);
	free(plan->destination);
	free(plan->source);
	free(plan->link);
	plan->destination = plan->source = plan->link = NULL;
	plan->tree = close_fd(plan->tree);
	plan->procfs = close_fd(plan->procfs);
	plan->user_namespace = close_fd(plan->user_namespace);
}
