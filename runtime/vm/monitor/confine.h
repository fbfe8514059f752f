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
 * The same but for what the file server needs to act for the guest's users: change owners, modes
 * and ids of files, make nodes. Threads that are made afterwards have no more either.
 */
int confine_keep_file_capabilities(struct error *err);

/* This, and confine_main_thread(). */
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

/* What a thread is for. */
enum confine_kind {
	CONFINE_NOTHING, /* of unit tests */
	CONFINE_VCPU,	 /* runs the guest, signals eventfds */
	CONFINE_DISK,	 /* reads and writes an open image */
	CONFINE_NETWORK, /* moves packets between an open tap and the guest's rings */
	CONFINE_FILES,	 /* serves a share: works on files, with the capabilities that it has */
};

/*
 * Confines the calling thread to the system calls of its kind; all but those that serve files lose
 * their capabilities. What is not on the list fails with EPERM. Sets no_new_privs.
 */
int confine_thread(enum confine_kind kind, struct error *err);
