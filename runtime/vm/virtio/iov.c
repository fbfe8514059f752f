/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/queue.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define min(a, b) ((a) < (b) ? (a) : (b))

size_t iov_length(const struct iovec *iov, unsigned int count)
{
	size_t length = 0;

	for (unsigned int i = 0; i < count; i++)
		length += iov[i].iov_len;
	return length;
}

/* Goes through the parts of an array from an offset on. */
struct walk {
	const struct iovec *next;
	unsigned int count;
	size_t offset;
};

/* The next part, of `most` bytes at most; false at the end of the array. */
static bool step(struct walk *walk, size_t most, struct iovec *ret)
{
	for (; walk->count > 0 && walk->offset >= walk->next->iov_len; walk->next++) {
		walk->offset -= walk->next->iov_len;
		walk->count--;
	}
	if (walk->count == 0)
		return false;
	ret->iov_base = (char *)walk->next->iov_base + walk->offset;
	ret->iov_len = min(walk->next->iov_len - walk->offset, most);
	walk->offset += ret->iov_len;
	return true;
}

size_t iov_copy_out(
	const struct iovec *iov, unsigned int count, size_t offset, void *to, size_t length)
{
	struct walk walk = { iov, count, offset };
	struct iovec part;
	size_t done = 0;

	for (; done < length && step(&walk, length - done, &part); done += part.iov_len)
		memcpy((char *)to + done, part.iov_base, part.iov_len);
	return done;
}

size_t iov_copy_in(
	const struct iovec *iov, unsigned int count, size_t offset, const void *from, size_t length)
{
	struct walk walk = { iov, count, offset };
	struct iovec part;
	size_t done = 0;

	for (; done < length && step(&walk, length - done, &part); done += part.iov_len)
		memcpy(part.iov_base, (const char *)from + done, part.iov_len);
	return done;
}

int iov_slice(const struct iovec *iov, unsigned int count, size_t offset, size_t length,
	struct iovec *ret, unsigned int capacity)
{
	struct walk walk = { iov, count, offset };
	struct iovec part;
	unsigned int used = 0;

	for (; length > 0 && step(&walk, length, &part); length -= part.iov_len) {
		if (used == capacity)
			return -E2BIG;
		ret[used++] = part;
	}
	return (int)used;
}
