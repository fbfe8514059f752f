/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fds.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

void fds_close_except(unsigned int first, int *keep, size_t count)
{
	qsort(keep, count, sizeof(*keep), compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0 || (unsigned int)keep[i] < first)
			continue;
		if ((unsigned int)keep[i] > first)
			close_range(first, (unsigned int)keep[i] - 1, 0);
		first = (unsigned int)keep[i] + 1;
	}
	close_range(first, UINT_MAX, 0);
}

void fds_take_stdio(const int *stdio)
{
	for (int fd = 0; stdio != NULL && fd < 3; fd++)
		dup2(stdio[fd], fd);
}
