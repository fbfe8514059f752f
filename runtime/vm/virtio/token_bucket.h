/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token bucket that may be overdrawn: what is charged is never refused, but nothing new is to be
 * begun while the balance is below zero. So one large request needs no splitting, and the average
 * still holds.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

struct token_bucket {
	uint64_t per_second; /* 0: no limit */
	uint64_t burst;	     /* the most that is saved up */
	int64_t balance;
	uint64_t time; /* CLOCK_MONOTONIC nanoseconds of the last look */
	pthread_mutex_t lock;
};

/* Starts full. `burst` 0 means a quarter of a second's worth. */
void token_bucket_init(struct token_bucket *bucket, uint64_t per_second, uint64_t burst);

/* Takes `tokens`, at most 2^40 at a time. */
void token_bucket_charge(struct token_bucket *bucket, uint64_t tokens);

/* Returns in how many nanoseconds the balance is no longer below zero: 0 when it is not now. */
uint64_t token_bucket_wait(struct token_bucket *bucket);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t monotonic_ns(void);
