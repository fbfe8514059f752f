/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the vm isolation share: names in a container's state directory, bounds, and
 * what isolation.c puts into its table. A container has three sides here: the process that stands
 * for it (stand_in/, and in the same process the machine: monitor/ and what is below it), whoever
 * asks something of it later (caller/), and what both derive from its configuration (plan/).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct container;
struct container_process;
struct container_process_table;
struct error;
struct json_writer;
struct oci_resources;
struct protocol_message;
struct settings_vm;

#define VM_SOCKET "vsock"    /* leads to the guest's ports (virtio/vsock.h) */
#define VM_CONTROL "control" /* takes requests to the monitor (control/message.h) */
#define VM_LOG "guest.log"   /* what the guest's kernel and agent said */
#define VM_OOM "oom" /* the monitor's: bytes of memory that ran out in the guest, or empty */

#define VM_DISTRIBUTION "distribution" /* there where the guest's kernel is a distribution's */

#define VM_CARDS_MAX 4 /* a guest is told at boot of that many slots for cards that come late */
#define VM_AGENT_TIMEOUT_MS 10000
#define VM_KILL_TIMEOUT_MS 2000 /* how long kill KILL waits for the guest's written data */
#define VM_EXIT_LOST 255	/* the guest ended before the program did */

/* stand_in/exec.c: a further process, a stand-in without a monitor. */
int vm_exec_prepare(struct container_process *process, struct error *err);
int vm_exec_run(struct container_process *process, struct error *err);
void vm_exec_free(struct container_process *process);

/* caller/start.c: the interfaces of the container's network namespace become the guest's. */
int vm_start(struct container *container, struct error *err);
int vm_release(struct container *container, struct error *err);

/* caller/kill.c: signals reach the stand-in; SIGKILL lets the guest write its data first. */
int vm_kill(struct container *container, int signal, bool all, struct error *err);

/* caller/update.c: the guest's limits, and the host's where they are not the guest's alone. */
int vm_update(
	struct container *container, const struct oci_resources *resources, struct error *err);

/* caller/inspect.c: what the guest's kernel knows (container.h). */
int vm_process_table(
	struct container *container, struct container_process_table *ret, struct error *err);
int vm_write_guest_stats(struct container *container, const char *key, struct json_writer *writer);
int64_t vm_guest_oom_kills(struct container *container);

/* caller/inspect.c: the agent reported the end of memory (isolation.h). */
bool vm_oom_killed(const struct container *container, uint64_t *ret_limit);

/* caller/resume.c: the guest's clock goes on where the host's is by now. */
int vm_resume(struct container *container, struct error *err);

/*
 * caller/connect.c: sends the request in `writer` (all but its end written) with `n_bytes` bytes on
 * a connection of its own, and waits at most `timeout` ms for the answer, which the caller frees
 * with protocol_message_free(). The agent's error is the caller's.
 */
int vm_request(struct container *container, struct json_writer *writer, const void *bytes,
	size_t n_bytes, int timeout, struct protocol_message *ret, struct error *err);

/*
 * caller/connect.c: a connection to the agent from any process that may open the state directory
 * `dir`, for which the monitor is waited at most `timeout` ms.
 */
int vm_connect(int dir, int timeout, struct error *err);

/*
 * Whether a guest can be started here at all: /dev/kvm that runs guests on the processor, a kernel
 * and the agent to boot. 0, or a negative errno and the reason. Takes a few milliseconds.
 */
int vm_is_possible(const struct settings_vm *settings, struct error *err);
