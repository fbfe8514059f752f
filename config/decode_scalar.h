/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the decoder that turns one JSON value into one C object; for config/decode.c.
 */
#pragma once

struct decoder;
struct field;
struct json_value;

/*
 * Decodes a value that is not null into `destination` (the struct's member), for every kind but
 * FIELD_OBJECT, FIELD_OBJECTS, FIELD_OBJECT_MAP and FIELD_CUSTOM. The path is the value's.
 */
int decode_scalar(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination);
