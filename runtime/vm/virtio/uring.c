/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* Submitting what points into memory that changes later, and waiting with a time, need these. */
#define FEATURES                                                                    \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | \
		IORING_FEAT_EXT_ARG)

static int uring_register(struct uring *uring, unsigned int what, const void *arg, unsigned int n)
{
	return (int)syscall(SYS_io_uring_register, uring->fd, what, arg, n);
}

static int map_rings(struct uring *uring, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *ring;

	uring->ring_size = sq > cq ? sq : cq;
	uring->sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	ring = mmap(NULL, uring->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		uring->fd, IORING_OFF_SQ_RING);
	if (ring == MAP_FAILED)
		return -errno;
	uring->ring = ring;
	uring->sqes = mmap(NULL, uring->sqes_size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, uring->fd, IORING_OFF_SQES);
	if (uring->sqes == MAP_FAILED) {
		uring->sqes = NULL;
		return -errno;
	}
	uring->sq_head = (void *)(ring + p->sq_off.head);
	uring->sq_tail = (void *)(ring + p->sq_off.tail);
	uring->sq_mask = (void *)(ring + p->sq_off.ring_mask);
	uring->sq_array = (void *)(ring + p->sq_off.array);
	uring->cq_head = (void *)(ring + p->cq_off.head);
	uring->cq_tail = (void *)(ring + p->cq_off.tail);
	uring->cq_mask = (void *)(ring + p->cq_off.ring_mask);
	uring->cqes = (void *)(ring + p->cq_off.cqes);
	return 0;
}

/* From here on: these operations, on registered files. */
static int restrict_ring(struct uring *uring)
{
	static const uint8_t operations[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
		IORING_OP_POLL_ADD };
	enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };
	struct io_uring_restriction rules[OPERATIONS + 2] = { 0 };

	for (unsigned int i = 0; i < OPERATIONS; i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = operations[i];
	}
	rules[OPERATIONS].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	rules[OPERATIONS].sqe_flags = IOSQE_FIXED_FILE;
	rules[OPERATIONS + 1].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[OPERATIONS + 1].register_op = IORING_REGISTER_ENABLE_RINGS;
	if (uring_register(uring, IORING_REGISTER_RESTRICTIONS, rules, OPERATIONS + 2) < 0 ||
		uring_register(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

int uring_init(struct uring *uring, unsigned int entries, const int *files, unsigned int count,
	struct error *err)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED };
	int r;

	*uring = (struct uring){ 0 };
	int fd = (int)syscall(SYS_io_uring_setup, entries, &p);
	if (fd < 0)
		return error_set(err, errno, "io_uring_setup");
	uring->fd = fd;
	uring->entries = entries;
	if ((p.features & FEATURES) != FEATURES)
		r = -EINVAL;
	else
		r = map_rings(uring, &p);
	if (r == 0 && uring_register(uring, IORING_REGISTER_FILES, files, count) < 0)
		r = -errno;
	if (r == 0)
		r = restrict_ring(uring);
	if (r < 0) {
		uring_destroy(uring);
		return error_set(err, -r, "set up an io_uring");
	}
	return 0;
}

void uring_destroy(struct uring *uring)
{
	if (uring->entries == 0)
		return;
	if (uring->sqes != NULL)
		munmap(uring->sqes, uring->sqes_size);
	if (uring->ring != NULL)
		munmap(uring->ring, uring->ring_size);
	close_fd(uring->fd);
	*uring = (struct uring){ 0 };
}

struct io_uring_sqe *uring_get(
	struct uring *uring, uint8_t operation, unsigned int index, uint64_t user_data)
{
	unsigned int tail = *uring->sq_tail, slot = tail & *uring->sq_mask;
	struct io_uring_sqe *sqe = &uring->sqes[slot];

	if (tail - __atomic_load_n(uring->sq_head, __ATOMIC_ACQUIRE) >= uring->entries)
		return NULL;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = operation;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = (int)index;
	sqe->user_data = user_data;
	uring->sq_array[slot] = slot;
	/* The kernel looks at it in uring_enter() only; the entry is complete by then. */
	__atomic_store_n(uring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	uring->to_submit++;
	return sqe;
}

static bool has_completion(const struct uring *uring)
{
	return *uring->cq_head != __atomic_load_n(uring->cq_tail, __ATOMIC_ACQUIRE);
}

int uring_enter(struct uring *uring, int64_t nanoseconds)
{
	struct __kernel_timespec time = { .tv_sec = nanoseconds / 1000000000,
		.tv_nsec = nanoseconds % 1000000000 };
	struct io_uring_getevents_arg arg = { .ts = nanoseconds > 0 ? (uintptr_t)&time : 0 };
	bool wait = nanoseconds != 0 && !has_completion(uring);
	long n;

	if (!wait && uring->to_submit == 0)
		return 0;
	n = syscall(SYS_io_uring_enter, uring->fd, uring->to_submit, wait ? 1 : 0,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	if (n < 0) {
		/* EBUSY, EAGAIN: completions are to be taken first; nothing was submitted. */
		if (errno == EINTR || errno == ETIME || errno == EAGAIN || errno == EBUSY)
			return 0;
		return -errno;
	}
	uring->to_submit -= n;
	return 0;
}

bool uring_take(struct uring *uring, uint64_t *ret_user_data, int *ret_result)
{
	const struct io_uring_cqe *cqe = &uring->cqes[*uring->cq_head & *uring->cq_mask];

	if (!has_completion(uring))
		return false;
	*ret_user_data = cqe->user_data;
	*ret_result = cqe->res;
	__atomic_store_n(uring->cq_head, *uring->cq_head + 1, __ATOMIC_RELEASE);
	return true;
}
