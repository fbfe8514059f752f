/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a profile to a program of the kernel's classic BPF. Only seccomp.c asks for it, where the
 * cache has no answer.
 */
#pragma once

#include <linux/filter.h>
#include <stddef.h>

struct error;
struct oci_seccomp;

/*
 * Compiles with libseccomp, and lets system calls that are newer than everything in the profile
 * end in ENOSYS where they would be refused otherwise. *ret (`*ret_count` instructions, at most
 * BPF_MAXINSNS) is given back by free(). -EINVAL names the JSON path of what this build lacks.
 */
int seccomp_compile(const struct oci_seccomp *profile, struct sock_filter **ret,
	unsigned short *ret_count, struct error *err);
