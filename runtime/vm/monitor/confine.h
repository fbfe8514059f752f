/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters for the monitor's threads (seccomp(2)). Threads share one address space: this
 * is hardening, and not the boundary, which is the container that the monitor lives in.
 */
#pragma once

struct error;

/* Drops every capability of the calling thread, from all sets, and the way to get one back. */
int confine_drop_capabilities(struct error *err);

/*
 * The same but for what the file server needs to act for the guest's users within the container's
 * namespaces: change owners, modes and ids of files, make nodes.
 */
int confine_monitor(struct error *err);

/*
 * For a stand-in that is not in its container's namespaces: the calling thread goes into new ones
 * of its own, loses the rights that came with them and every file that it has not open (where the
 * kernel has Landlock), and is confined like a main thread.
 */
int confine_outside(struct error *err);

/*
 * Takes system calls from the calling thread, and from those that it makes, that no part of the
 * monitor ever needs: executing, tracing, mounting, changing namespaces, loading code into the
 * kernel. They fail with EPERM. Threads that exist already stay as they are.
 */
int confine_main_thread(struct error *err);

/*
 * Confines the calling thread to what a processor's thread does: run the guest, signal eventfds,
 * wait, allocate. It loses its capabilities. What is not on the list fails with EPERM. Sets
 * no_new_privs.
 */
int confine_vcpu_thread(struct error *err);
