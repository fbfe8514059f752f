/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/isolation.h"
#include "runtime/vm/vm.h"

#define OPTIONS_MAX 64
#define FIRST_LONG 256 /* getopt's value of the first option; letters are below */

int cli_fail(const struct error *err)
{
	cli_log_error(err->message[0] != '\0' ? err->message : "failed for an unknown reason");
	return EXIT_FAILURE;
}

int cli_usage(const struct command *command, const char *format, ...)
{
	struct error err = ERROR_INIT;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_say(
		&err, EINVAL, "%s: %s (see caisson %s --help)", command->name, text, command->name);
	return cli_fail(&err);
}

static void print_help(
	const struct command *command, const struct cli_option *options, size_t n_options)
{
	printf("usage: caisson [global options] %s %s\n\n%s\n\noptions:\n", command->name,
		command->arguments, command->summary);
	for (size_t i = 0; i < n_options; i++) {
		const struct cli_option *option = &options[i];
		char flags[64], letter[5] = "";

		if (option->help == NULL)
			continue;
		if (option->letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(flags, sizeof(flags), "%s--%s%s%s", letter, option->name,
			option->argument != NULL ? " " : "",
			option->argument != NULL ? option->argument : "");
		printf("  %-28s %s\n", flags, option->help);
	}
	printf("  %-28s %s\n", "-h, --help", "show this");
}

static int append(struct cli_list *list, const char *item)
{
	const char **larger = realloc(list->items, (list->count + 2) * sizeof(*larger));

	if (larger == NULL)
		return -ENOMEM;
	list->items = larger;
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
	return 0;
}

void cli_list_free(struct cli_list *list)
{
	free(list->items);
	*list = (struct cli_list){ 0 };
}

/* Stores what a flag was given; 0, or -EINVAL for what is no number. */
static int store(const struct cli_option *option, const char *value)
{
	switch (option->type) {
	case CLI_FLAG:
		*(bool *)option->target = value == NULL || strcmp(value, "false") != 0;
		return value == NULL || strcmp(value, "true") == 0 || strcmp(value, "false") == 0
			? 0
			: -EINVAL;
	case CLI_STRING:
		*(const char **)option->target = value;
		return 0;
	case CLI_LIST:
		return append(option->target, value);
	case CLI_NUMBER: {
		char *end;
		unsigned long number;

		errno = 0;
		number = strtoul(value, &end, 10);
		if (errno != 0 || end == value || *end != '\0' || value[0] == '-' ||
			number > 1024 * 1024)
			return -EINVAL;
		*(unsigned int *)option->target = (unsigned int)number;
		return 0;
	}
	}
	return -EINVAL;
}

/* getopt's form of the table: long options of FIRST_LONG + index, letters that lead to the same. */
static void describe(const struct command *command, const struct cli_option *options,
	size_t n_options, struct option *longs, char *letters)
{
	if (command->options_first)
		*letters++ = '+';
	*letters++ = ':';
	for (size_t i = 0; i < n_options; i++) {
		bool flag = options[i].type == CLI_FLAG;

		longs[i] = (struct option){ options[i].name,
			flag ? optional_argument : required_argument, NULL, FIRST_LONG + (int)i };
		if (options[i].letter != 0) {
			*letters++ = options[i].letter;
			if (!flag)
				*letters++ = ':';
		}
	}
	longs[n_options] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n_options + 1] = (struct option){ 0 };
	*letters++ = 'h';
	*letters = '\0';
}

static const struct cli_option *find_option(
	const struct cli_option *options, size_t n_options, int value)
{
	if (value >= FIRST_LONG && (size_t)(value - FIRST_LONG) < n_options)
		return &options[value - FIRST_LONG];
	for (size_t i = 0; i < n_options; i++) {
		if (value != 0 && options[i].letter == value)
			return &options[i];
	}
	return NULL;
}

int cli_parse(const struct command *command, const struct cli_option *options, size_t n_options,
	int argc, char **argv, int least, int most, int *ret_status)
{
	struct option longs[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 4];
	int value;

	describe(command, options, n_options, longs, letters);
	opterr = 0;
	optind = 0;
	/* Long options with a single dash too, as callers of runc write them. */
	while ((value = getopt_long_only(argc, argv, letters, longs, NULL)) != -1) {
		const struct cli_option *option = find_option(options, n_options, value);

		if (value == 'h' && option == NULL) {
			print_help(command, options, n_options);
			*ret_status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
			return -1;
		}
		if (value == ':')
			*ret_status = cli_usage(command, "%s needs an argument", argv[optind - 1]);
		else if (option == NULL)
			*ret_status = cli_usage(command, "unknown option %s",
				argv[optind > 1 ? optind - 1 : optind]);
		else if (store(option, optarg) < 0)
			*ret_status = cli_usage(
				command, "--%s %s: not a valid value", option->name, optarg);
		else
			continue;
		return -1;
	}
	int given = argc - optind;
	if (given < least)
		*ret_status = cli_usage(command, "an argument is missing: caisson %s %s",
			command->name, command->arguments);
	else if (most >= 0 && given > most)
		*ret_status = cli_usage(command, "unexpected argument %s", argv[optind + most]);
	else
		return optind;
	return -1;
}

static int find_cgroup_manager(const char *name, enum cgroup_manager *ret, struct error *err)
{
	static const char *const names[] = {
		[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
		[CGROUP_MANAGER_SYSTEMD] = "systemd",
		[CGROUP_MANAGER_DISABLED] = "disabled",
	};

	for (size_t i = 0; i < CLI_COUNT(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum cgroup_manager)i;
			return 0;
		}
	}
	return error_say(
		err, EINVAL, "--cgroup-manager %s: must be cgroupfs, systemd or disabled", name);
}

static enum cgroup_manager settings_manager(const struct settings *settings)
{
	switch ((enum settings_cgroup_manager)settings->cgroup_manager) {
	case SETTINGS_CGROUP_SYSTEMD:
		return CGROUP_MANAGER_SYSTEMD;
	case SETTINGS_CGROUP_DISABLED:
		return CGROUP_MANAGER_DISABLED;
	case SETTINGS_CGROUP_CGROUPFS:
		break;
	}
	return CGROUP_MANAGER_CGROUPFS;
}

/*
 * The flag's, else what the program was called as, else the settings'. `create`: a container is to
 * be made; the others are what they are.
 */
static const struct isolation *choose_isolation(
	const struct cli *cli, const struct settings *settings, bool create, struct error *err)
{
	static const char *const names[] = {
		[SETTINGS_ISOLATION_NAMESPACE] = "namespace",
		[SETTINGS_ISOLATION_VM] = "vm",
		[SETTINGS_ISOLATION_AUTO] = "auto",
	};
	const char *name = cli->isolation != NULL ? cli->isolation
		: cli->called_vm		  ? "vm"
						  : names[settings->isolation];
	struct error reason = ERROR_INIT;

	if (strcmp(name, "auto") == 0) {
		name = "vm";
		if (create && vm_is_possible(&settings->vm, &reason) < 0) {
			log_info("isolation auto: using namespaces, not a virtual machine: %s",
				reason.message);
			name = "namespace";
		}
	}
	const struct isolation *isolation = isolation_find(name);
	if (isolation == NULL)
		error_say(err, EINVAL, "--isolation %s: must be namespace, vm or auto", name);
	return isolation;
}

int cli_open_runtime(struct cli *cli, bool create, struct error *err)
{
	const struct settings *settings = &cli->settings;
	enum cgroup_manager manager;
	const struct isolation *isolation;
	int status = settings_load(cli->settings_file != NULL ? cli->settings_file : SETTINGS_PATH,
		&cli->settings, err);

	if (status < 0)
		return status;
	manager = settings_manager(settings);
	if (cli->cgroup_manager != NULL)
		status = find_cgroup_manager(cli->cgroup_manager, &manager, err);
	isolation = status < 0 ? NULL : choose_isolation(cli, settings, create, err);
	if (isolation == NULL)
		return -EINVAL;
	status = runtime_open(cli->root != NULL ? cli->root : settings->root, cli->rootless, create,
		&cli->runtime, err);
	if (status < 0)
		return status;
	cli->runtime.cgroup_manager = manager;
	cli->runtime.isolation = isolation;
	cli->runtime.vm = &settings->vm;
	cli->runtime.settings = settings;
	return 0;
}

int cli_print(const char *text, size_t length)
{
	int status = write_all(STDOUT_FILENO, text, length);

	if (status < 0) {
		struct error err = ERROR_INIT;

		error_set(&err, -status, "write to stdout");
		return cli_fail(&err);
	}
	return EXIT_SUCCESS;
}

int cli_print_json(struct json_writer *writer)
{
	struct error err = ERROR_INIT;
	const char *text;
	size_t length;

	if (json_writer_text(writer, &text, &length, &err) < 0)
		return cli_fail(&err);
	return cli_print(text, length);
}

/*
 * Sockets that were meant for another process (sd_listen_fds(3)), whose environment was passed on.
 * podman says 1 for whatever process is going to be the container's first.
 */
static bool is_for_another(void)
{
	const char *text = getenv("LISTEN_PID");
	long pid = text != NULL ? strtol(text, NULL, 10) : 0;

	return pid > 1 && pid != getpid();
}

int cli_passed_fds(
	unsigned int preserve, unsigned int *ret_all, unsigned int *ret_listen, struct error *err)
{
	const char *text = getenv("LISTEN_FDS");
	unsigned long listen = 0;

	if (text != NULL && text[0] != '\0' && !is_for_another()) {
		char *end;

		listen = strtoul(text, &end, 10);
		if (end == text || *end != '\0' || listen > 4096)
			return error_say(err, EINVAL, "LISTEN_FDS=%s is not a number of fds", text);
	}
	for (unsigned int fd = 3; fd < 3 + preserve + listen; fd++) {
		int flags = fcntl((int)fd, F_GETFD);

		/* What is closed on exec is our own, opened since: the caller's would not be here.
		 */
		if (flags < 0 || flags & FD_CLOEXEC)
			return error_say(err, EBADF,
				"fd %u is to be passed on (%s) and is not open", fd,
				fd < 3 + listen ? "LISTEN_FDS" : "--preserve-fds");
	}
	*ret_all = preserve + (unsigned int)listen;
	*ret_listen = (unsigned int)listen;
	return 0;
}
