/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/exec_process.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include "lib/error.h"

/* Digits alone, up to `end`; -EINVAL for anything that strtoul would be generous about. */
static int parse_id(const char *text, const char *end, uint32_t *ret)
{
	uint64_t id = 0;

	if (text == end)
		return -EINVAL;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		id = id * 10 + (uint64_t)(*text - '0');
		if (id >= UINT32_MAX) /* (uid_t)-1 means "no change" to setuid's family */
			return -EINVAL;
	}
	*ret = (uint32_t)id;
	return 0;
}

int exec_parse_user(const char *text, uid_t *ret_uid, gid_t *ret_gid, struct error *err)
{
	const char *colon = strchrnul(text, ':');
	uint32_t uid, gid = *ret_gid;

	if (parse_id(text, colon, &uid) < 0 ||
		(*colon == ':' && parse_id(colon + 1, colon + strlen(colon), &gid) < 0))
		return error_say(err, EINVAL,
			"--user %s: must be UID or UID:GID in decimal digits, below 4294967295",
			text);
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

static int merge_user(const struct exec_flags *flags, struct arena *arena, struct oci_user *user,
	struct error *err)
{
	if (flags->user != NULL) {
		/* The container's groups are its own user's, not another's. */
		user->n_additional_gids = 0;
		int status = exec_parse_user(flags->user, &user->uid, &user->gid, err);
		if (status < 0)
			return status;
	}
	if (flags->gids.count == 0)
		return 0;
	size_t count = user->n_additional_gids + flags->gids.count;
	gid_t *gids = arena_alloc(arena, count, sizeof(*gids));
	if (gids == NULL)
		return error_set(err, ENOMEM, "--additional-gids");
	if (user->n_additional_gids > 0)
		memcpy(gids, user->additional_gids, user->n_additional_gids * sizeof(*gids));
	for (size_t i = 0; i < flags->gids.count; i++) {
		const char *text = flags->gids.items[i];

		if (parse_id(text, text + strlen(text), &gids[user->n_additional_gids + i]) < 0)
			return error_say(err, EINVAL,
				"--additional-gids %s: must be a group's number", text);
	}
	user->additional_gids = gids;
	user->n_additional_gids = count;
	return 0;
}

static int merge_env(const struct exec_flags *flags, struct arena *arena, struct string_list *env,
	struct error *err)
{
	if (flags->env.count == 0)
		return 0;
	char **items = arena_alloc(arena, env->count + flags->env.count + 1, sizeof(*items));
	if (items == NULL)
		return error_set(err, ENOMEM, "--env");
	if (env->count > 0)
		memcpy(items, env->items, env->count * sizeof(*items));
	for (size_t i = 0; i < flags->env.count; i++) {
		const char *item = flags->env.items[i];

		if (strchr(item, '=') == NULL || item[0] == '=')
			return error_say(err, EINVAL, "--env %s: must be NAME=VALUE", item);
		items[env->count + i] = (char *)item;
	}
	env->items = items;
	env->count += flags->env.count;
	return 0;
}

static int merge_capabilities(
	const struct exec_flags *flags, struct oci_capabilities *capabilities, struct error *err)
{
	for (size_t i = 0; i < flags->capabilities.count; i++) {
		const char *name = flags->capabilities.items[i];
		cap_value_t number;

		if (strncasecmp(name, "CAP_", 4) != 0 || cap_from_name(name, &number) < 0 ||
			number > 63)
			return error_say(err, EINVAL, "--cap %s: unknown capability", name);
		uint64_t bit = UINT64_C(1) << number;
		capabilities->set = true;
		capabilities->bounding |= bit;
		capabilities->effective |= bit;
		capabilities->permitted |= bit;
		/* As with runc: where the configuration made it inheritable, and no further. */
		capabilities->ambient |= bit & capabilities->inheritable;
	}
	return 0;
}

void exec_flags_free(struct exec_flags *flags)
{
	cli_list_free(&flags->env);
	cli_list_free(&flags->gids);
	cli_list_free(&flags->capabilities);
}

int exec_process_from_flags(const struct oci_process *base, const struct exec_flags *flags,
	struct arena *arena, struct oci_process *ret, struct error *err)
{
	struct oci_process process = *base;

	process.terminal = flags->tty;
	process.console_size.set = false;
	process.args = (struct string_list){ .items = flags->args, .count = flags->n_args };
	process.no_new_privileges = base->no_new_privileges || flags->no_new_privileges;
	if (flags->cwd != NULL)
		process.cwd = (char *)flags->cwd;
	if (flags->selinux_label != NULL)
		process.selinux_label = (char *)flags->selinux_label;
	if (flags->apparmor != NULL)
		process.apparmor_profile = (char *)flags->apparmor;
	if (process.cwd[0] != '/')
		return error_say(err, EINVAL, "--cwd %s: must be an absolute path", process.cwd);
	int status = merge_user(flags, arena, &process.user, err);
	if (status == 0)
		status = merge_env(flags, arena, &process.env, err);
	if (status == 0)
		status = merge_capabilities(flags, &process.capabilities, err);
	if (status == 0)
		*ret = process;
	return status;
}
