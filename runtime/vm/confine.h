/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters for the monitor's threads (seccomp(2)). Threads share one address space: this
 * is hardening, and not the boundary, which is the container that the monitor lives in.
 */
#pragma once

struct error;

/*
 * Confines the calling thread to what a processor's thread does: run the guest, signal eventfds,
 * wait, allocate. What is not on the list fails with EPERM. Sets no_new_privs.
 */
int confine_vcpu_thread(struct error *err);
