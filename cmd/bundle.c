/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"

int bundle_load(struct bundle *bundle, const char *id, struct error *err)
{
	struct create_options *options = &bundle->options;
	int status = cli_passed_fds(
		bundle->preserve_fds, &options->preserve_fds, &options->listen_fds, err);
	if (status < 0)
		return status;

	bundle->absolute = realpath(bundle->path != NULL ? bundle->path : ".", NULL);
	if (bundle->absolute == NULL)
		return error_set(err, errno, "--bundle %s",
			bundle->path != NULL ? bundle->path : "(the working directory)");
	_cleanup_close_ int dir = open(bundle->absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_set(err, errno, "open the bundle %s", bundle->absolute);
	status = read_file(dir, bundle->config != NULL ? bundle->config : "config.json",
		JSON_MAX_SIZE, &bundle->config_text, &bundle->config_length, err);
	if (status < 0)
		return error_prefix(err, "bundle %s", bundle->absolute);
	options->id = id;
	options->bundle = bundle->absolute;
	options->config_text = bundle->config_text;
	options->config_length = bundle->config_length;
	options->notify_socket = getenv("NOTIFY_SOCKET");
	return 0;
}

void bundle_free(struct bundle *bundle)
{
	free(bundle->absolute);
	free(bundle->config_text);
}
