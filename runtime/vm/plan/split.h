/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who applies what: a container's configuration parted into what its monitor's side does on the
 * host and what the agent does in the guest. A pure function of the configuration; docs/vm.md has a
 * row for every field of the specification.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/oci.h"

struct error;

/* A file or directory of the host's that the guest is to see. */
struct vm_export {
	size_t mount;	/* index in config.json's mounts, VM_EXPORT_ROOT for the root file system */
	bool read_only; /* enforced by the host's file server */
	char name[24];	/* in the exports' directory of the guest */
};

#define VM_EXPORT_ROOT ((size_t)-1)

struct vm_split {
	char *guest_config;	   /* a config.json for the agent */
	struct vm_export *exports; /* the root first, unless it is an image */
	size_t n_exports;
};

/*
 * Splits `config`, decoded from the `length` bytes of `text`; with `image_root` root.path is an
 * image that the guest mounts from a disk. `ret` is given back by
 * vm_split_free(). Errors: -ENOTSUP naming the field that no virtual machine can honour, with the
 * reason.
 */
int vm_split(const char *text, size_t length, const struct oci_config *config, bool image_root,
	struct vm_split *ret, struct error *err);

void vm_split_free(struct vm_split *split);

/*
 * Refuses a user or group that linux' mappings do not cover, as the kernel does for a process in a
 * user namespace: the guest knows every id, but the host has none for its files. -EINVAL.
 */
int vm_check_user(const struct oci_linux *linux, const struct oci_user *user, struct error *err);
