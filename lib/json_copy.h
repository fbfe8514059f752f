/* SPDX-License-Identifier: Apache-2.0 */
/* From a document that was read (json.h) into one that is written (json_write.h). */
#pragma once

struct json_value;
struct json_writer;

/* Writes `value` with all that is in it as the next value. Depth is bounded by the parser's. */
void json_write_value(struct json_writer *writer, const struct json_value *value);
