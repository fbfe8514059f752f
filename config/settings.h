/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's own settings, /etc/caisson/config.json: what the person who runs the host decides,
 * below flags and above what is built in. An unknown key is an error here: nobody else writes this
 * file, so it can only be a mistake.
 *
 *	{
 *		"isolation": "namespace" | "vm" | "auto",
 *		"cgroup_manager": "cgroupfs" | "systemd" | "disabled",
 *		"root": "/run/caisson",
 *		"log_level": "error" | "warning" | "info" | "debug",
 *		"allowed_annotations": ["dev.example.name", "dev.example.*"],
 *		"vm": {
 *			"kernel": "/usr/lib/caisson/vmlinux",
 *			"initrd": "/usr/lib/caisson/agent.cpio",
 *			"kernel_parameters": ["loglevel=7"],
 *			"memory": 268435456, "memory_max": 4294967296, "overhead": 67108864,
 *			"vcpus": 1, "vcpus_max": 4
 *		}
 *	}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/oci.h"
#include "lib/arena.h"

#define SETTINGS_PATH "/etc/caisson/config.json"

enum settings_isolation {
	SETTINGS_ISOLATION_NAMESPACE, /* the default */
	SETTINGS_ISOLATION_VM,
	SETTINGS_ISOLATION_AUTO, /* vm where KVM works */
};

enum settings_cgroup_manager {
	SETTINGS_CGROUP_CGROUPFS, /* the default */
	SETTINGS_CGROUP_SYSTEMD,
	SETTINGS_CGROUP_DISABLED,
};

struct settings_vm {
	/*
	 * Absolute paths. NULL: those installed with the program; without an installed kernel the
	 * distribution's (runtime/vm/kernel/choice.h).
	 */
	char *kernel, *initrd;
	struct string_list kernel_parameters; /* added behind the runtime's own */
	/* For containers without a limit of their own. */
	uint64_t memory; /* bytes; 256 MiB by default */
	uint32_t vcpus;	 /* 1 by default */
	/*
	 * What a machine may grow to while it runs: bytes, 0 (the default) for what the host has;
	 * processors, 4 by default, for each that is declared costs memory.
	 */
	uint64_t memory_max;
	uint32_t vcpus_max;
	/*
	 * Seconds that a guest may take to boot, and to answer. 0 (the default): 10, and 60 for a
	 * distribution's kernel.
	 */
	uint32_t timeout;
	/* config.json's vm object may name files of the host's (kernel, initrd). */
	bool container_paths;
	uint64_t overhead; /* bytes added for the guest's kernel and agent; 64 MiB by default */
};

struct settings {
	struct arena arena;
	int isolation;	    /* enum settings_isolation */
	int cgroup_manager; /* enum settings_cgroup_manager */
	char *root;	    /* NULL: /run/caisson, or below $XDG_RUNTIME_DIR */
	int log_level;	    /* enum log_level, LOG_LEVEL_WARNING by default */
	/* Annotations that config.json may set; one that ends with '*' stands for a prefix. */
	struct string_list allowed_annotations;
	struct settings_vm vm;
};

struct error;

/* Fills in what is built in. Never fails. */
void settings_default(struct settings *ret);

/*
 * Decodes the `length` bytes of `text` over what is built in; `ret` is given back by
 * settings_free(). On failure it holds what is built in. Errors: as for oci_config_decode(), also
 * for an unknown key.
 */
int settings_decode(const char *text, size_t length, struct settings *ret, struct error *err);

/*
 * Reads the file at `path` (SETTINGS_PATH). A missing file means what is built in. Errors: those of
 * open(2) and read(2), of settings_decode(); -EINVAL for something else than a regular file; the
 * line begins with the path.
 */
int settings_load(const char *path, struct settings *ret, struct error *err);

/* Returns whether config.json may set the annotation `key`. */
bool settings_annotation_allowed(const struct settings *settings, const char *key);

/* Gives everything back. */
void settings_free(struct settings *settings);
