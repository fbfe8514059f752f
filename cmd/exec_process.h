/* SPDX-License-Identifier: Apache-2.0 */
/* The process that exec's flags describe: the container's own, with what was asked for in its
 * place. */
#pragma once

#include "cmd/cli.h"
#include "config/oci.h"

struct exec_flags {
	bool tty, no_new_privileges;
	const char *cwd, *user, *selinux_label, *apparmor;
	struct cli_list env, gids, capabilities;
	char **args;
	size_t n_args;
};

/* Gives back what parsing the flags took; their texts are the command line's. */
void exec_flags_free(struct exec_flags *flags);

/* Merges `flags` over `base` into `ret`, which borrows from both and from `arena`. */
int exec_process_from_flags(const struct oci_process *base, const struct exec_flags *flags,
	struct arena *arena, struct oci_process *ret, struct error *err);

/*
 * Parses UID or UID:GID, decimal digits only, each below 2^32 - 1: anything else is an error and
 * never another user (CVE-2026-30892). *ret_gid is untouched without a GID.
 */
int exec_parse_user(const char *text, uid_t *ret_uid, gid_t *ret_gid, struct error *err);
