/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/isolation.h"

extern const struct isolation namespace_isolation, vm_isolation;

const struct isolation *isolation_find(const char *name)
{
	static const struct isolation *const all[] = { &namespace_isolation, &vm_isolation, NULL };
	const struct isolation *const *isolation = all;

	while (*isolation != NULL && strcmp((*isolation)->name, name) != 0)
		isolation++;
	return *isolation;
}

int container_open(
	const struct runtime *runtime, const char *id, struct container *ret, struct error *err)
{
	struct container container = { .runtime = runtime };

	container.dir = state_open(runtime, id, err);
	if (container.dir < 0)
		return container.dir;
	int status = state_read(container.dir, id, &container.state, err);
	if (status == 0) {
		container.isolation = isolation_find(container.state.isolation);
		if (container.isolation == NULL)
			status = error_say(err, ENOTSUP,
				"container %s was created with the isolation %s, which this "
				"caisson lacks",
				id, container.state.isolation);
	}
	if (status < 0) {
		container_close(&container);
		return status;
	}
	*ret = container;
	return 0;
}

int container_read_again(struct container *container, struct error *err)
{
	struct state state;
	int status = state_read(container->dir, container->state.id, &state, err);

	if (status < 0)
		return status;
	state_free(&container->state);
	container->state = state;
	return 0;
}

void container_close(struct container *container)
{
	container->dir = close_fd(container->dir);
	state_free(&container->state);
	if (container->has_config)
		oci_config_free(&container->config);
	container->has_config = false;
}

int container_load_config(struct container *container, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (container->has_config)
		return 0;
	int status = read_file(container->dir, STATE_CONFIG, JSON_MAX_SIZE, &text, &length, err);
	if (status == 0)
		status = oci_config_decode(text, length, &container->config, err);
	if (status < 0)
		return error_prefix(err, "the configuration that container %s was created with",
			container->state.id);
	container->has_config = true;
	return 0;
}

enum container_status container_status(const struct container *container)
{
	return state_status(container->dir, &container->state);
}

bool container_oom_killed(const struct container *container, uint64_t *ret_limit)
{
	struct error ignored = ERROR_INIT;
	uint64_t limit;

	if (container->isolation->oom_killed != NULL &&
		container->isolation->oom_killed(container, ret_limit))
		return true;
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, &ignored);
	if (cgroup < 0 || cgroup_oom_killed(cgroup, &limit) <= 0 || limit == UINT64_MAX)
		return false;
	*ret_limit = limit;
	return true;
}
