/* SPDX-License-Identifier: Apache-2.0 */
/* What `caisson vm boot` was asked for, and the devices that come of it. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "cmd/cli.h"

struct console_log;
struct error;
struct fuse_server;
struct loop;
struct machine;

struct vm_boot {
	const char *kernel, *initrd, *append;
	unsigned int memory, cpus, cpus_max, spare_slots; /* memory in MiB */
	struct cli_list disks, shares, taps;
	const char *vsock, *console;
	bool serial, acpi, small_pages, stats, verbose, rng, balloon;
};

/* Files and sockets that devices are made of, opened while the caller's privileges are there. */
struct vm_files {
	int kvm, kernel, initrd;
	int console;	  /* where hvc0 goes */
	int vsock;	  /* a listening socket, or negative */
	int instructions; /* counts what the guest executes, or negative */
	int *disks;	  /* one for each of vm_boot.disks */
	bool *read_only;
	struct fuse_server **servers; /* one for each of vm_boot.shares; outlive the machine */
};

#define VM_FILES_INIT                      \
	((struct vm_files){ .kvm = -EBADF, \
		.kernel = -EBADF,          \
		.initrd = -EBADF,          \
		.console = -EBADF,         \
		.vsock = -EBADF,           \
		.instructions = -EBADF })

int vm_files_open(const struct vm_boot *boot, struct vm_files *ret, struct error *err);
void vm_files_close(struct vm_files *files, const struct vm_boot *boot);

/* hvc0 and what is at its host's end. */
struct vm_console {
	struct console_log *log; /* NULL: none was made */
	struct virtio_device *device;
	struct loop_source *input;
	char line[256]; /* the line in hand */
	size_t length;
	char panic[256]; /* the kernel's last words, or "" */
};

/* Makes the devices and puts them into the machine. */
int vm_devices_attach(const struct vm_boot *boot, struct vm_files *files, struct loop *loop,
	struct machine *machine, struct vm_console *console, struct error *err);

/* Puts one device into the machine, which is the machine's or freed. */
int vm_attach(struct machine *machine, struct virtio_device *device, struct error *err);

/* The part of it that shares directories, and what it leaves behind; and network cards. */
int vm_shares_attach(const struct vm_boot *boot, struct vm_files *files, struct machine *machine,
	struct error *err);
void vm_shares_free(const struct vm_boot *boot, struct vm_files *files);
int vm_taps_attach(const struct vm_boot *boot, struct machine *machine, struct error *err);

/* Looks for a panic in what the guest writes to its console. */
void vm_console_watch(struct vm_console *console, const char *text, size_t length);
