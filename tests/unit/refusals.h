/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that are refused, and the line that says why: tables of them, and the test of one. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/arena.h"
#include "lib/error.h"

enum document {
	WHOLE,	   /* the text is a config.json */
	TOP,	   /* ... members beside ociVersion and root */
	LINUX,	   /* ... members of linux */
	PROCESS,   /* ... a process object */
	MEMBERS,   /* ... members of a process beside cwd and args */
	RESOURCES, /* ... a resources object */
};

struct refusal {
	enum document document;
	const char *text;
	const char *message; /* its beginning */
};

#define INTEGER_RANGE(min, max, found) \
	"expected an integer from " #min " to " #max ", found " #found

/* The document of a case, ' turned into ". */
static inline char *make_document(const struct refusal *refusal)
{
	static const struct {
		const char *before, *after;
	} frames[] = {
		[WHOLE] = { "", "" },
		[TOP] = { "{'ociVersion':'1.0.2','root':{'path':'r'},", "}" },
		[LINUX] = { "{'ociVersion':'1.0.2','root':{'path':'r'},'linux':{", "}}" },
		[PROCESS] = { "", "" },
		[MEMBERS] = { "{'cwd':'/','args':['x'],", "}" },
		[RESOURCES] = { "", "" },
	};
	char *text = NULL;

	assert_true(asprintf(&text, "%s%s%s", frames[refusal->document].before, refusal->text,
			    frames[refusal->document].after) > 0);
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
	}
	return text;
}

static inline int decode(enum document document, const char *text, struct error *err)
{
	struct arena arena = { 0 };
	struct oci_config config = { 0 };
	struct oci_process process = { 0 };
	struct oci_resources resources = { 0 };
	int status;

	switch (document) {
	case PROCESS:
	case MEMBERS:
		status = oci_process_decode(text, strlen(text), &arena, &process, err);
		break;
	case RESOURCES:
		status = oci_resources_decode(text, strlen(text), &arena, &resources, err);
		break;
	default:
		status = oci_config_decode(text, strlen(text), &config, err);
		/* Nothing is left over after a failure. */
		if (status != 0) {
			assert_null(config.arena.blocks);
			assert_null(config.oci_version);
		}
		oci_config_free(&config);
		break;
	}
	arena_free(&arena);
	return status;
}

static inline void check_refusals(const struct refusal *refusals, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct error err = ERROR_INIT;
		char *text = make_document(&refusals[i]);
		int status = decode(refusals[i].document, text, &err);

		if (status != -EINVAL)
			fail_msg("%s: %d instead of a refusal", text, status);
		if (strncmp(err.message, refusals[i].message, strlen(refusals[i].message)) != 0)
			fail_msg("%s:\n  expected \"%s\"\n  found    \"%s\"", text,
				refusals[i].message, err.message);
		assert_null(strchr(err.message, '\n'));
		free(text);
	}
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEST(table)                                  \
	static void test_##table(void **state)       \
	{                                            \
		(void)state;                         \
		check_refusals(table, COUNT(table)); \
	}
