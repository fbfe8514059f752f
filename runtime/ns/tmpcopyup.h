/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tmpcopyup: a new tmpfs begins with what the directory under it holds.
 */
#pragma once

struct error;

/*
 * Copies all that is in the directory `from` (any fd of it) into the directory `to`: files,
 * directories, links, fifos, sockets and device nodes with owner, mode, times and extended
 * attributes; hard links become files of their own. Follows no link, crosses no mount. Errors: the
 * errno, with the name it happened at; -ELOOP beyond 128 levels.
 */
int tmpcopyup_copy(int from, int to, struct error *err);
