/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initramfs of a distribution's kernel: the agent's archive as it is installed, and behind it
 * one with the kernel's modules, which the agent loads (agent/modules.h has the form of their
 * list).
 */
#pragma once

struct error;

/*
 * Writes it to `fd`, an empty file, for kernel `version` below `root` ("": the system's own);
 * `agent` is read from its beginning. Errors: those of kernel_modules_find() and
 * module_file_read(), in one line that can stand alone.
 */
int initramfs_write(int fd, const char *root, const char *version, int agent, struct error *err);
