/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and network cards of `caisson vm boot`. */
#include "cmd/vm_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/fs.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/net.h"
#include "runtime/vm/virtio/vhost_net.h"

/* The one export's name; it is what the guest finds in the mounted file system. */
#define EXPORT "root"

/* A node of the guest's is about a kibibyte there, so that this bounds what it can hold here. */
#define NODES_PER_MIB 256u

/* DIR[,TAG][,ro][,auto|,always] */
struct share {
	char *text;
	const char *directory, *tag;
	struct fuse_export_options options;
};

static int parse_share(const char *text, struct share *ret, struct error *err)
{
	char *rest = strdup(text), *word;

	if (rest == NULL) {
		error_set(err, ENOMEM, "--share %s", text);
		return -ENOMEM;
	}
	*ret = (struct share){ .text = rest, .tag = "share" };
	/* strsep() gives NULL for NULL alone; text in front of the first comma is the directory. */
	ret->directory = ret->text;
	strsep(&rest, ",");
	while ((word = strsep(&rest, ",")) != NULL) {
		if (strcmp(word, "ro") == 0)
			ret->options.read_only = true;
		else if (strcmp(word, "auto") == 0)
			ret->options.cache = FUSE_CACHE_AUTO;
		else if (strcmp(word, "always") == 0)
			ret->options.cache = FUSE_CACHE_ALWAYS;
		else
			ret->tag = word;
	}
	return 0;
}

static int new_server(
	const struct share *share, unsigned int memory, struct fuse_server **ret, struct error *err)
{
	struct fuse_server_options options = { .nodes_max = memory * NODES_PER_MIB,
		.proc_self_fd = -EBADF };
	_cleanup_close_ int fd = open(share->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(err, errno, "open %s", share->directory);
	r = fuse_server_new(&options, ret, err);
	if (r < 0)
		return r;
	r = fuse_server_add_export(*ret, EXPORT, fd, &share->options, err);
	if (r < 0) {
		fuse_server_free(*ret);
		*ret = NULL;
		return r;
	}
	take_fd(&fd);
	return 0;
}

static int attach_share(const struct vm_boot *boot, size_t index, struct vm_files *files,
	struct machine *machine, struct error *err)
{
	struct virtio_device *device = NULL;
	struct fs_options options = { .confine = true };
	struct share share = { 0 };
	int r = parse_share(boot->shares.items[index], &share, err);

	if (r < 0)
		return r;
	r = new_server(&share, boot->memory, &files->servers[index], err);
	if (r == 0) {
		options.tag = share.tag;
		r = virtio_fs_new(
			machine_memory(machine), files->servers[index], &options, &device, err);
	}
	free(share.text);
	return r < 0 ? r : vm_attach(machine, device, err);
}

int vm_shares_attach(const struct vm_boot *boot, struct vm_files *files, struct machine *machine,
	struct error *err)
{
	if (boot->shares.count == 0)
		return 0;
	files->servers = calloc(boot->shares.count, sizeof(struct fuse_server *));
	if (files->servers == NULL)
		return error_set(err, ENOMEM, "--share");
	for (size_t i = 0; i < boot->shares.count; i++) {
		int r = attach_share(boot, i, files, machine, err);

		if (r < 0)
			return error_prefix(err, "--share %s", boot->shares.items[i]);
	}
	return 0;
}

void vm_shares_free(const struct vm_boot *boot, struct vm_files *files)
{
	for (size_t i = 0; files->servers != NULL && i < boot->shares.count; i++)
		fuse_server_free(files->servers[i]);
	free(files->servers);
}

/* IF[,QUEUES][,vhost] */
static int attach_tap(const char *text, struct machine *machine, struct error *err)
{
	char name[IFNAMSIZ];
	int fds[2 * NET_PAIRS_MAX];
	struct net_options options = { .fds = fds, .pairs = 1, .confine = true };
	struct virtio_device *device = NULL;
	size_t length = strcspn(text, ",");
	const char *rest = text + length;
	unsigned int count;
	bool vhost;
	int r;

	if (length >= sizeof(name))
		return error_say(err, EINVAL, "an interface's name is shorter");
	memcpy(name, text, length);
	name[length] = '\0';
	vhost = strlen(rest) >= 6 && strcmp(rest + strlen(rest) - 6, ",vhost") == 0;
	if (*rest == ',' && !(vhost && strlen(rest) == 6))
		options.pairs = (unsigned int)strtoul(rest + 1, NULL, 10);
	if (options.pairs == 0 || options.pairs > NET_PAIRS_MAX)
		return error_say(err, EINVAL, "1 to %u queues", NET_PAIRS_MAX);
	count = options.pairs;
	r = tap_open(name, options.pairs, fds, err);
	if (r >= 0 && vhost) {
		options.vhost = fds + count;
		r = vhost_net_open_queues(options.pairs, fds + count, err);
		count *= r < 0 ? 1 : 2;
	} else if (r < 0) {
		return r;
	}
	if (r >= 0)
		r = virtio_net_new(machine_memory(machine), &options, &device, err);
	if (r < 0) {
		for (unsigned int i = 0; i < count; i++)
			close_fd(fds[i]);
		return r;
	}
	return vm_attach(machine, device, err);
}

int vm_taps_attach(const struct vm_boot *boot, struct machine *machine, struct error *err)
{
	for (size_t i = 0; i < boot->taps.count; i++) {
		int r = attach_tap(boot->taps.items[i], machine, err);

		if (r < 0)
			return error_prefix(err, "--tap %s", boot->taps.items[i]);
	}
	return 0;
}
