/* SPDX-License-Identifier: Apache-2.0 */
/* What state and list say of a container. */
#pragma once

#include <sys/types.h>

#include "cmd/cli.h"

struct container;
struct json_writer;

/* Writes the members of a container's state object, in an open object. */
void write_state_members(struct json_writer *writer, struct container *container);

/* The user's name from /etc/passwd, or the uid as text. Valid until the next call. */
const char *user_name(uid_t uid);
