/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/vcpu.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"

/* Enough for a device's register access; guests cannot make it deeper. */
#define STACK_SIZE (256 << 10)

#define KICK_SIGNAL SIGRTMIN

static __thread struct accel_vcpu *current;
static pid_t main_thread;

/*
 * Async-signal-safe. immediate_exit is set here too: a thread that has just cleared it, and not yet
 * seen what is wanted, does not enter the guest then.
 */
static void on_kick(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (info->si_code == SI_TKILL && info->si_pid == getpid()) {
		if (current != NULL)
			accel_vcpu_kick(current);
	} else {
		syscall(SYS_rt_tgsigqueueinfo, getpid(), main_thread, number, info);
	}
	errno = saved;
}

int vcpu_setup_signal(struct error *err)
{
	struct sigaction action = { .sa_sigaction = on_kick, .sa_flags = SA_SIGINFO };
	sigset_t set;

	main_thread = gettid();
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		return error_set(err, errno, "handle the processors' signal");
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return 0;
}

void vcpu_init(struct vcpu *vcpu, unsigned int id, struct accel_vcpu *accel,
	const struct vcpu_operations *operations, void *data)
{
	*vcpu = (struct vcpu){
		.id = id,
		.accel = accel,
		.operations = operations,
		.data = data,
	};
	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->changed, NULL);
}

static void set_state(struct vcpu *vcpu, enum vcpu_state state)
{
	vcpu->state = state;
	pthread_cond_broadcast(&vcpu->changed);
}

/* Returns false when the thread is to end. */
static bool obey(struct vcpu *vcpu)
{
	bool go_on;

	atomic_store(&vcpu->kicked, false);
	pthread_mutex_lock(&vcpu->lock);
	while (vcpu->wants_park && !vcpu->wants_end) {
		set_state(vcpu, VCPU_PARKED);
		pthread_cond_wait(&vcpu->changed, &vcpu->lock);
	}
	go_on = !vcpu->wants_end;
	set_state(vcpu, go_on ? VCPU_RUNNING : VCPU_ENDED);
	pthread_mutex_unlock(&vcpu->lock);
	return go_on;
}

/* Returns false when the processor cannot go on. */
static bool run_once(struct vcpu *vcpu)
{
	struct error err = ERROR_INIT;
	struct accel_exit exit;

	if (accel_vcpu_run(vcpu->accel, &exit, &err) < 0) {
		vcpu->operations->end(vcpu->id, ACCEL_EXIT_FAILURE, err.message, vcpu->data);
		return false;
	}
	atomic_fetch_add_explicit(&vcpu->exits[exit.reason], 1, memory_order_relaxed);
	switch (exit.reason) {
	case ACCEL_EXIT_KICK:
		/* Not our doing: the thread was frozen or stopped, and the guest's time with it. */
		if (!atomic_load(&vcpu->kicked))
			accel_vcpu_tell_pause(vcpu->accel);
		return true;
	case ACCEL_EXIT_IO:
	case ACCEL_EXIT_MMIO:
		return vcpu->operations->access(&exit, vcpu->data);
	default:
		vcpu->operations->end(vcpu->id, exit.reason, exit.message, vcpu->data);
		return false;
	}
}

static void *vcpu_thread(void *data)
{
	struct vcpu *vcpu = data;
	struct error err = ERROR_INIT;
	sigset_t set;

	current = vcpu->accel;
	sigfillset(&set);
	sigdelset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	if (vcpu->operations->confine != NULL && vcpu->operations->confine(vcpu->data, &err) < 0) {
		vcpu->operations->end(vcpu->id, ACCEL_EXIT_FAILURE, err.message, vcpu->data);
		goto ended;
	}
	while (obey(vcpu)) {
		while (!atomic_load(&vcpu->kicked))
			if (!run_once(vcpu))
				goto ended;
	}
	return NULL;
ended:
	pthread_mutex_lock(&vcpu->lock);
	set_state(vcpu, VCPU_ENDED);
	pthread_mutex_unlock(&vcpu->lock);
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, bool parked, struct error *err)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	int r;

	vcpu->wants_park = parked;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* Until the thread has its own mask, no signal of the process may land on it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&vcpu->thread, &attributes, vcpu_thread, vcpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (r != 0)
		return error_set(err, r, "start processor %u's thread", vcpu->id);
	vcpu->started = true;
	return 0;
}

static void kick(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	atomic_store(&vcpu->kicked, true);
	accel_vcpu_kick(vcpu->accel);
	/* ESRCH: the thread has ended, but is not yet joined. */
	(void)pthread_kill(vcpu->thread, KICK_SIGNAL);
}

void vcpu_park(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->wants_park = true;
	pthread_mutex_unlock(&vcpu->lock);
	kick(vcpu);
}

void vcpu_wait_parked(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	while (vcpu->started && vcpu->state == VCPU_RUNNING)
		pthread_cond_wait(&vcpu->changed, &vcpu->lock);
	pthread_mutex_unlock(&vcpu->lock);
}

void vcpu_resume(struct vcpu *vcpu, bool paused)
{
	if (paused)
		accel_vcpu_tell_pause(vcpu->accel);
	pthread_mutex_lock(&vcpu->lock);
	vcpu->wants_park = false;
	/* At once, so that a park that follows waits for the thread and not for this past. */
	if (vcpu->state == VCPU_PARKED)
		vcpu->state = VCPU_RUNNING;
	pthread_cond_broadcast(&vcpu->changed);
	pthread_mutex_unlock(&vcpu->lock);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->started) {
		pthread_mutex_lock(&vcpu->lock);
		vcpu->wants_end = true;
		pthread_cond_broadcast(&vcpu->changed);
		pthread_mutex_unlock(&vcpu->lock);
		kick(vcpu);
		pthread_join(vcpu->thread, NULL);
	}
	accel_vcpu_free(vcpu->accel);
	pthread_mutex_destroy(&vcpu->lock);
	pthread_cond_destroy(&vcpu->changed);
	*vcpu = (struct vcpu){ 0 };
}
