/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a bind mount: its source as a detached mount tree, an fd instead of a path,
 * with every attribute that the mount shall have (read-only, idmapped …) already on it. A
 * namespace container moves it onto a mount point; a virtual machine exports it.
 */
#pragma once

#include <stdbool.h>

struct error;
struct mount_options;

/*
 * Opens `source` (a path of the calling process's own mount namespace and root; links are followed
 * unless options->source_nofollow). `propagation` is what the tree gets before the options' own
 * (MS_SLAVE | MS_REC keeps a tree that is opened in the host's namespace from sending mounts back
 * there), or 0. `user_namespace` is an fd for an idmapped tree, or negative.
 * *ret_directory says whether the source is a directory. Returns the tree's fd, the caller's.
 * Errors: -EPERM where the caller has no CAP_SYS_ADMIN over its mount namespace; -ENOENT for a
 * missing source.
 */
int bind_source_open(const char *source, const struct mount_options *options,
	unsigned long propagation, int user_namespace, bool *ret_directory, struct error *err);
