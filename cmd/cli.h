/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: global flags, the table of commands, and one way to declare, parse and explain
 * a command's flags. Only here and in the command's files is anything printed, or a status made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"
#include "runtime/runtime.h"

struct error;
struct exec_process;
struct json_writer;

struct cli {
	const char *root;	    /* --root, NULL: the default */
	const char *cgroup_manager; /* --cgroup-manager, NULL: cgroupfs */
	const char *isolation;	    /* --isolation, NULL: the settings' */
	bool called_vm;		    /* the program was called as caisson-vm */
	int rootless;		    /* --rootless: 1, 0, or -1 for auto */
	const char *settings_file;  /* --settings, NULL: /etc/caisson/config.json */
	struct settings settings;   /* read by cli_open_runtime() */
	struct runtime runtime;	    /* open once a command called cli_open_runtime() */
};

enum cli_option_type {
	CLI_FLAG,   /* bool */
	CLI_STRING, /* const char * */
	CLI_NUMBER, /* unsigned int */
	CLI_LIST,   /* struct cli_list, one more item each time */
};

struct cli_list {
	const char **items;
	size_t count;
};

void cli_list_free(struct cli_list *list);

struct cli_option {
	const char *name;
	char letter;	      /* 0: none */
	const char *argument; /* what the help calls it; NULL for a flag */
	const char *help;     /* NULL: accepted for other runtimes' callers, not shown */
	enum cli_option_type type;
	void *target;
};

struct command {
	const char *name;
	const char *arguments;				    /* as in a synopsis: "[options] ID" */
	const char *summary;				    /* one line */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command's name */
	bool enters_containers; /* its executable is protected first (runtime/ns/exe.h) */
	bool options_first;	/* what follows the first argument is another program's */
};

#define CLI_COUNT(array) (sizeof(array) / sizeof(*(array)))

/*
 * Parses a command's own arguments. Flags may stand among and behind the others, as runc and crun
 * have it (argv is put in order then), but not for a command with options_first. Returns the index
 * of the first argument that is none in argv; negative when the status is settled: *ret_status is
 * then what run() returns (--help was answered, or one line said what is wrong). A count of
 * arguments outside `least` … `most` (negative: any) is wrong too.
 */
int cli_parse(const struct command *command, const struct cli_option *options, size_t n_options,
	int argc, char **argv, int least, int most, int *ret_status);

/* Opens cli->runtime as the global flags ask; `create` as for runtime_open(). */
int cli_open_runtime(struct cli *cli, bool create, struct error *err);

/* Says the error (stderr, and the log) and returns the exit status for it, which is 1. */
int cli_fail(const struct error *err);

/* Prints a usage error for a command, returns its exit status. */
int cli_usage(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* cmd/log.c: where lines go. NULL: stderr. -errno with err set where the file cannot be opened. */
int cli_log_open(
	const char *path, const char *format, const char *level, bool debug, struct error *err);
void cli_log_error(const char *message);

/* cmd/version.c */
void cli_print_version(void);
extern const char *const cli_version, *const cli_commit;

/* Writes text to stdout; a status for main(). A closed pipe or a full disk is a failure. */
int cli_print(const char *text, size_t length);

/* The same for a document that was written to its end. */
int cli_print_json(struct json_writer *writer);

/* fds 3 … 3 + n - 1 that the caller passes on: LISTEN_FDS and --preserve-fds; checks that they are
 * open. */
int cli_passed_fds(
	unsigned int preserve, unsigned int *ret_all, unsigned int *ret_listen, struct error *err);

/* main.c: every command, NULL-terminated. */
extern const struct command *const commands[];

extern const struct command command_create, command_start, command_state, command_kill,
	command_delete, command_run, command_exec, command_list, command_ps, command_spec,
	command_pause, command_resume, command_update, command_events, command_features, command_vm,
	command_doctor;
