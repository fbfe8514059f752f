/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/queue.h"

#include <errno.h>
#include <string.h>

#define min(a, b) ((a) < (b) ? (a) : (b))

size_t iov_length(const struct iovec *iov, unsigned int count)
{
	size_t length = 0;

	for (unsigned int i = 0; i < count; i++)
		length += iov[i].iov_len;
	return length;
}

size_t iov_copy_out(
	const struct iovec *iov, unsigned int count, size_t offset, void *to, size_t length)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < length; i++) {
		size_t n;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		n = min(iov[i].iov_len - offset, length - done);
		memcpy((char *)to + done, (char *)iov[i].iov_base + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}

size_t iov_copy_in(
	const struct iovec *iov, unsigned int count, size_t offset, const void *from, size_t length)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < length; i++) {
		size_t n;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		n = min(iov[i].iov_len - offset, length - done);
		memcpy((char *)iov[i].iov_base + offset, (const char *)from + done, n);
		done += n;
		offset = 0;
	}
	return done;
}

int iov_slice(const struct iovec *iov, unsigned int count, size_t offset, size_t length,
	struct iovec *ret, unsigned int capacity)
{
	unsigned int used = 0;

	for (unsigned int i = 0; i < count && length > 0; i++) {
		size_t n;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		if (used == capacity)
			return -E2BIG;
		n = min(iov[i].iov_len - offset, length);
		ret[used++] = (struct iovec){ (char *)iov[i].iov_base + offset, n };
		length -= n;
		offset = 0;
	}
	return (int)used;
}
