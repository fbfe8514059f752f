/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module's file: unpacked where the distribution keeps it compressed, so that guests load it
 * without a decompressor of their own, and what it says of itself (its ELF section .modinfo).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

struct module_file {
	uint8_t *bytes; /* mapped */
	size_t size;
	char *depends; /* names, with ',' between them; "" for none */
	char *aliases; /* with ' ' between them */
};

/*
 * Reads `path` below `directory` (.ko, .ko.gz, .ko.xz, .ko.zst), which must lie there, be a regular
 * file and, for root, root's. `ret` is given back by module_file_free(). -ENOENT also where the
 * program that unpacks it is not installed, in a line that names it; -ENOEXEC for what is no
 * module.
 */
int module_file_read(int directory, const char *path, struct module_file *ret, struct error *err);

void module_file_free(struct module_file *file);

/* Finds depends and aliases in `bytes`; what is `ret`'s is to be freed. -ENOEXEC, -ENOMEM. */
int module_file_parse(const uint8_t *bytes, size_t size, char **ret_depends, char **ret_aliases);
