/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a cgroup is: an extended attribute of its directory (user.*, Linux 5.7), put on before
 * anything is in it. A program that the cgroup is delegated to can take it off, so it tells only
 * what happened before the program ran.
 */
#pragma once

/* Puts `mark` on the cgroup; a kernel that has no such attributes goes without. */
void cgroup_set_mark(int fd, const char *mark);

/* 1 when the cgroup has this mark, 0 when it has another or none, negative where no kernel says. */
int cgroup_has_mark(int fd, const char *mark);
