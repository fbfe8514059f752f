/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled filters by content: a file for each profile, named by a hash, that holds the whole key
 * and the program. A cache may lose anything at any time; what it returns is what was put in.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

struct oci_seccomp;

struct seccomp_key {
	char *bytes; /* begins with room for the file's header */
	size_t length;
};

/*
 * Makes the key: the canonical form of the profile, and the versions of caisson, libseccomp and the
 * kernel. False when memory is short. The caller frees ret->bytes.
 */
bool seccomp_key_make(const struct oci_seccomp *profile, struct seccomp_key *ret);

/* Looks up; *ret is given back by free(). Anything wrong with an entry is a miss. */
bool seccomp_cache_get(
	int cache, struct seccomp_key *key, struct sock_filter **ret, unsigned short *ret_count);

/* Puts an entry there, whole or not at all; failures are only worth a debug line. */
void seccomp_cache_put(int cache, struct seccomp_key *key, const struct sock_filter *instructions,
	unsigned short count);
