/* SPDX-License-Identifier: Apache-2.0 */
/* What create and run have in common: the bundle, and the flags of a creation. */
#pragma once

#include "cmd/cli.h"
#include "runtime/container.h"

struct bundle {
	const char *path;   /* --bundle */
	const char *config; /* --config: relative to the bundle; NULL: config.json */
	char *absolute;
	char *config_text;
	size_t config_length;
	unsigned int preserve_fds;
	struct create_options options; /* borrows from the others */
};

/* The flags of both: for the start of a command's table. */
#define BUNDLE_OPTIONS(bundle)                                                                     \
	{ "bundle", 'b', "DIR", "the bundle's directory (default: the working directory)",         \
		CLI_STRING, &(bundle)->path },                                                     \
		{ "config", 'f', "FILE", "in place of the bundle's config.json", CLI_STRING,       \
			&(bundle)->config },                                                       \
		{ "console-socket", 0, "PATH", "send the terminal's master over this Unix socket", \
			CLI_STRING, &(bundle)->options.console_socket },                           \
		{ "pid-file", 0, "FILE", "write the process's pid there", CLI_STRING,              \
			&(bundle)->options.pid_file },                                             \
		{ "pidfd-socket", 0, "PATH", "send a pidfd of the process over this Unix socket",  \
			CLI_STRING, &(bundle)->options.pidfd_socket },                             \
		{ "preserve-fds", 0, "N", "pass the fds 3 to 3+N-1 on", CLI_NUMBER,                \
			&(bundle)->preserve_fds },                                                 \
		{ "no-pivot", 0, NULL, "move the root instead of pivot_root (initramfs hosts)",    \
			CLI_FLAG, &(bundle)->options.no_pivot },                                   \
	{                                                                                          \
		"no-new-keyring", 0, NULL, "keep the caller's session keyring", CLI_FLAG,          \
			&(bundle)->options.no_new_keyring                                          \
	}

/* Reads the bundle's config.json and completes the options for the container `id`. */
int bundle_load(struct bundle *bundle, const char *id, struct error *err);

void bundle_free(struct bundle *bundle);
