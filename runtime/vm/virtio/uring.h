/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of io_uring(7) that block devices need: reads, writes and syncs of a few registered
 * files, and waiting for eventfds, with one system call for what is submitted and what is waited
 * for. The ring is restricted to just that before its first use: it can open nothing and reach no
 * other file, whatever happens to the memory it is driven from.
 */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct uring {
	int fd;
	unsigned int entries;
	unsigned int to_submit;
	unsigned int *sq_head, *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *ring;
	size_t ring_size, sqes_size;
};

/*
 * Makes a ring of `entries` (a power of two) over `files`, which it names by their index. Fails
 * with ENOSYS, EPERM or EINVAL where the kernel has no io_uring, forbids it or is older than 5.11.
 */
int uring_init(struct uring *uring, unsigned int entries, const int *files, unsigned int count,
	struct error *err);

/* Of one that is all zeroes: nothing. */
void uring_destroy(struct uring *uring);

/*
 * Returns an empty submission for file `index`, or NULL when `entries` of them wait to be
 * submitted. The caller fills in what its operation needs.
 */
struct io_uring_sqe *uring_get(
	struct uring *uring, uint8_t operation, unsigned int index, uint64_t user_data);

/*
 * Submits what waits and returns when there is a completion, or after `nanoseconds` (negative:
 * without end, 0: at once). Returns 0 or a negative errno; -EINTR and the end of the time are 0.
 */
int uring_enter(struct uring *uring, int64_t nanoseconds);

/* Takes a completion; false when there is none. */
bool uring_take(struct uring *uring, uint64_t *ret_user_data, int *ret_result);
