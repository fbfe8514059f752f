/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest of a container: a machine with the devices that a container needs, the kernel, and the
 * agent that answers in it. Knows nothing of config.json.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/plan/size.h"

struct error;
struct guest;
struct guest_memory;
struct loop;
struct virtio_device;

struct guest_export {
	const char *name; /* in the guest's directory of exports */
	int fd;		  /* a directory or file; the guest's on success */
	bool read_only;
	bool revalidate; /* others rewrite it while the guest runs: looked at again each time */
};

struct guest_options {
	int kvm, kernel, initrd; /* the caller's */
	int log;		 /* where the guest's console goes, the caller's */
	int image;		 /* a disk, read-only, or negative; the caller's */
	int vsock; /* a listening Unix socket for other processes' connections; taken over */
	struct vm_size size; /* memory is rounded up to 2 MiB */
	/*
	 * A distribution's kernel, which knows the machine from ACPI tables, and has a serial port
	 * to say why it does not come as far as the console's driver.
	 */
	bool distribution;
	const char *kernel_parameters; /* more of the command line, or NULL */
	const struct guest_export *exports;
	size_t n_exports;
	int timeout; /* ms for the agent to say hello */
};

/*
 * Boots the guest and runs the loop until its agent is there. `ret` is given back by guest_free().
 * Errors say what happened last: the kernel's panic line, a KVM that only emulates, an agent of
 * another version, no answer in time.
 */
int guest_boot(struct loop *loop, const struct guest_options *options, struct guest **ret,
	struct error *err);

/*
 * Puts a device, which is the guest's from here on or freed, into the next free slot of a guest
 * that runs: the agent binds it. guest_memory_of() is what devices are made with.
 */
int guest_attach(struct guest *guest, struct virtio_device *device, unsigned int *ret_slot,
	struct error *err);
const struct guest_memory *guest_memory_of(const struct guest *guest);

/* machine_open_spare() and machine_add_cpus() of the guest's machine. */
int guest_open_spare(struct guest *guest, uint64_t *ret_gpa, struct error *err);
int guest_add_cpus(struct guest *guest, unsigned int count, struct error *err);

/* Connects to the agent (a stand_in_dial). Returns a stream socket. */
int guest_dial(void *guest, struct error *err);

/* virtio_vsock_adopt() of the guest's device. */
int guest_adopt(struct guest *guest, int fd, uint32_t from, uint32_t port, struct error *err);

/*
 * Why the guest is no more, where it ended by itself: takes the place of err's message. Where that
 * is -EPIPE the guest, whose agent is gone, has a second for its own end.
 */
void guest_explain(struct guest *guest, struct error *err);

void guest_free(struct guest *guest);
