/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a guest has: reserved address space of the monitor, private and not charged until
 * touched, below and above the 32-bit hole. Devices see struct guest_memory only.
 */
#pragma once

#include <stdint.h>

#include "runtime/vm/monitor/guest_memory.h"

struct error;

struct memory {
	struct guest_memory guest;
	uint64_t low, high; /* bytes below the hole, and from 4 GiB on */
	uint64_t spare; /* bytes above all that, for virtio-mem: no RAM by the firmware's tables */
	void *base;	/* one mapping of low + high + spare bytes */
	bool large_pages;
};

/*
 * Reserves `size` bytes and `spare` more (multiples of 2 MiB; 0 for none), to be backed by pages of
 * 2 MiB where the host has them (`large_pages`: faster, for every first touch of a small page is an
 * exit; but a page that holds anything is held whole), or by small ones. The caller frees with
 * memory_free().
 */
int memory_new(
	struct memory *ret, uint64_t size, uint64_t spare, bool large_pages, struct error *err);

/* Where the spare region begins in the guest. */
uint64_t memory_spare_address(const struct memory *memory);

/* Until then the spare region is address space alone: makes it memory that devices can reach. */
int memory_open_spare(struct memory *memory, struct error *err);

void memory_free(struct memory *memory);

/*
 * Makes `size` bytes at `gpa` show the file from `offset`, copied only where the guest writes; both
 * addresses are multiples of a page, `size` is rounded up. What lies behind the file's last byte in
 * its last page reads as zeros: the file must not shrink. -EFAULT outside of memory.
 */
int memory_map_file(struct memory *memory, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
	struct error *err);

/* Copies `size` bytes of the file to `gpa`; any address and offset. */
int memory_read_file(struct memory *memory, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
	struct error *err);

/* Number of 4 KiB pages of the guest's memory that are present (mincore-like, from pagemap). */
int memory_count_touched(const struct memory *memory, uint64_t *ret, struct error *err);
