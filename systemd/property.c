/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/property.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of `text` as a number. */
static bool parse_u64(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return isdigit((unsigned char)*text) && *end == '\0' && errno == 0;
}

static bool parse_i64(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return (isdigit((unsigned char)*text) || (*text == '-' && text[1] != '\0')) &&
		*end == '\0' && errno == 0;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)     ? c - '0'
		: isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
					     : -1;
}

static int append_bytes(sd_bus_message *message, const char *name, const char *hex)
{
	size_t n = strlen(hex) / 2;
	unsigned char *bytes = malloc(n + 1);
	int status = bytes == NULL ? -ENOMEM : 0;

	for (size_t i = 0; status == 0 && i < n; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			status = -EINVAL;
		else
			bytes[i] = (unsigned char)(high << 4 | low);
	}
	if (status == 0)
		status = sd_bus_message_open_container(message, 'r', "sv");
	if (status >= 0)
		status = sd_bus_message_append(message, "s", name);
	if (status >= 0)
		status = sd_bus_message_open_container(message, 'v', "ay");
	if (status >= 0)
		status = sd_bus_message_append_array(message, 'y', bytes, n);
	if (status >= 0)
		status = sd_bus_message_close_container(message);
	if (status >= 0)
		status = sd_bus_message_close_container(message);
	free(bytes);
	return status;
}

/* "path value", where the path has no space. */
static int append_pair(sd_bus_message *message, const char *name, const char *value, bool number)
{
	char *path = strdup(value), *second;
	uint64_t amount;
	int status;

	if (path == NULL)
		return -ENOMEM;
	second = strchr(path, ' ');
	if (second == NULL) {
		status = -EINVAL;
	} else if (number) {
		*second++ = '\0';
		status = parse_u64(second, &amount)
			? sd_bus_message_append(message, "(sv)", name, "a(st)", 1, path, amount)
			: -EINVAL;
	} else {
		*second++ = '\0';
		status = sd_bus_message_append(message, "(sv)", name, "a(ss)", 1, path, second);
	}
	free(path);
	return status;
}

/* Takes a quoted string off the front of *text; escapes with a backslash. NULL when it is none. */
static char *take_string(char **text)
{
	char quote = **text, *from = *text + 1, *to = *text + 1, *start = to;

	if (quote != '\'' && quote != '"')
		return NULL;
	for (; *from != '\0' && *from != quote; from++) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from;
	}
	if (*from != quote)
		return NULL;
	*text = from + 1;
	*to = '\0';
	return start;
}

#define STRINGS_MOST 256

/* "['a', 'b']" and "@as []". */
static int append_strings(sd_bus_message *message, const char *name, const char *text)
{
	char *strings[STRINGS_MOST + 1] = { NULL };
	char *copy = strdup(text), *p = copy;
	int n = 0, status = copy == NULL ? -ENOMEM : 0;

	while (status == 0) {
		p += strspn(p + (*p == '[' || *p == ','), " ") + (*p == '[' || *p == ',');
		if (*p == ']' && p[1] == '\0')
			break;
		strings[n] = n < STRINGS_MOST ? take_string(&p) : NULL;
		if (strings[n++] == NULL)
			status = -EINVAL;
		else
			p += strspn(p, " ");
		if (status == 0 && *p != ',' && *p != ']')
			status = -EINVAL;
	}
	if (status == 0)
		status = sd_bus_message_open_container(message, 'r', "sv");
	if (status >= 0)
		status = sd_bus_message_append(message, "s", name);
	if (status >= 0)
		status = sd_bus_message_open_container(message, 'v', "as");
	if (status >= 0)
		status = sd_bus_message_append_strv(message, strings);
	if (status >= 0)
		status = sd_bus_message_close_container(message);
	if (status >= 0)
		status = sd_bus_message_close_container(message);
	free(copy);
	return status;
}

/* A number with its type in front, or without: then it is an int32, as in GVariant's text. */
static int append_number(sd_bus_message *message, const char *name, const char *text, bool seconds)
{
	static const struct {
		const char *word;
		char type;
		int64_t least;
		uint64_t most;
	} types[] = {
		{ "uint64 ", 't', 0, UINT64_MAX },
		{ "int64 ", 'x', INT64_MIN, INT64_MAX },
		{ "uint32 ", 'u', 0, UINT32_MAX },
		{ "int32 ", 'i', INT32_MIN, INT32_MAX },
		{ "uint16 ", 'q', 0, UINT16_MAX },
		{ "int16 ", 'n', INT16_MIN, INT16_MAX },
		{ "byte ", 'y', 0, UINT8_MAX },
		{ "", 'i', INT32_MIN, INT32_MAX },
	};
	uint64_t number = 0;
	int64_t signed_number = 0;
	size_t i = 0;

	while (strncmp(text, types[i].word, strlen(types[i].word)) != 0)
		i++;
	text += strlen(types[i].word);
	if (!parse_u64(text, &number) || number > types[i].most) {
		if (types[i].least == 0 || !parse_i64(text, &signed_number) ||
			signed_number < types[i].least || signed_number > 0)
			return -EINVAL;
		number = (uint64_t)signed_number;
	}
	/* systemd has times in microseconds, as uint64 (runc and crun convert so, too). */
	if (seconds) {
		if ((int64_t)number < 0 || __builtin_mul_overflow(number, 1000000, &number))
			return -ERANGE;
		return sd_bus_message_append(message, "(sv)", name, "t", number);
	}

	char type[] = { types[i].type, '\0' };

	switch (types[i].type) {
	case 't':
	case 'x':
		return sd_bus_message_append(message, "(sv)", name, type, number);
	default:
		/* Smaller ones are passed as int. */
		return sd_bus_message_append(message, "(sv)", name, type, (int)number);
	}
}

static int append_variant(sd_bus_message *message, const char *given, const char *text)
{
	size_t length = strlen(given);
	bool seconds = length > 4 && strcmp(given + length - 3, "Sec") == 0 &&
		given[length - 4] != 'U';
	char name[160];

	if (length > 100)
		return -EINVAL;
	snprintf(name, sizeof(name), "%.*s%s", (int)(seconds ? length - 3 : length), given,
		seconds ? "USec" : "");
	text += strspn(text, " ");
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return sd_bus_message_append(message, "(sv)", name, "b", *text == 't');
	if (strncmp(text, "@as ", 4) == 0)
		text += 4;
	if (*text == '[')
		return append_strings(message, name, text);
	if (*text == '\'' || *text == '"') {
		char *copy = strdup(text), *rest = copy, *string;
		int status = -EINVAL;

		if (copy == NULL)
			return -ENOMEM;
		string = take_string(&rest);
		if (string != NULL && *rest == '\0')
			status = sd_bus_message_append(message, "(sv)", name, "s", string);
		free(copy);
		return status;
	}
	return append_number(message, name, text, seconds);
}

static int append(
	sd_bus_message *message, const char *name, const char *signature, const char *value)
{
	uint64_t number;

	if (strcmp(signature, "b") == 0)
		return sd_bus_message_append(
			message, "(sv)", name, "b", strcmp(value, "true") == 0);
	if (strcmp(signature, "s") == 0)
		return sd_bus_message_append(message, "(sv)", name, "s", value);
	if (strcmp(signature, "t") == 0)
		return parse_u64(value, &number)
			? sd_bus_message_append(message, "(sv)", name, "t", number)
			: -EINVAL;
	if (strcmp(signature, "ay") == 0)
		return append_bytes(message, name, value);
	if (strcmp(signature, "a(st)") == 0)
		return append_pair(message, name, value, true);
	if (strcmp(signature, "a(ss)") == 0 && *value == '\0')
		return sd_bus_message_append(message, "(sv)", name, "a(ss)", 0);
	if (strcmp(signature, "a(ss)") == 0)
		return append_pair(message, name, value, false);
	if (strcmp(signature, "v") == 0)
		return append_variant(message, name, value);
	return -EINVAL;
}

int property_append(sd_bus_message *message, const char *word, const char **ret_reason)
{
	char *copy = strdup(word), *name = copy, *signature, *value;
	int status;

	*ret_reason = "out of memory";
	if (copy == NULL)
		return -ENOMEM;
	signature = strchr(copy, '=');
	*ret_reason = "not of the form NAME=SIGNATURE VALUE";
	if (signature == NULL) {
		free(copy);
		return -EINVAL;
	}
	*signature++ = '\0';
	value = strchrnul(signature, ' ');
	if (*value == ' ')
		*value++ = '\0';
	*ret_reason = "the value is not of a type that a unit's property has";
	status = append(message, name, signature, value);
	free(copy);
	return status < 0 ? status : 0;
}
