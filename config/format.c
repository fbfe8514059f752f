/* SPDX-License-Identifier: Apache-2.0 */
#include "config/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"
#define IDENTIFIER DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

#define INTERFACE_MAX 15  /* IFNAMSIZ - 1 */
#define HOST_NAME_MAX_ 64 /* __NEW_UTS_LEN */
#define LIST_MAX 1048576  /* far above any CPU or node, far below an overflow */

const char *format_not_empty(const char *text)
{
	return *text != '\0' ? NULL : "a string that is not empty";
}

const char *format_absolute_path(const char *text)
{
	return *text == '/' ? NULL : "an absolute path (one that begins with '/')";
}

/* Steps over a number without leading zeros. */
static bool skip_number(const char **text)
{
	size_t digits = strspn(*text, DIGITS);

	if (digits == 0 || (digits > 1 && **text == '0'))
		return false;
	*text += digits;
	return true;
}

/* Steps over identifiers with dots between them; those before the build do not begin with 0. */
static bool skip_identifiers(const char **text, bool release)
{
	for (;;) {
		size_t length = strspn(*text, IDENTIFIER);

		if (length == 0)
			return false;
		if (release && length > 1 && **text == '0' && strspn(*text, DIGITS) == length)
			return false;
		*text += length;
		if (**text != '.')
			return true;
		(*text)++;
	}
}

const char *format_semantic_version(const char *text)
{
	static const char expected[] = "a version such as \"1.3.0\"";

	for (int i = 0; i < 3; i++) {
		if (i > 0 && *text++ != '.')
			return expected;
		if (!skip_number(&text))
			return expected;
	}
	if (*text == '-') {
		text++;
		if (!skip_identifiers(&text, true))
			return expected;
	}
	if (*text == '+') {
		text++;
		if (!skip_identifiers(&text, false))
			return expected;
	}
	return *text == '\0' ? NULL : expected;
}

const char *format_environment(const char *text)
{
	const char *sign = strchr(text, '=');

	return sign != NULL && sign != text ? NULL : "NAME=value";
}

/* Steps over a number and returns it, or -1. */
static long list_number(const char **text)
{
	long number = 0;

	if (strspn(*text, DIGITS) == 0)
		return -1;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		number = number * 10 + (**text - '0');
		if (number > LIST_MAX)
			return -1;
	}
	return number;
}

const char *format_number_list(const char *text)
{
	static const char expected[] = "a list of numbers and ranges such as \"0-3,7\"";

	for (;;) {
		text += strspn(text, " ");
		long first = list_number(&text), last = first;

		if (first >= 0 && *text == '-') {
			text++;
			last = list_number(&text);
		}
		if (first < 0 || last < first)
			return expected;
		text += strspn(text, " ");
		if (*text == '\0')
			return NULL;
		if (*text++ != ',')
			return expected;
	}
}

const char *format_page_size(const char *text)
{
	const char *unit = text + strspn(text, DIGITS);

	if (unit != text && *text != '0' && *unit != '\0' && strchr("KMG", *unit) != NULL &&
		strcmp(unit + 1, "B") == 0)
		return NULL;
	return "a page size such as \"64KB\", \"2MB\" or \"1GB\"";
}

static bool is_interface(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= INTERFACE_MAX && strcmp(text, ".") != 0 &&
		strcmp(text, "..") != 0 && strcspn(text, "/: \t\n\v\f\r\xa0") == length;
}

const char *format_interface(const char *text)
{
	return is_interface(text) && strchr(text, '%') == NULL
		? NULL
		: "a network device's name: 1 to 15 bytes without '/', ':', '%' or spaces";
}

const char *format_interface_template(const char *text)
{
	const char *sign = strchr(text, '%');

	if (is_interface(text) &&
		(sign == NULL || (sign[1] == 'd' && strchr(sign + 1, '%') == NULL)))
		return NULL;
	return "a network device's name: 1 to 15 bytes without '/', ':' or spaces, with no '%' but "
	       "one \"%d\"";
}

const char *format_line(const char *text)
{
	return strchr(text, '\n') == NULL ? NULL : "one line without line feeds";
}

const char *format_memory_bandwidth(const char *text)
{
	if (strncmp(text, "MB:", 3) == 0 && format_line(text) == NULL)
		return NULL;
	return "one line that begins with \"MB:\"";
}

static bool is_file_name(const char *text)
{
	return *text != '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
		strchr(text, '/') == NULL && strchr(text, '\n') == NULL;
}

const char *format_clos_id(const char *text)
{
	return strcmp(text, "/") == 0 || is_file_name(text)
		? NULL
		: "a directory's name without '/', or \"/\" alone";
}

const char *format_cgroup_file(const char *text)
{
	if (is_file_name(text) && *text != '.' && strchr(text, '.') != NULL)
		return NULL;
	return "a cgroup file's name such as \"memory.high\", without '/'";
}

const char *format_sysctl(const char *text)
{
	static const char expected[] = "a sysctl's name such as \"net.ipv4.ip_forward\"";
	/* The first separator decides what the others mean (sysctl(8)). */
	char separator = text[strcspn(text, "./")];

	if (separator == '\0')
		return expected;
	for (const char *p = text;; p++) {
		size_t length = strcspn(p, separator == '/' ? "/" : ".");

		if (length == 0 || memchr(p, '\n', length) != NULL ||
			(length <= 2 && strncmp(p, "..", length) == 0) ||
			(separator == '.' && strncmp(p, "//", 2) == 0))
			return expected;
		p += length;
		if (*p == '\0')
			return NULL;
	}
}

const char *format_host_name(const char *text)
{
	return strlen(text) <= HOST_NAME_MAX_ ? NULL : "a name of at most 64 bytes";
}
