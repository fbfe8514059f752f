/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules of a distribution's kernel. The host puts them into the initramfs, with a list of what
 * each needs and of the names that it answers to (runtime/vm/kernel/initramfs.h); a kernel that has
 * all built in comes without any, and nothing here does anything then.
 *
 * A module is loaded for the device that it drives, or when the kernel asks for it by one of its
 * names, for which PID 1's own program takes modprobe's place. Its file is removed afterwards: it
 * is memory.
 */
#pragma once

#include <stdbool.h>

struct error;

#define MODULES_DIRECTORY "/modules"
#define MODULES_LIST "list"

/*
 * Loads the drivers of the devices that are there, moves standard output and error to the console
 * that came by that, and lets the kernel ask for the rest. An error names the module: the guest
 * cannot do without it.
 */
int modules_start(struct error *err);

/*
 * Loads the drivers of the virtio devices that are there by now. What the guest cannot do without
 * is an error that names it.
 */
int modules_load_drivers(struct error *err);

/*
 * Loads the modules that answer to `name` (a module's name or an alias such as fs-erofs), and what
 * they need. 0 also where none does: the kernel may have it built in.
 */
int modules_load(const char *name, struct error *err);

/* Whether these are the arguments by which the kernel asks for a module. */
bool modules_is_request(int argc, char **argv);

/* Serves that: exit status for the kernel. */
int modules_serve_request(char **argv);
