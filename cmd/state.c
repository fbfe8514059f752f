/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/state_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/container.h"
#include "runtime/isolation.h"
#include "runtime/ns/rootfs.h"

/* The root file system's path as callers expect it: absolute. */
static char *rootfs_path(struct container *container)
{
	char *path;
	const char *root;

	if (container_load_config(container, NULL) < 0)
		return NULL;
	root = container->config.root.path;
	if (root[0] == '/')
		return strdup(root);
	return asprintf(&path, "%s/%s", container->state.bundle, root) < 0 ? NULL : path;
}

void write_state_members(struct json_writer *writer, struct container *container)
{
	const struct state *state = &container->state;
	enum container_status status = container_status(container);
	bool alive = status != CONTAINER_STOPPED && status != CONTAINER_CREATING;
	_cleanup_free_ char *rootfs = rootfs_path(container);

	json_write_string_member(writer, "ociVersion", OCI_VERSION);
	json_write_string_member(writer, "id", state->id);
	json_write_int_member(writer, "pid", alive ? state->init.pid : 0);
	json_write_string_member(writer, "status", container_status_name(status));
	json_write_string_member(writer, "bundle", state->bundle);
	if (rootfs != NULL)
		json_write_string_member(writer, "rootfs", rootfs);
	json_write_string_member(writer, "created", state->created);
	json_write_string_member(writer, "owner", user_name(state->owner));
	json_write_string_member(writer, "isolation", state->isolation);
	json_write_object_member(writer, "annotations");
	for (size_t i = 0; state->annotations != NULL && i < state->annotations->count; i++)
		if (strcmp(state->annotations->items[i].key, ISOLATION_ANNOTATION) != 0)
			json_write_string_member(writer, state->annotations->items[i].key,
				state->annotations->items[i].value);
	/* What was really used, for who reads the specification's members only. */
	if (strcmp(state->isolation, "namespace") != 0)
		json_write_string_member(writer, ISOLATION_ANNOTATION, state->isolation);
	json_write_end(writer);
}

static int run_state(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(&command_state, NULL, 0, argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		json_writer_open(&writer, true, &err) < 0)
		return cli_fail(&err);
	json_write_object(&writer);
	write_state_members(&writer, &container);
	json_write_end(&writer);
	return cli_print_json(&writer);
}

const struct command command_state = {
	.name = "state",
	.arguments = "ID",
	.summary = "show a container's state as JSON",
	.run = run_state,
};
