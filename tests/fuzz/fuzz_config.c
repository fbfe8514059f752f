/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder against arbitrary documents. The first byte says which kind of document the rest is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "config/settings.h"
#include "lib/arena.h"
#include "lib/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refusal says why, in one line. */
static void check(int status, const struct error *err)
{
	if ((status < 0) != (err->errnum != 0) || (status < 0 && err->message[0] == '\0') ||
		strchr(err->message, '\n') != NULL)
		abort();
}

static void decode_config(const char *text, size_t length)
{
	struct oci_config config = { 0 };
	struct error err = ERROR_INIT;
	int status = oci_config_decode(text, length, &config, &err);

	check(status, &err);
	if (status == 0) {
		/* What later code takes for granted. */
		if (config.oci_version == NULL || config.root.path == NULL)
			abort();
		if (config.process.set &&
			(config.process.args.count == 0 || config.process.cwd[0] != '/' ||
				config.process.user.uid == (uid_t)-1))
			abort();
		oci_config_annotation(&config, "org.example.key");
	}
	oci_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct oci_process process = { 0 };
	struct oci_resources resources = { 0 };
	struct settings settings;

	if (size == 0)
		return 0;
	const char *text = (const char *)data + 1;
	size_t length = size - 1;
	switch (data[0]) {
	case 'p':
		check(oci_process_decode(text, length, &arena, &process, &err), &err);
		break;
	case 'r':
		check(oci_resources_decode(text, length, &arena, &resources, &err), &err);
		break;
	case 's':
		check(settings_decode(text, length, &settings, &err), &err);
		settings_free(&settings);
		break;
	default:
		decode_config(text, length);
		break;
	}
	arena_free(&arena);
	return 0;
}
