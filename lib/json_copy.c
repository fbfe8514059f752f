/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json_copy.h"

#include <stdint.h>

#include "lib/json.h"
#include "lib/json_write.h"

void json_write_value(struct json_writer *writer, const struct json_value *value)
{
	switch (value->type) {
	case JSON_NULL:
		json_write_null(writer);
		return;
	case JSON_BOOLEAN:
		json_write_bool(writer, value->boolean);
		return;
	case JSON_NUMBER:
		json_write_number(writer, value->text);
		return;
	case JSON_STRING:
		json_write_string(writer, value->text);
		return;
	case JSON_ARRAY:
		json_write_array(writer);
		for (uint32_t i = 0; i < value->count; i++)
			json_write_value(writer, &value->items[i]);
		break;
	case JSON_OBJECT:
		json_write_object(writer);
		for (uint32_t i = 0; i < value->count; i++) {
			json_write_key(writer, value->members[i].key);
			json_write_value(writer, &value->members[i].value);
		}
		break;
	}
	json_write_end(writer);
}
