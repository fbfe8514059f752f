/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as ps(1) would show them, read from the guest's own procfs. */
#pragma once

struct json_writer;
struct pid_list;

/*
 * Writes the member `key`: an array with an object for each process that is still there, its pid,
 * ppid, uid, cpu (milliseconds) and command.
 */
void process_list_write(struct json_writer *writer, const char *key, const struct pid_list *pids);
