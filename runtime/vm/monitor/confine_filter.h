/* SPDX-License-Identifier: Apache-2.0 */
/* What seccomp filters of the monitor are made of, for confine*.c. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

struct error;

#define OFFSET(field) offsetof(struct seccomp_data, field)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, OFFSET(field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define UNLESS_EQUAL_SKIP(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))

/* Sets no_new_privs and loads the filter for the calling thread (seccomp(2)). */
int confine_load_filter(const struct sock_filter *filter, size_t count, struct error *err);
