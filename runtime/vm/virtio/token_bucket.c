/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/token_bucket.h"

#include <time.h>

#define SECOND 1000000000u
/* So that products with a second's nanoseconds stay inside 64 bits for any setting. */
#define RATE_MAX (UINT64_C(1) << 33)

uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + now.tv_nsec;
}

void token_bucket_init(struct token_bucket *bucket, uint64_t per_second, uint64_t burst)
{
	if (per_second > RATE_MAX)
		per_second = 0;
	if (burst == 0)
		burst = per_second / 4 + 1;
	if (burst > RATE_MAX)
		burst = RATE_MAX;
	*bucket = (struct token_bucket){ .per_second = per_second,
		.burst = burst,
		.balance = (int64_t)burst,
		.time = monotonic_ns() };
	pthread_mutex_init(&bucket->lock, NULL);
}

static void refill(struct token_bucket *bucket)
{
	uint64_t now = monotonic_ns(), elapsed = now - bucket->time;
	uint64_t whole, part, tokens;

	/* More than fills any debt; bounds the arithmetic. */
	if (elapsed > UINT64_C(3600) * SECOND)
		elapsed = UINT64_C(3600) * SECOND;
	whole = elapsed / SECOND;
	part = elapsed % SECOND;
	if (part * bucket->per_second < SECOND && whole == 0)
		return; /* less than one token: let the time add up */
	tokens = whole * bucket->per_second + part * bucket->per_second / SECOND;
	bucket->time = now;
	bucket->balance += (int64_t)tokens;
	if (bucket->balance > (int64_t)bucket->burst)
		bucket->balance = (int64_t)bucket->burst;
}

void token_bucket_charge(struct token_bucket *bucket, uint64_t tokens)
{
	if (bucket->per_second == 0)
		return;
	if (tokens > UINT64_C(1) << 40)
		tokens = UINT64_C(1) << 40;
	pthread_mutex_lock(&bucket->lock);
	refill(bucket);
	/* A debt that no time pays back would be a stop. */
	if (bucket->balance > -(INT64_C(1) << 42))
		bucket->balance -= (int64_t)tokens;
	pthread_mutex_unlock(&bucket->lock);
}

uint64_t token_bucket_wait(struct token_bucket *bucket)
{
	uint64_t wait = 0;

	if (bucket->per_second == 0)
		return 0;
	pthread_mutex_lock(&bucket->lock);
	refill(bucket);
	if (bucket->balance < 0) {
		uint64_t debt = (uint64_t)-bucket->balance;

		wait = debt / bucket->per_second * SECOND +
			debt % bucket->per_second * SECOND / bucket->per_second + 1;
	}
	pthread_mutex_unlock(&bucket->lock);
	return wait;
}
