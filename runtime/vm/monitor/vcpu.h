/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual processor's thread: runs guest code, answers its exits, can be kicked out of it.
 *
 * The kick is a real-time signal that only these threads have unblocked. One that a person sent to
 * the process may land here too: it is told by si_code (kicks are SI_TKILL of our own) and passed
 * on to the main thread, which reads it as any other.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/vm/accel/accel.h"

struct error;

/* What to do with an exit that is not the thread's own business. */
struct vcpu_operations {
	/* Port I/O or MMIO. Returns false when the processor is to stop: the machine has ended. */
	bool (*access)(const struct accel_exit *access, void *data);
	/* The processor cannot go on: shutdown, failure, an error of the accelerator's. */
	void (*end)(
		unsigned int id, enum accel_exit_reason reason, const char *message, void *data);
	/* In the thread, before its first guest instruction: confines it. */
	int (*confine)(void *data, struct error *err);
};

enum vcpu_state { VCPU_RUNNING, VCPU_PARKED, VCPU_ENDED };

struct vcpu {
	unsigned int id;
	struct accel_vcpu *accel;
	const struct vcpu_operations *operations;
	void *data;

	pthread_t thread;
	bool started;
	atomic_bool kicked; /* look at what is wanted before running on */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum vcpu_state state;	    /* below `lock` */
	bool wants_park, wants_end; /* below `lock` */
	atomic_ulong exits[ACCEL_EXIT_REASONS];
};

/*
 * Once per process, in the main thread: installs the kick's handler and blocks the signal here.
 */
int vcpu_setup_signal(struct error *err);

/* Takes `accel` over. The struct must not move until vcpu_destroy(). */
void vcpu_init(struct vcpu *vcpu, unsigned int id, struct accel_vcpu *accel,
	const struct vcpu_operations *operations, void *data);

/*
 * Starts the thread, parked when `parked`. A confinement that fails is reported through
 * operations->end.
 */
int vcpu_start(struct vcpu *vcpu, bool parked, struct error *err);

/* Asks the thread to stop between two guest instructions; vcpu_wait_parked() waits for it. */
void vcpu_park(struct vcpu *vcpu);
void vcpu_wait_parked(struct vcpu *vcpu);

/* Lets it run on. `paused`: for so long that the guest should be told. */
void vcpu_resume(struct vcpu *vcpu, bool paused);

/* Ends the thread, waits for it, gives the processor back. Not from the thread itself. */
void vcpu_destroy(struct vcpu *vcpu);
